//! What is kept in the kernel: map names, and the types of their keys and values.
//!
//! # How a change becomes visible all at once
//!
//! [`State::epoch`] numbers the changes. Everything that a change touches is stored twice, as it
//! was and as it will be: settings in [`State::settings`] under the epoch's lowest bit, prefixes as
//! [`PrefixEntry::before`] and [`PrefixEntry::after`]. Userspace first writes the new side under
//! the next epoch, where no packet looks; storing that epoch is then the one instant in which all
//! of it takes effect. What is interrupted before that instant never happened, and what comes after
//! it is only tidying up.

/// Version of everything in this file. Raised whenever a layout, name or meaning changes.
pub const ABI_VERSION: u32 = 2;

/// How many allow prefixes, and how many deny prefixes, each address family can hold.
pub const MAX_PREFIXES: u32 = 1 << 20;

/// Capacity of a trie: both lists of a family, twice, because a replaced list's entries stay until
/// the new list is in force.
pub const TRIE_CAPACITY: u32 = 4 * MAX_PREFIXES;

/// How many prefixes have hit counters of their own. Slots are numbered from one.
pub const HIT_SLOTS: u32 = 65_536;

/// How many elements the map of hits has for this number of possible CPUs. Each CPU counts in a part
/// of its own: a per-CPU array would do the same, and take 70 ms to make for its many small elements.
#[must_use]
pub const fn hits_len(cpus: u32) -> u32 {
    cpus * (HIT_SLOTS + 1)
}

/// Where a CPU counts the hits of a slot.
#[inline(always)]
#[must_use]
pub const fn hits_index(cpu: u32, slot: u32) -> u32 {
    hits_len(cpu) + slot
}

/// Names of the maps in the BPF object.
pub mod map {
    /// Array with one element, a [`State`](super::State); mappable into userspace.
    pub const STATE: &str = "STATE";
    /// Per-CPU array with one element, [`Counters`](super::Counters).
    pub const COUNTERS: &str = "COUNTERS";
    /// LPM trie from IPv4 prefixes to [`PrefixEntry`](super::PrefixEntry).
    pub const PREFIXES_V4: &str = "PREFIXES_V4";
    /// LPM trie from IPv6 prefixes to [`PrefixEntry`](super::PrefixEntry).
    pub const PREFIXES_V6: &str = "PREFIXES_V6";
    /// Array of [`Counter`](super::Counter), indexed by [`hits_index`](super::hits_index).
    pub const HITS: &str = "HITS";
    /// Array of [`SourceSet`](super::SourceSet), indexed by
    /// [`sources_index`](super::sources_index).
    pub const SOURCES: &str = "SOURCES";
    /// Array of [`Cell`](super::Cell): the limits that admitted packets are charged to. One element
    /// where no rate policy was ever in force.
    pub const LIMITS: &str = "LIMITS";
    /// Array of `u64`: the sources seen lately, then those that came back. One element where no rate
    /// policy was ever in force.
    pub const SIGHTINGS: &str = "SIGHTINGS";
    /// Array of `u64`: the acquaintances, then what sources offer, then what neighbourhoods do. One
    /// element where no rate policy was ever in force.
    pub const STANDINGS: &str = "STANDINGS";
    /// Ring buffer of [`Event`](super::Event).
    pub const EVENTS: &str = "EVENTS";
}

/// Names of the programs in the BPF object.
pub mod program {
    /// For frames in one buffer (section `xdp`).
    pub const LINEAR: &str = "rpcguard";
    /// For frames in several buffers, as under a jumbo MTU (section `xdp.frags`, kernel 5.18).
    pub const FRAGS: &str = "rpcguard_frags";
}

/// Names of the constants that the loader sets before the program is verified.
pub mod constant {
    /// `u8`: 1 where frames begin with an Ethernet header, 0 where they begin with the IP header.
    pub const ETHERNET: &str = "ETHERNET";
    /// `u8`: 1 where the maps of the rate policy have their full size.
    pub const LIMITER: &str = "LIMITER";
    /// `u64`: what hashes are seeded with.
    pub const SEED: &str = "SEED";
}

