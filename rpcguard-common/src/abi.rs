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
pub const ABI_VERSION: u32 = 1;

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

/// What one CPU counted, by [`Reason::index`](crate::reason::Reason::index). The spare elements
/// are for reasons to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// One counter a reason.
    pub reasons: [Counter; 16],
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
        ports: PortSet::EMPTY,
    };
}

/// Bits of [`Settings::flags`].
pub mod flag {
    /// Guard TCP as well, by its connection-opening segments.
    pub const TCP: u32 = 1;
    /// Count, but pass everything.
    pub const OBSERVE: u32 = 2;
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
    assert!(size_of::<Counters>() == 256);
    assert!(size_of::<PrefixEntry>() == 16);
    assert!(size_of::<Settings>() == 24 + 8192);
    assert!(size_of::<VacantBlocks>() == 8192);
    assert!(size_of::<State>() == 32 + 2 * size_of::<Settings>() + 2 * 8192);
};
