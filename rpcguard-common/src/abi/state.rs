//! What a change switches.

use core::mem::offset_of;

use super::{LongCounts, PrefixCounts, VacantBlocks};

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
        let words = (0_u16..).zip(&self.words).filter(|(_, word)| **word != 0);
        words
            .flat_map(|(index, _)| (0..64).map(move |bit| index << 6 | bit))
            .filter(|port| self.contains(*port))
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

/// The guarded ports, if they are few: most packets are to another, and seen to be by comparing
/// numbers that are always at the same place.
///
/// As [`VacantBlocks`], it only errs towards more to look at: a port is in it before it is guarded,
/// and until after it was. A packet reads it as one word, and it is stored as one: while it
/// changes, it is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FewPorts {
    /// Four ports, the first of which fills what is left; zero if only the set tells.
    word: u64,
    /// Of programs of earlier releases, which read it as well: not zero for "only the set tells".
    unknown: u64,
}

impl FewPorts {
    /// So many are too many.
    const MANY: usize = 4;

    /// Nothing is known: every port may be guarded.
    pub const UNKNOWN: Self = Self {
        word: 0,
        unknown: 1,
    };

    /// Where the word is that a packet reads, in bytes.
    pub const WORD: usize = offset_of!(Self, word);

    /// Where the word is that programs of earlier releases read as well, in bytes.
    pub const UNKNOWN_WORD: usize = offset_of!(Self, unknown);

    /// The ports that are in a set.
    #[must_use]
    pub fn of(set: &PortSet) -> Self {
        let mut ports = [0; Self::MANY];
        for (index, port) in set.iter().enumerate() {
            let Some(rest) = ports.get_mut(index..).filter(|rest| !rest.is_empty()) else {
                return Self::UNKNOWN;
            };
            rest.fill(u64::from(port));
        }
        let [first, second, third, fourth] = ports;
        Self {
            word: first | second << 16 | third << 32 | fourth << 48,
            ..Self::UNKNOWN
        }
    }

    /// The word that a packet reads.
    #[must_use]
    pub const fn word(self) -> u64 {
        self.word
    }

    /// Whether this port (host order) may be guarded, going by the word.
    #[inline(always)]
    #[must_use]
    pub const fn may_contain(word: u64, port: u16) -> bool {
        word == 0
            || word as u16 == port
            || (word >> 16) as u16 == port
            || (word >> 32) as u16 == port
            || (word >> 48) as u16 == port
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

impl Limits {
    /// The smallest tolerance of all, in nanoseconds.
    #[inline(always)]
    pub(crate) const fn strictest_tolerance(&self) -> u64 {
        let mut strictest = self.total.tolerance;
        if self.neighbourhood.tolerance < strictest {
            strictest = self.neighbourhood.tolerance;
        }
        if self.source.tolerance < strictest {
            strictest = self.source.tolerance;
        }
        strictest
    }
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
    /// What of them is for the maps of long lists. Not read in the kernel.
    pub long: LongCounts,
    /// The rate policy. All zero if it was never set.
    pub limits: Limits,
    /// The requests that the rate policy lets pass: one bit for each
    /// [`Request::index`](crate::rpc::Request::index).
    pub procedures: u64,
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
        long: LongCounts {
            hosts_v4: 0,
            hosts_v6: 0,
            keys: 0,
            reserved: 0,
        },
        limits: Limits {
            source: Limit::NONE,
            neighbourhood: Limit::NONE,
            total: Limit::NONE,
        },
        procedures: 0,
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
    /// Guard packets to some destinations only.
    pub const SELECTIVE: u32 = 8;
    /// Which of the two sets of [destinations](crate::abi::DestinationKey) these are: the second
    /// one.
    pub const SECOND_SET: u32 = 16;

    /// The set of destinations that flags tell of.
    #[inline(always)]
    #[must_use]
    pub const fn destinations(flags: u32) -> u8 {
        (flags & SECOND_SET != 0) as u8
    }
}

/// The one element of the state map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// [`ABI_VERSION`](super::ABI_VERSION) of the rpcguard that attached.
    pub abi_version: u32,
    /// The change in force.
    pub epoch: u32,
    /// When the filter was attached, in seconds since 1970-01-01 00:00:00 UTC.
    pub attached_at: u64,
    /// Inode number of the network namespace that it was attached in.
    pub netns: u64,
    /// Not zero while a change is being written or tidied up; after an interrupted one, a request
    /// to finish. The same number on all guards that the change is of.
    pub changing: u32,
    /// The epoch that this change, or the last one, leads to.
    pub next: u32,
    /// Until when somebody reads events, in nanoseconds of the kernel's monotonic clock.
    pub events_until: u64,
    /// What hashes are seeded with.
    pub seed: u64,
    /// The guarded ports, whichever epoch.
    pub few_ports: FewPorts,
    /// The settings of the even and of the odd epochs.
    pub settings: [Settings; 2],
    /// Where no IPv4 prefix is, whichever epoch.
    pub vacant_v4: VacantBlocks,
    /// Where no IPv6 prefix is, whichever epoch.
    pub vacant_v6: VacantBlocks,
    /// Where no IPv4 prefix is that is too short to be a [`BloomKey`](super::BloomKey), whichever
    /// epoch.
    pub vacant_of_short_v4: VacantBlocks,
    /// As [`Self::vacant_of_short_v4`], of IPv6.
    pub vacant_of_short_v6: VacantBlocks,
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

const _: () = {
    assert!(size_of::<Limits>() == 3 * 32);
    assert!(size_of::<Settings>() == 40 + 3 * 32 + 8 + 8192);
    assert!(size_of::<State>() == 64 + 2 * size_of::<Settings>() + 4 * 8192);
};