/// Packets and their bytes: whole frames as they were on the wire, all fragments of a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the link-layer header to the end of the frame.
    pub bytes: u64,
}

/// What became of the packets that asked for the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RequestCounter {
    /// Those that went on to the network stack.
    pub passed: Counter,
    /// Those that were dropped.
    pub dropped: Counter,
}

/// What one CPU counted. The spare elements are for reasons and requests to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// By [`Reason::index`](crate::reason::Reason::index).
    pub reasons: [Counter; 16],
    /// By [`Request::index`](crate::rpc::Request::index).
    pub requests: [RequestCounter; 32],
    /// Which drop is the next to be looked at closely. Of no interest to userspace.
    pub sampler: Sampler,
}

/// Where a CPU is in sampling its drops: see [`sampling`](crate::sampling).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Sampler {
    /// Drops until the next sample, which is taken when it is zero.
    pub countdown: u32,
    /// Drops in a stretch, of which one is the sample. A power of two; zero before the first drop.
    pub stretch: u32,
    /// Drops of this stretch that come after its sample.
    pub rest: u32,
    /// Explicit padding.
    pub reserved: u32,
    /// When the last sample was taken, in nanoseconds of the kernel's monotonic clock.
    pub sampled_at: u64,
    /// Drops since the last event, including samples that became none.
    pub untold: u64,
    /// The [`Gcra`](crate::gcra) cell that bounds the rate of events.
    pub events: u64,
}

/// How many sources a [`SourceSet`] holds.
pub const SOURCE_WAYS: usize = 8;

/// How many sets of sources each CPU has for each [`Aggregate`](crate::sampling::Aggregate).
pub const SOURCE_SETS: u32 = 128;

/// How many elements the map of sources has for this number of possible CPUs.
#[must_use]
pub const fn sources_len(cpus: u32) -> u32 {
    cpus * 4 * SOURCE_SETS
}

/// Where a CPU counts the sources of an aggregate (by its number) whose hash is `hash`.
#[inline(always)]
#[must_use]
pub const fn sources_index(cpu: u32, aggregate: u32, hash: u32) -> u32 {
    (cpu * 4 + aggregate) * SOURCE_SETS + hash % SOURCE_SETS
}

/// A source of dropped packets and an estimate of how many it sent: Metwally et al., "Efficient
/// Computation of Frequent and Top-k Elements in Data Streams" (2005), in sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SourceEntry {
    /// The prefix as a number: an IPv4 address, or the upper half of an IPv6 address, host bits
    /// cleared.
    pub prefix: u64,
    /// Packets; zero for an entry that is not in use.
    pub packets: u64,
    /// By how much `packets` may be too high, because the entry was another's before.
    pub excess: u64,
    /// Bytes of the packets in `packets` less `excess`.
    pub bytes: u64,
}

/// The sources that share a hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SourceSet {
    /// In no order.
    pub entries: [SourceEntry; SOURCE_WAYS],
}

/// A limit's cell: the theoretical arrival time of GCRA, in nanoseconds of the kernel's monotonic
/// clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Cell {
    /// `struct bpf_spin_lock` of the kernel; zero to userspace.
    pub lock: u32,
    /// Explicit padding.
    pub reserved: u32,
    /// See [`gcra`](crate::gcra).
    pub arrival: u64,
}

/// How many cells the limits of sources have, and those of neighbourhoods.
pub const LIMIT_CELLS: u32 = 1 << 16;

/// How many elements [`map::LIMITS`] has: a cell for everything, then the two tables.
pub const LIMITS_LEN: u32 = 1 + 2 * LIMIT_CELLS;

/// How many words remember sources that were seen once: see [`sightings`](crate::sightings).
pub const SIGHTING_WORDS: u32 = 1 << 21;

/// How many words remember sources that came back.
pub const RETURN_WORDS: u32 = 1 << 17;

/// How many elements [`map::SIGHTINGS`] has.
pub const SIGHTINGS_LEN: u32 = SIGHTING_WORDS + RETURN_WORDS;

/// How many sources are remembered that were served.
pub const ACQUAINTANCES: u32 = 1 << 15;

