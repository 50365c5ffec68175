//! What is counted.

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

/// How many requests there is room for: a power of two, so that to keep an index below it is cheap.
pub const REQUEST_COUNTERS: usize = 64;

/// What one CPU counted. The spare elements are for reasons and requests to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// By [`Reason::index`](crate::reason::Reason::index).
    pub reasons: [Counter; 16],
    /// By [`Request::index`](crate::rpc::Request::index).
    pub requests: [RequestCounter; REQUEST_COUNTERS],
    /// Which drop is the next to be looked at closely. Of no interest to userspace.
    pub sampler: Sampler,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            reasons: [Counter::default(); 16],
            requests: [RequestCounter::default(); REQUEST_COUNTERS],
            sampler: Sampler::default(),
        }
    }
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
    /// How many samples in a row came fast.
    pub fast: u32,
    /// When the last sample was taken, in nanoseconds of the kernel's monotonic clock.
    pub sampled_at: u64,
    /// Drops since the last event, including samples that became none.
    pub untold: u64,
    /// The [`Gcra`](crate::gcra) cell that bounds the rate of events.
    pub events: u64,
}

const _: () = {
    assert!(size_of::<Counter>() == 16);
    assert!(size_of::<Sampler>() == 40);
    assert!(size_of::<Counters>() == 16 * 16 + 64 * 32 + 40);
};
