//! Who the dropped packets claim to be from.

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

const _: () = {
    assert!(size_of::<SourceSet>() == 8 * 32);
};
