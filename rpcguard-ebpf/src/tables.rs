//! [`Tables`] over the maps.
#![expect(
    unsafe_code,
    reason = "map values are shared with userspace and read through pointers; helpers are foreign functions"
)]

use core::{mem::MaybeUninit, ptr::addr_of};

use aya_ebpf::{btf_maps::lpm_trie::Key, helpers::generated::bpf_ktime_get_boot_ns};
use rpcguard_common::{
    abi::{
        BUCKET_HOSTS, BloomKey, DESTINATION_TAG_BITS, Decision, FewPorts, HostEntry, Limits,
        MAX_LAPSED, PortSet, PrefixEntry, Settings, State, VacantBlocks, destination_key, flag,
        host_hash_v4, host_hash_v6,
    },
    limiter,
    policy::{Address, Tables},
};

use crate::{
    ctx::widen,
    limiter::Maps,
    maps::{
        BLOOM, BLOOM_LOG2, DESTINATIONS, ENDS, HOSTS_V4, HOSTS_V4_MASK, HOSTS_V6, HOSTS_V6_MASK,
        LIMITER, LONG, PREFIXES_V4, PREFIXES_V6, SEED, STATE,
    },
};

/// The tables as of one epoch.
pub(crate) struct KernelTables {
    epoch: u32,
}

impl KernelTables {
    #[inline(always)]
    pub(crate) fn current() -> Self {
        // SAFETY: a field of a live map value.
        let epoch = unsafe { addr_of!((*STATE.get()).epoch) };
        // SAFETY: as above; userspace stores the epoch as one aligned word, hence the volatile
        // read.
        let epoch = unsafe { epoch.read_volatile() };
        Self { epoch }
    }

    #[inline(always)]
    fn settings(&self) -> *const Settings {
        // SAFETY: `side` is 0 or 1.
        unsafe { addr_of!((*STATE.get()).settings[State::side(self.epoch)]) }
    }

    /// Whether [`Tables::guards_port`] is worth asking.
    #[inline(always)]
    pub(crate) fn may_guard_port(&self, port: u16) -> bool {
        // SAFETY: a field of a live map value.
        let few: *const FewPorts = unsafe { addr_of!((*STATE.get()).few_ports) };
        // SAFETY: the word lies in that field, aligned.
        let word: *const u64 = unsafe { few.byte_add(FewPorts::WORD) }.cast();
        // SAFETY: as above; userspace stores it at any time, hence one volatile read.
        let word = unsafe { word.read_volatile() };
        FewPorts::may_contain(word, port)
    }

    /// Whether to pass everything.
    #[inline(always)]
    pub(crate) fn observes(&self) -> bool {
        self.flags() & flag::OBSERVE != 0
    }

    /// Whether somebody reads events at this time of the monotonic clock.
    #[inline(always)]
    pub(crate) fn wants_events(&self, now: u64) -> bool {
        // SAFETY: a field of a live map value.
        let until = unsafe { addr_of!((*STATE.get()).events_until) };
        // SAFETY: as above; userspace stores it at any time, hence the volatile read.
        let until = unsafe { until.read_volatile() };
        now < until
    }

    #[inline(always)]
    fn flags(&self) -> u32 {
        // SAFETY: settings points into the live state value.
        let flags = unsafe { addr_of!((*self.settings()).flags) };
        // SAFETY: as above; volatile for the same reason as the epoch.
        unsafe { flags.read_volatile() }
    }
}

impl Tables for KernelTables {
    #[inline(always)]
    fn guards_port(&self, port: u16) -> bool {
        if !self.may_guard_port(port) {
            return false;
        }
        // SAFETY: settings points into the live state value.
        let ports: *const PortSet = unsafe { addr_of!((*self.settings()).ports) };
        // SAFETY: as above; the reference to a port set that only changes under another epoch does
        // not outlive this call.
        let ports = unsafe { &*ports };
        // Up to Linux 6.12, the verifier does not know that a number in host order fits into two bytes; the
        // compiler does, and would not say so.
        ports.contains(widen(usize::from(port)) as u16)
    }

