//! What is read from the kernel at one time.

use std::time::{Instant, SystemTime};

use crate::{
    guard::{
        ListedPrefix, Mode, PacketCounter, PrefixCounts, Reason, Request, RequestCounter,
        SourceEstimate,
    },
    policy::Policy,
};

/// All interfaces that are watched, at one time.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The time of day.
    pub(crate) time: SystemTime,
    /// The same by a clock that nobody sets.
    pub(crate) at: Instant,
    /// In the order in which they are shown.
    pub(crate) interfaces: Vec<Reading>,
}

/// One interface.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Its name.
    pub(crate) name: String,
    /// What there was to read.
    pub(crate) found: Found,
}

/// What an interface has of a guard.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// One that can be read.
    Guard(Box<GuardReading>),
    /// What one has left behind: the interface is gone.
    Leftover,
    /// One of another ABI version.
    Incompatible,
    /// None.
    Nothing,
}

/// A guard, all CPUs together.
#[derive(Clone, Debug)]
pub(crate) struct GuardReading {
    /// When the counters were read.
    pub(crate) at: Instant,
    /// Tells this guard from others of the same interface, before and after.
    pub(crate) link_id: u32,
    /// Where the program runs; `None` if it is not attached any more.
    pub(crate) mode: Option<Mode>,
    /// When it was attached.
    pub(crate) attached_at: SystemTime,
    /// What is guarded, and how.
    pub(crate) policy: Policy,
    /// How many prefixes are listed.
    pub(crate) prefix_counts: PrefixCounts,
    /// What it has counted.
    pub(crate) counters: Counters,
    /// `None` if it was not time to read them again.
    pub(crate) sources: Option<Timed<Sources>>,
    /// The prefixes with their hits; `None` if it was not time to read them again, or if there are
    /// too many.
    pub(crate) prefixes: Option<Timed<Vec<ListedPrefix>>>,
}

/// What a filter has counted since it was attached.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    /// By [`Reason::index`].
    pub(crate) reasons: [PacketCounter; Reason::COUNT],
    /// By [`Request::index`].
    pub(crate) requests: [RequestCounter; Request::COUNT],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            reasons: [PacketCounter::default(); Reason::COUNT],
            requests: [RequestCounter::default(); Request::COUNT],
        }
    }
}

/// Something that is read less often than the counters, and when it was.
#[derive(Clone, Debug)]
pub(crate) struct Timed<T> {
    pub(crate) at: Instant,
    pub(crate) value: T,
}

/// The sources of dropped packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// By address; of IPv6, by /64.
    pub(crate) hosts: Vec<SourceEstimate>,
    /// By /24; of IPv6, by /48.
    pub(crate) neighbourhoods: Vec<SourceEstimate>,
}

/// How many prefixes a list may have for its hits to be watched.
///
/// The hits of a prefix are a system call for each CPU.
pub(crate) const MAX_WATCHED_PREFIXES: u64 = 4096;

/// How many prefixes there are in all.
pub(crate) fn total(counts: &PrefixCounts) -> u64 {
    [
        counts.allow_v4,
        counts.allow_v6,
        counts.deny_v4,
        counts.deny_v6,
    ]
    .into_iter()
    .map(u64::from)
    .sum()
}