/// How many cells count what sources offer, and what neighbourhoods do.
pub const OFFER_CELLS: u32 = 1 << 16;

/// How many elements [`map::STANDINGS`] has.
pub const STANDINGS_LEN: u32 = ACQUAINTANCES + 2 * OFFER_CELLS;

/// Bytes of the ring buffer of events.
pub const EVENTS_SIZE: u32 = 1 << 16;

/// A dropped packet that was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// When, in nanoseconds of the kernel's monotonic clock.
    pub time: u64,
    /// Drops of this CPU since its last event, this one included.
    pub drops: u64,
    /// The source address in wire order; IPv4 in the first four bytes.
    pub source: [u8; 16],
    /// Bytes of the frame.
    pub length: u32,
    /// The IP version of the source: 4 or 6.
    pub version: u8,
    /// The number of the [`Reason`](crate::reason::Reason).
    pub reason: u8,
    /// The number of the [`Request`](crate::rpc::Request).
    pub request: u8,
    /// 1 if the packet was passed all the same, because the guard observes.
    pub observed: u8,
}

/// What a prefix says about its addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// Nothing: the policy for unlisted sources applies.
    #[default]
    Unlisted = 0,
    /// Let pass.
    Allow = 1,
    /// Drop.
    Deny = 2,
}

/// A verdict, the hit slot to count under, and whether the prefix that carries them is in the list
/// itself or only repeats what its longest listed ancestor says; in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Decision(u32);

impl Decision {
    const VERDICT: u32 = 0b11;
    const LISTED: u32 = 0b100;
    const SLOT_SHIFT: u32 = 3;

    /// What an address says that matches no prefix.
    pub const UNLISTED: Self = Self(0);

    /// The decision of a prefix that is in the list. Slot zero: hits are not counted.
    #[must_use]
    pub const fn listed(verdict: Verdict, hit_slot: u32) -> Self {
        Self(verdict as u32 | Self::LISTED | hit_slot << Self::SLOT_SHIFT)
    }

    /// This decision, repeated by a longer prefix that is not in the list.
    #[must_use]
    pub const fn inherited(self) -> Self {
        Self(self.0 & !Self::LISTED)
    }

    /// What it says.
    #[inline(always)]
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self.0 & Self::VERDICT {
            1 => Verdict::Allow,
            2 => Verdict::Deny,
            _ => Verdict::Unlisted,
        }
    }

    /// Whether the prefix is in the list itself.
    #[must_use]
    pub const fn is_listed(self) -> bool {
        self.0 & Self::LISTED != 0
    }

    /// Where hits are counted; zero for nowhere.
    #[inline(always)]
    #[must_use]
    pub const fn hit_slot(self) -> u32 {
        self.0 >> Self::SLOT_SHIFT
    }
}

/// What a trie holds for a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PrefixEntry {
    /// In force before [`Self::epoch`].
    pub before: Decision,
    /// In force from [`Self::epoch`] on.
    pub after: Decision,
    /// The change that this entry belongs to.
    pub epoch: u32,
    /// The prefix length in bits, because a longest-match lookup does not tell which prefix it
    /// found. Not read in the kernel.
    pub length: u32,
}

impl PrefixEntry {
    /// The entry of a prefix of `length` bits that says the same under every epoch.
    #[must_use]
    pub const fn settled(length: u8, decision: Decision) -> Self {
        Self {
            before: decision,
            after: decision,
            epoch: 0,
            length: length as u32,
        }
    }

    /// What the prefix says under `epoch`.
    #[inline(always)]
    #[must_use]
    pub const fn at(&self, epoch: u32) -> Decision {
        if self.epoch <= epoch {
            self.after
        } else {
            self.before
        }
    }
}

/// A set of UDP or TCP ports: one bit a port, so that the cost is the same for one and for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PortSet {
    words: [u64; Self::WORDS],
}

impl PortSet {
    /// Number of 64-bit words.
    pub const WORDS: usize = 1024;

    /// No port.
    pub const EMPTY: Self = Self {
        words: [0; Self::WORDS],
    };