    #[inline(always)]
    fn guards_tcp(&self) -> bool {
        self.flags() & flag::TCP != 0
    }

    #[inline(always)]
    fn is_selective(&self) -> bool {
        self.flags() & flag::SELECTIVE != 0
    }

    #[inline(always)]
    fn guards_destination(&self, destination: Address) -> bool {
        let set = flag::destinations(self.flags());
        let (high, low) = match destination {
            Address::V4(address) => (u32::from_be_bytes(address).into(), 0),
            Address::V6(address) => (high_half(&address), low_half(&address)),
        };
        let family = match destination {
            Address::V4(_) => 4,
            Address::V6(_) => 6,
        };
        is_destination(set.into(), family, high, low) != 0
    }

    #[inline(always)]
    fn lookup(&self, source: Address) -> Decision {
        match source {
            Address::V4(address) => {
                let number = u32::from_be_bytes(address);
                let block = (number >> 16) as u16;
                // SAFETY: a field of a live map value.
                let vacant = unsafe { addr_of!((*STATE.get()).vacant_v4) };
                if is_vacant(vacant, block) {
                    return Decision::UNLISTED;
                }
                if LONG.load() != 0 {
                    let said = long_v4(number, self.epoch);
                    if said != ASK_TRIE {
                        return Decision::from_bits(said as u32);
                    }
                }
                let decision = said(
                    PREFIXES_V4.get(&AlignedKey::new(32, address).key),
                    self.epoch,
                );
                if decision.end() != 0 {
                    return Decision::from_bits(lasting_v4(number, self.epoch));
                }
                decision
            }
            Address::V6(address) => {
                let high = high_half(&address);
                let block = (high >> 48) as u16;
                // SAFETY: as above.
                let vacant = unsafe { addr_of!((*STATE.get()).vacant_v6) };
                if is_vacant(vacant, block) {
                    return Decision::UNLISTED;
                }
                if LONG.load() != 0 {
                    let said = long_v6(high, low_half(&address), self.epoch);
                    if said != ASK_TRIE {
                        return Decision::from_bits(said as u32);
                    }
                }
                let decision = said(
                    PREFIXES_V6.get(&AlignedKey::new(128, address).key),
                    self.epoch,
                );
                if decision.end() != 0 {
                    let [high, low] = [high, low_half(&address)];
                    return Decision::from_bits(lasting_v6(high, low, self.epoch));
                }
                decision
            }
        }
    }

    #[inline(always)]
    fn served(&self) -> Option<u64> {
        if LIMITER.load() == 0 || self.flags() & flag::RATE == 0 {
            return None;
        }
        // SAFETY: settings points into the live state value.
        let procedures = unsafe { addr_of!((*self.settings()).procedures) };
        // SAFETY: as above.
        Some(unsafe { procedures.read() })
    }

    #[inline(always)]
    fn admits(&self, source: Address, call: u32) -> bool {
        // SAFETY: settings points into the live state value.
        let limits = unsafe { addr_of!((*self.settings()).limits) };
        let (family, address) = match source {
            Address::V4([a, b, c, d]) => (4, u64::from_be_bytes([a, b, c, d, 0, 0, 0, 0])),
            // What follows is not looked at.
            Address::V6(address) => (6, high_half(&address)),
        };
        admit(limits, family, address, call) != 0
    }
}

/// A key whose address can be stored and compared in whole words.
#[repr(C, align(8))]
struct AlignedKey<K> {
    _padding: MaybeUninit<u32>,
    key: Key<K>,
}

impl<K> AlignedKey<K> {
    #[inline(always)]
    const fn new(length: u32, address: K) -> Self {
        Self {
            _padding: MaybeUninit::uninit(),
            key: Key::new(length, address),
        }
    }
}

#[inline(always)]
fn is_vacant(blocks: *const VacantBlocks, block: u16) -> bool {
    // SAFETY: the callers have it from a live map value; bits that change meanwhile are as good before as
    // after.
    unsafe { &*blocks }.contains(block)
}

