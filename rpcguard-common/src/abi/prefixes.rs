//! What the lists say about sources.

/// How many allow prefixes, and how many deny prefixes, each address family can hold.
pub const MAX_PREFIXES: u32 = 1 << 20;

/// Capacity of a trie: both lists of a family, twice, because a replaced list's entries stay until
/// the new list is in force.
pub const TRIE_CAPACITY: u32 = 4 * MAX_PREFIXES;

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

/// A verdict, the hit slot to count under, the [end](super::End) if there is one, and whether the prefix that
/// carries them is in the list itself or only repeats what its longest listed ancestor says; in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Decision(u32);

impl Decision {
    const VERDICT: u32 = 0b11;
    const LISTED: u32 = 0b100;
    const SLOT_SHIFT: u32 = 3;
    const SLOT_BITS: u32 = 17;
    const SLOT: u32 = (1 << Self::SLOT_BITS) - 1;
    const END_SHIFT: u32 = Self::SLOT_SHIFT + Self::SLOT_BITS;

    /// What an address says that matches no prefix.
    pub const UNLISTED: Self = Self(0);

    /// The decision of a prefix that is in the list. Slot zero: hits are not counted.
    #[must_use]
    pub const fn listed(verdict: Verdict, hit_slot: u32) -> Self {
        Self(verdict as u32 | Self::LISTED | hit_slot << Self::SLOT_SHIFT)
    }

    /// This decision, until the [end](super::End) of this number; zero for no end.
    #[must_use]
    pub const fn until(self, end: u32) -> Self {
        Self(self.0 & !(u32::MAX << Self::END_SHIFT) | end << Self::END_SHIFT)
    }

    /// This decision, with hits counted in another slot.
    #[must_use]
    pub const fn counted_in(self, hit_slot: u32) -> Self {
        Self(self.0 & !(Self::SLOT << Self::SLOT_SHIFT) | hit_slot << Self::SLOT_SHIFT)
    }

    /// This decision, repeated by a longer prefix that is not in the list.
    #[must_use]
    pub const fn inherited(self) -> Self {
        Self(self.0 & !Self::LISTED)
    }

    /// The word.
    #[inline(always)]
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From a word that was one.
    #[inline(always)]
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
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
        self.0 >> Self::SLOT_SHIFT & Self::SLOT
    }

    /// The number of the end after which it is not in force; zero for none.
    #[inline(always)]
    #[must_use]
    pub const fn end(self) -> u32 {
        self.0 >> Self::END_SHIFT
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

    /// Whether a block, the 16 leading bits of an address, is vacant.
    #[inline(always)]
    #[must_use]
    pub const fn contains(&self, block: u16) -> bool {
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

/// How much there is in the tables and the filter of long lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct LongCounts {
    /// IPv4 prefixes of 32 bits.
    pub hosts_v4: u32,
    /// IPv6 prefixes of 128 bits.
    pub hosts_v6: u32,
    /// [Keys](super::BloomKey) of all prefixes together.
    pub keys: u32,
    /// Explicit padding.
    pub reserved: u32,
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

const _: () = {
    assert!(size_of::<PrefixEntry>() == 16);
    assert!(super::HIT_SLOTS <= Decision::SLOT);
    assert!(super::MAX_ENDS == u32::MAX >> Decision::END_SHIFT);
    assert!(size_of::<VacantBlocks>() == 8192);
};