    /// Adds a port (host order).
    pub const fn insert(&mut self, port: u16) {
        self.words[Self::word(port)] |= Self::bit(port);
    }

    /// Whether the port (host order) is in the set.
    #[inline(always)]
    #[must_use]
    pub const fn contains(&self, port: u16) -> bool {
        self.words[Self::word(port)] & Self::bit(port) != 0
    }

    /// The ports in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..=u16::MAX).filter(|port| self.contains(*port))
    }

    /// The word that holds a port's bit.
    #[inline(always)]
    #[must_use]
    pub const fn word(port: u16) -> usize {
        port as usize >> 6
    }

    /// A port's bit in its word.
    #[inline(always)]
    #[must_use]
    pub const fn bit(port: u16) -> u64 {
        1 << (port & 63)
    }
}

/// The blocks of 16 leading bits that no prefix of a family touches: a source in one of them is
/// unlisted, and need not be looked up.
///
/// Most sources of a flood are, and a lookup in a trie costs more than all the rest. The set only
/// errs the other way: a block is occupied before a prefix in it is written, and vacated after none
/// is left. Empty, it is always right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct VacantBlocks {
    words: [u64; Self::WORDS],
}

impl VacantBlocks {
    const WORDS: usize = 1024;

    /// Every block: there is no prefix.
    pub const ALL: Self = Self {
        words: [u64::MAX; Self::WORDS],
    };

    /// No block: everything is looked up.
    pub const NONE: Self = Self {
        words: [0; Self::WORDS],
    };

    /// Whether the block that an address (in wire order) begins with is vacant.
    #[inline(always)]
    #[must_use]
    pub const fn contains(&self, [first, second]: [u8; 2]) -> bool {
        let block = u16::from_be_bytes([first, second]);
        self.words[block as usize >> 6] & (1 << (block & 63)) != 0
    }

    /// Occupies the blocks that a prefix of this length touches.
    pub const fn occupy(&mut self, [first, second]: [u8; 2], length: u8) {
        let mut block = u16::from_be_bytes([first, second]) as usize;
        let end = block + if length < 16 { 1 << (16 - length) } else { 1 };
        while block < end {
            self.words[block >> 6] &= !(1 << (block & 63));
            block += 1;
        }
    }
}

/// How many prefixes each list holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PrefixCounts {
    /// IPv4 allow prefixes.
    pub allow_v4: u32,
    /// IPv6 allow prefixes.
    pub allow_v6: u32,
    /// IPv4 deny prefixes.
    pub deny_v4: u32,
    /// IPv6 deny prefixes.
    pub deny_v6: u32,
}

impl PrefixCounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.allow_v4, self.allow_v6, self.deny_v4, self.deny_v6]
            .into_iter()
            .map(u64::from)
            .sum()
    }
}

impl Event {
    /// Reads an event as the ring buffer has it, in the order of this machine; `None` if there are
    /// too few bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; size_of::<Self>()] = bytes.first_chunk()?;
        let (time, rest) = bytes.split_first_chunk()?;
        let (drops, rest) = rest.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let &[version, reason, request, observed] = rest else {
            return None;
        };
        Some(Self {
            time: u64::from_ne_bytes(*time),
            drops: u64::from_ne_bytes(*drops),
            source: *source,
            length: u32::from_ne_bytes(*length),
            version,
            reason,
            request,
            observed,
        })
    }
}

/// One limit of the rate policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Limit {
    /// Nanoseconds from one packet to the next at the limit's rate.
    pub period: u64,
    /// By how many nanoseconds packets may come before their time: `(burst - 1) * period`.
    pub tolerance: u64,
    /// The rate as it was given: packets. Not read in the kernel.
    pub packets: u32,
    /// The rate as it was given: per so many seconds. Not read in the kernel.
    pub seconds: u32,
    /// How many packets may come at once. Not read in the kernel.
    pub burst: u32,
    /// Explicit padding.
    pub reserved: u32,
}

impl Limit {
    const NONE: Self = Self {
        period: 0,
        tolerance: 0,
        packets: 0,
        seconds: 0,
        burst: 0,
        reserved: 0,
    };
}