/// See [`long_v4`]. No decision has so many bits.
const ASK_TRIE: u64 = u64::MAX;

/// What long lists say about an IPv4 source: the bits of a decision, or that the trie has to be asked. In a
/// function of its own: nobody else pays for its registers, and the verifier follows it once.
#[inline(never)]
fn long_v4(number: u32, epoch: u32) -> u64 {
    // SAFETY: a field of a live map value.
    let of_short = unsafe { addr_of!((*STATE.get()).vacant_of_short_v4) };
    let block = BloomKey::block_v4(number, SEED.load());
    let filter = filter(block);
    let is_in_block = block.is_in(filter) || !is_vacant(of_short, (number >> 16) as u16);
    let (word, overflowed) = if BloomKey::host_v4(number, SEED.load()).is_in(filter) {
        host_v4(number)
    } else {
        (0, 0)
    };
    long(word, epoch, is_in_block || overflowed != 0)
}

/// As [`long_v4`].
#[inline(never)]
fn long_v6(high: u64, low: u64, epoch: u32) -> u64 {
    // SAFETY: a field of a live map value.
    let of_short = unsafe { addr_of!((*STATE.get()).vacant_of_short_v6) };
    let block = BloomKey::block_v6(high, SEED.load());
    let filter = filter(block);
    let is_in_block = block.is_in(filter)
        || BloomKey::long_block_v6(high, SEED.load()).is_in(filter)
        || !is_vacant(of_short, (high >> 48) as u16);
    let (word, overflowed) = if BloomKey::host_v6([high, low], SEED.load()).is_in(filter) {
        host_v6([high, low])
    } else {
        (0, 0)
    };
    long(word, epoch, is_in_block || overflowed != 0)
}

/// What a host's word says, or what there is to do without one.
#[inline(always)]
fn long(word: u64, epoch: u32, may_be_in_trie: bool) -> u64 {
    match HostEntry::from_word(word) {
        Some(host) => match host.at(epoch) {
            HostEntry::IN_TRIE => ASK_TRIE,
            decision => decision.bits().into(),
        },
        None if may_be_in_trie => ASK_TRIE,
        None => Decision::UNLISTED.bits().into(),
    }
}

/// What the longest prefix says about an IPv4 source that has not lapsed: the bits of its decision. In a
/// function of its own: few prefixes have an end.
#[inline(never)]
fn lasting_v4(number: u32, epoch: u32) -> u32 {
    let address = number.to_be_bytes();
    lasting(32, |length| {
        let entry = PREFIXES_V4.get(&AlignedKey::new(length, address).key)?;
        Some((entry.at(epoch), entry.length))
    })
}

/// As [`lasting_v4`].
#[inline(never)]
fn lasting_v6(high: u64, low: u64, epoch: u32) -> u32 {
    let mut address = [0; 16];
    address[..8].copy_from_slice(&high.to_be_bytes());
    address[8..].copy_from_slice(&low.to_be_bytes());
    lasting(128, |length| {
        let entry = PREFIXES_V6.get(&AlignedKey::new(length, address).key)?;
        Some((entry.at(epoch), entry.length))
    })
}

#[inline(always)]
fn lasting(mut length: u32, longest: impl Fn(u32) -> Option<(Decision, u32)>) -> u32 {
    // SAFETY: the helper takes nothing and only tells a number.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    for _ in 0..=MAX_LAPSED {
        let Some((decision, found)) = longest(length) else {
            break;
        };
        let until = ENDS
            .get_ptr(decision.end())
            // SAFETY: the pointer is to a live map value.
            .map_or(0, |end| load(unsafe { addr_of!((*end).until) }));
        if decision.end() == 0 || now < until {
            return decision.bits();
        }
        if found == 0 {
            break;
        }
        length = found - 1;
    }
    Decision::UNLISTED.bits()
}

/// The word of the filter that a key is in, if it is there.
#[inline(always)]
fn filter(key: BloomKey) -> u64 {
    BLOOM
        .get_ptr(key.word(BLOOM_LOG2.load()))
        .map_or(u64::MAX, load)
}

