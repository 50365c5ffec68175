//! The maps, described in `rpcguard_common::abi`, and the load-time constants.

use core::{cell::UnsafeCell, mem::MaybeUninit};

use aya_ebpf::{
    Global,
    bindings::{BPF_F_MMAPABLE, bpf_spin_lock},
    btf_maps::{Array, LpmTrie, PerCpuArray, RingBuf},
    macros::btf_map,
};
use rpcguard_common::abi::{
    Cell, Counter, Counters, DESTINATIONS_CAPACITY, DestinationKey, ENDS_LEN, EVENTS_SIZE, End,
    HostsV4, HostsV6, LIMITS_LEN, PrefixEntry, SIGHTINGS_LEN, STANDINGS_LEN, SourceSet, State,
    TRIE_CAPACITY, hits_len, sources_len,
};

/// What userspace writes and programs read.
#[repr(transparent)]
pub(crate) struct Shared<T>(UnsafeCell<MaybeUninit<T>>);

#[expect(unsafe_code, reason = "statics have to be Sync")]
// SAFETY: nobody gets more than a pointer.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) const fn get(&self) -> *const T {
        self.0.get().cast()
    }
}

/// A global variable, which is the whole of a map of one element: it is reached by its address, where
/// an element of another map has to be looked up, and each register that is in use has to be saved for
/// that.
#[expect(
    unsafe_code,
    reason = "as a symbol of its own, it may change: see ETHERNET"
)]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static STATE: Shared<State> = Shared(UnsafeCell::new(MaybeUninit::zeroed()));

#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<Counters, 1> = PerCpuArray::new();

#[btf_map]
pub(crate) static PREFIXES_V4: LpmTrie<[u8; 4], PrefixEntry, { TRIE_CAPACITY as usize }> =
    LpmTrie::new();

#[btf_map]
pub(crate) static PREFIXES_V6: LpmTrie<[u8; 16], PrefixEntry, { TRIE_CAPACITY as usize }> =
    LpmTrie::new();

#[btf_map]
pub(crate) static ENDS: Array<End, { ENDS_LEN as usize }, { BPF_F_MMAPABLE as usize }> =
    Array::new();

#[btf_map]
pub(crate) static DESTINATIONS: LpmTrie<DestinationKey, u32, { DESTINATIONS_CAPACITY as usize }> =
    LpmTrie::new();

/// The loader gives it and the two that follow the length that the lists need.
#[btf_map]
pub(crate) static BLOOM: Array<u64, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

#[btf_map]
pub(crate) static HOSTS_V4: Array<HostsV4, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

#[btf_map]
pub(crate) static HOSTS_V6: Array<HostsV6, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// How many CPUs there is room for where the loader does not say.
const CPUS: u32 = match option_env!("RPCGUARD_CPUS") {
    Some(number) => match u32::from_str_radix(number, 10) {
        Ok(number) => number,
        Err(_) => panic!("RPCGUARD_CPUS is to be a number"),
    },
    None => 1,
};

/// The loader gives it the length for this machine's CPUs.
#[btf_map]
pub(crate) static HITS: Array<Counter, { hits_len(CPUS) as usize }> = Array::new();

/// As [`HITS`].
#[btf_map]
pub(crate) static SOURCES: Array<SourceSet, { sources_len(CPUS) as usize }> = Array::new();

/// [`Cell`], as the kernel wants to see it: it looks for the lock by the name of its type.
#[repr(C)]
pub(crate) struct LockedCell {
    pub(crate) lock: bpf_spin_lock,
    reserved: u32,
    pub(crate) arrival: u64,
}

const _: () = assert!(size_of::<LockedCell>() == size_of::<Cell>());

/// The loader gives it and the two that follow a single element where no rate policy is in force.
#[btf_map]
pub(crate) static LIMITS: Array<LockedCell, { LIMITS_LEN as usize }> = Array::new();

/// What the time was when somebody last asked.
#[repr(C)]
pub(crate) struct Clock {
    /// The kernel's count of ticks at that time.
    pub(crate) jiffies: u64,
    /// The monotonic clock.
    pub(crate) nanoseconds: u64,
}

#[btf_map]
pub(crate) static CLOCK: Array<Clock, 1> = Array::new();

#[btf_map]
pub(crate) static SIGHTINGS: Array<u64, { SIGHTINGS_LEN as usize }> = Array::new();

#[btf_map]
pub(crate) static STANDINGS: Array<u64, { STANDINGS_LEN as usize }> = Array::new();

/// Of [`Event`](rpcguard_common::abi::Event)s. libbpf wants to hear of no type but an empty one.
#[btf_map]
pub(crate) static EVENTS: RingBuf<(), { EVENTS_SIZE as usize }> = RingBuf::new();

/// The beginning of a frame in several buffers, of which so much is copied: as far as headers are followed,
/// and a call. What follows is only there for the verifier, which has a coarser bound.
pub(crate) type Scratch = [u8; 8192 + 64];

/// See [`Scratch`].
pub(crate) const COPIED: usize = 4608;

#[btf_map]
pub(crate) static SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();

/// Whether frames begin with an Ethernet header. Read-only to the kernel too, so the verifier
/// removes the other branch.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static ETHERNET: Global<u8> = Global::new(1);

/// Whether the maps of the rate policy have their full size. If not, the verifier removes the policy.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static LIMITER: Global<u8> = Global::new(0);

/// Whether there are the filter and the tables of long lists. If not, the verifier removes what asks them.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static LONG: Global<u8> = Global::new(0);

/// Of which power of two the length of [`BLOOM`] is.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static BLOOM_LOG2: Global<u32> = Global::new(0);

/// The length of [`HOSTS_V4`], a power of two, less one.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static HOSTS_V4_MASK: Global<u32> = Global::new(0);

/// The length of [`HOSTS_V6`], a power of two, less one.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static HOSTS_V6_MASK: Global<u32> = Global::new(0);

/// Whether anything is to be logged; of what level is for aya-log to know. If not, the verifier removes the
/// calls.
#[cfg(feature = "log")]
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static LOG: Global<u8> = Global::new(0);

/// What hashes are seeded with: another number for each guard.
#[expect(unsafe_code, reason = "the loader finds it by its symbol")]
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static SEED: Global<u64> = Global::new(0);
