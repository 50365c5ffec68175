//! When prefixes lapse that are in a list for some time only.

/// How many prefixes of a guard can have an end, both lists and families together.
pub const MAX_ENDS: u32 = 4095;

/// Length of the map of [`End`]s. The first one is nobody's: number zero stands for no end.
pub const ENDS_LEN: u32 = MAX_ENDS + 1;

/// Of so many prefixes that cover each other, all of them lapsed, the longest are passed over in the search for
/// one that is in force; what a longer chain would say is not looked for, and the source is unlisted. The next
/// change of the lists removes what has lapsed.
pub const MAX_LAPSED: u32 = 4;

/// When a prefix lapses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct End {
    /// In nanoseconds of the clock of boot time, which goes on while the machine sleeps; zero if it is
    /// nobody's.
    pub until: u64,
    /// The list that the prefix is in, a [`Verdict`](super::Verdict). Not read in the kernel.
    pub verdict: u32,
    /// The IP version of the prefix. Not read in the kernel.
    pub version: u32,
}

const _: () = assert!(size_of::<End>() == 16);