#[inline(always)]
fn said(entry: Option<&PrefixEntry>, epoch: u32) -> Decision {
    entry.map_or(Decision::UNLISTED, |entry| entry.at(epoch))
}

/// The word of a host that is in the table, zero if it is not; and whether it may be in the trie then: zero if
/// not.
#[inline(always)]
fn host_v4(address: u32) -> (u64, u32) {
    let bucket = host_hash_v4(address, SEED.load()) & HOSTS_V4_MASK.load();
    let Some(bucket) = HOSTS_V4.get_ptr(bucket) else {
        return (0, 1);
    };
    for place in 0..BUCKET_HOSTS {
        // SAFETY: `bucket` points to a live map value.
        let other = unsafe { addr_of!((*bucket).addresses[place]) };
        if load(other) == address {
            // SAFETY: as above.
            return (load(unsafe { addr_of!((*bucket).words[place]) }), 1);
        }
    }
    // SAFETY: as above.
    (0, load(unsafe { addr_of!((*bucket).overflowed) }))
}

/// As [`host_v4`].
#[inline(always)]
fn host_v6(address: [u64; 2]) -> (u64, u32) {
    let bucket = host_hash_v6(address, SEED.load()) & HOSTS_V6_MASK.load();
    let Some(bucket) = HOSTS_V6.get_ptr(bucket) else {
        return (0, 1);
    };
    let [high, low] = address;
    for place in 0..BUCKET_HOSTS {
        // SAFETY: as in `host_v4`.
        let other_low = unsafe { addr_of!((*bucket).addresses[place][1]) };
        // SAFETY: as in `host_v4`.
        let other_high = unsafe { addr_of!((*bucket).addresses[place][0]) };
        if load(other_low) == low && load(other_high) == high {
            // SAFETY: as in `host_v4`.
            return (load(unsafe { addr_of!((*bucket).words[place]) }), 1);
        }
    }
    // SAFETY: as in `host_v4`.
    (0, load(unsafe { addr_of!((*bucket).overflowed) }))
}

/// Reads a word of a live map value, in which userspace writes at any time.
#[inline(always)]
fn load<T: Copy>(word: *const T) -> T {
    // SAFETY: the callers have it from a live map value; volatile for what userspace does.
    unsafe { word.read_volatile() }
}

/// The first eight bytes, taken as a whole: the compiler would take all of the address apart for two.
#[inline(always)]
fn high_half(address: &[u8; 16]) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&address[..8]);
    u64::from_be_bytes(half)
}

/// The last eight bytes.
#[inline(always)]
fn low_half(address: &[u8; 16]) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&address[8..]);
    u64::from_be_bytes(half)
}

/// Whether a set of destinations has an address, the halves of which are given, or all of an IPv4 address. In
/// a function of its own: few guards have such a set.
#[inline(never)]
fn is_destination(set: u32, family: u32, high: u64, low: u64) -> u32 {
    let (length, address) = match family {
        4 => (32, Address::V4((high as u32).to_be_bytes())),
        _ => {
            let mut address = [0; 16];
            address[..8].copy_from_slice(&high.to_be_bytes());
            address[8..].copy_from_slice(&low.to_be_bytes());
            (128, Address::V6(address))
        }
    };
    let key = destination_key(set as u8, address);
    let key = AlignedKey::new(DESTINATION_TAG_BITS + length, key);
    u32::from(DESTINATIONS.get(&key.key).is_some())
}

/// The limiter, in a function of its own: under a flood, it is asked about a few packets at most.
#[inline(never)]
fn admit(limits: *const Limits, family: u32, address: u64, call: u32) -> u32 {
    let [a, b, c, d, e, f, g, h] = address.to_be_bytes();
    let source = match family {
        4 => Address::V4([a, b, c, d]),
        _ => Address::V6([a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0]),
    };
    // SAFETY: the limits are in a live map value; the reference to what only changes under another epoch
    // does not outlive this call.
    let limits = unsafe { &*limits };
    u32::from(limiter::admit(&Maps, limits, source, call))
}