/// The rate policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Limits {
    /// Of each source: an IPv4 address, or an IPv6 /64.
    pub source: Limit,
    /// Of each neighbourhood: an IPv4 /24, or an IPv6 /48.
    pub neighbourhood: Limit,
    /// Of all unlisted sources together.
    pub total: Limit,
}

/// What a change switches besides prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Settings {
    /// See [`flag`].
    pub flags: u32,
    /// Hit slots from one to this have been given out at some time; those above are still zero.
    pub hit_slots_used: u32,
    /// How many prefixes there are. Not read in the kernel.
    pub prefixes: PrefixCounts,
    /// The rate policy. All zero if it was never set.
    pub limits: Limits,
    /// The requests that the rate policy lets pass: one bit for each
    /// [`Request::index`](crate::rpc::Request::index).
    pub procedures: u32,
    /// Explicit padding.
    pub reserved: u32,
    /// The guarded ports.
    pub ports: PortSet,
}

impl Settings {
    /// Nothing guarded.
    pub const EMPTY: Self = Self {
        flags: 0,
        hit_slots_used: 0,
        prefixes: PrefixCounts {
            allow_v4: 0,
            allow_v6: 0,
            deny_v4: 0,
            deny_v6: 0,
        },
        limits: Limits {
            source: Limit::NONE,
            neighbourhood: Limit::NONE,
            total: Limit::NONE,
        },
        procedures: 0,
        reserved: 0,
        ports: PortSet::EMPTY,
    };
}

/// Bits of [`Settings::flags`].
pub mod flag {
    /// Guard TCP as well, by its connection-opening segments.
    pub const TCP: u32 = 1;
    /// Count, but pass everything.
    pub const OBSERVE: u32 = 2;
    /// Limit the rate of unlisted sources, instead of dropping all that they send.
    pub const RATE: u32 = 4;
}

/// The one element of the state map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// [`ABI_VERSION`] of the rpcguard that attached.
    pub abi_version: u32,
    /// The change in force.
    pub epoch: u32,
    /// When the filter was attached, in seconds since 1970-01-01 00:00:00 UTC.
    pub attached_at: u64,
    /// Inode number of the network namespace that it was attached in.
    pub netns: u64,
    /// Not zero while a change is being written or tidied up; after an interrupted one, a request
    /// to finish.
    pub changing: u32,
    /// Explicit padding.
    pub reserved: u32,
    /// Until when somebody reads events, in nanoseconds of the kernel's monotonic clock.
    pub events_until: u64,
    /// What hashes are seeded with.
    pub seed: u64,
    /// The settings of the even and of the odd epochs.
    pub settings: [Settings; 2],
    /// Where no IPv4 prefix is, whichever epoch.
    pub vacant_v4: VacantBlocks,
    /// Where no IPv6 prefix is, whichever epoch.
    pub vacant_v6: VacantBlocks,
}

impl State {
    /// Index into [`Self::settings`] for an epoch.
    #[inline(always)]
    #[must_use]
    pub const fn side(epoch: u32) -> usize {
        (epoch & 1) as usize
    }

    /// The settings in force.
    #[must_use]
    pub const fn current(&self) -> &Settings {
        &self.settings[Self::side(self.epoch)]
    }
}

// The kernel and userspace may be of different builds: a layout changes only with ABI_VERSION.
const _: () = {
    assert!(size_of::<Counter>() == 16);
    assert!(size_of::<Sampler>() == 40);
    assert!(size_of::<Counters>() == 16 * 16 + 32 * 32 + 40);
    assert!(size_of::<SourceSet>() == 8 * 32);
    assert!(size_of::<Cell>() == 16);
    assert!(size_of::<Event>() == 40);
    assert!(size_of::<PrefixEntry>() == 16);
    assert!(size_of::<Limits>() == 3 * 32);
    assert!(size_of::<Settings>() == 24 + 3 * 32 + 8 + 8192);
    assert!(size_of::<VacantBlocks>() == 8192);
    assert!(size_of::<State>() == 48 + 2 * size_of::<Settings>() + 2 * 8192);
};
