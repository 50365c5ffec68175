//! Hosts of long lists: the prefixes that are single addresses, in tables of their own.
//!
//! A trie of a million hosts is some twenty levels deep, each of them a line of memory that has to be waited
//! for. In a table, a host is found in one line (two of IPv6), and userspace writes it without a system call.
//! What does not fit into its bucket is in the trie, as are all hosts of short lists.

use super::{Decision, PrefixEntry};
use crate::hash::hash;

/// How many hosts a bucket has room for: those of IPv4 fill one line of memory so.
pub const BUCKET_HOSTS: usize = 5;

/// IPv4 hosts whose hashes are alike.
///
/// A host is there while its word is not zero. Userspace writes the address before the word, and gives the
/// place to another host only when no packet is under way that has seen the old one. It takes the first place
/// that is free: so the first one with the address is the host's, if it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct HostsV4 {
    /// Addresses, as numbers.
    pub addresses: [u32; BUCKET_HOSTS],
    /// Not zero while there may be hosts of this bucket in the trie.
    pub overflowed: u32,
    /// [`HostEntry`]s.
    pub words: [u64; BUCKET_HOSTS],
}

/// IPv6 hosts whose hashes are alike, as [`HostsV4`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct HostsV6 {
    /// Addresses: their halves, as numbers, the higher one first.
    pub addresses: [[u64; 2]; BUCKET_HOSTS],
    /// See [`HostsV4::overflowed`].
    pub overflowed: u32,
    /// Explicit padding.
    pub reserved: u32,
    /// [`HostEntry`]s.
    pub words: [u64; BUCKET_HOSTS],
}

/// The hash that an IPv4 address is placed by.
#[inline(always)]
#[must_use]
pub const fn host_hash_v4(address: u32, seed: u64) -> u32 {
    hash(address as u64, seed) as u32
}

/// The hash that an IPv6 address is placed by.
#[inline(always)]
#[must_use]
pub const fn host_hash_v6([high, low]: [u64; 2], seed: u64) -> u32 {
    // An odd number with no pattern: halves that are alike in different places stay different.
    hash(high.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ low, seed) as u32
}

/// The length of a table for so many hosts: a power of two, so that two hosts share a bucket on average at
/// most, and one in sixty does not fit.
#[must_use]
pub const fn host_buckets(hosts: u64) -> u32 {
    let half = hosts.div_ceil(2);
    let most = MOST_BUCKETS as u64;
    let half = if half > most { most } else { half };
    (half as u32).next_power_of_two()
}

/// Hosts a bucket, on average, with which a table is too small.
pub const CROWDED: u64 = 4;

/// A table is not longer than this.
const MOST_BUCKETS: u32 = super::MAX_PREFIXES;

/// A [`PrefixEntry`] in one word, which can be read and written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct HostEntry(u64);

impl HostEntry {
    const DECISION_BITS: u32 = 20;
    const DECISION: u64 = (1 << Self::DECISION_BITS) - 1;
    const EPOCH_SHIFT: u32 = 2 * Self::DECISION_BITS;
    /// Set in the bits of the epoch if there is one.
    const DATED: u64 = 1 << 23;

    /// In the place of a decision that has an end, for which there is no room: the trie has it.
    pub const IN_TRIE: Decision = Decision::from_bits(0b11);

    /// After so many changes at most, entries have to be [settled](Self::settling): dates repeat.
    pub const SETTLE_EVERY: u32 = 1 << 22;

    /// What is in force before the change that leads to `epoch`, and after.
    #[must_use]
    pub const fn dated(before: Decision, after: Decision, epoch: u32) -> Self {
        let [before, after] = [Self::kept(before), Self::kept(after)];
        let decisions = (before.bits() as u64) << Self::DECISION_BITS | after.bits() as u64;
        Self(decisions | Self::date(epoch) << Self::EPOCH_SHIFT)
    }

    /// What is in force under every epoch.
    #[must_use]
    pub const fn settled(decision: Decision) -> Self {
        Self(Self::kept(decision).bits() as u64)
    }

    const fn kept(decision: Decision) -> Decision {
        if decision.end() == 0 {
            decision
        } else {
            Self::IN_TRIE
        }
    }

    /// The word of a place; `None` if it is empty.
    #[inline(always)]
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Self> {
        if word == 0 { None } else { Some(Self(word)) }
    }

    /// What is kept.
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// What it says, or [`Self::IN_TRIE`], under `epoch`, which is that of the change that it belongs to, the one before, or any if
    /// it is settled.
    #[inline(always)]
    #[must_use]
    pub const fn at(self, epoch: u32) -> Decision {
        let decision = if self.is_to_come(epoch) {
            self.0 >> Self::DECISION_BITS
        } else {
            self.0
        };
        Decision::from_bits((decision & Self::DECISION) as u32)
    }

    /// The settled entry in its place, while `epoch` is in force; `None` if it is settled, or its change is
    /// still to come.
    #[must_use]
    pub const fn settling(self, epoch: u32) -> Option<Self> {
        if self.is_settled() || self.is_to_come(epoch) {
            None
        } else {
            Some(Self(self.0 & Self::DECISION))
        }
    }

    /// The same as an entry of a trie, for a host of so many bits, while `epoch` is in force.
    #[must_use]
    pub const fn to_prefix_entry(self, length: u8, epoch: u32) -> PrefixEntry {
        let after = Decision::from_bits((self.0 & Self::DECISION) as u32);
        if self.is_settled() {
            return PrefixEntry::settled(length, after);
        }
        let before = self.0 >> Self::DECISION_BITS & Self::DECISION;
        PrefixEntry {
            before: Decision::from_bits(before as u32),
            after,
            epoch: if self.is_to_come(epoch) {
                epoch + 1
            } else {
                epoch
            },
            length: length as u32,
        }
    }

    const fn is_settled(self) -> bool {
        self.0 >> Self::EPOCH_SHIFT == 0
    }

    #[inline(always)]
    const fn is_to_come(self, epoch: u32) -> bool {
        self.0 >> Self::EPOCH_SHIFT == Self::date(epoch.wrapping_add(1))
    }

    /// A few bits of an epoch tell changes apart, as long as entries are settled
    /// [now and then](Self::SETTLE_EVERY).
    #[inline(always)]
    const fn date(epoch: u32) -> u64 {
        epoch as u64 & (Self::DATED - 1) | Self::DATED
    }
}

impl From<&PrefixEntry> for HostEntry {
    fn from(entry: &PrefixEntry) -> Self {
        if entry.epoch == 0 {
            Self::settled(entry.after)
        } else {
            Self::dated(entry.before, entry.after, entry.epoch)
        }
    }
}

const _: () = {
    assert!(size_of::<HostsV4>() == 64);
    assert!(size_of::<HostsV6>() == 128);
    let most = Decision::listed(super::Verdict::Deny, super::HIT_SLOTS);
    assert!(most.bits() as u64 <= HostEntry::DECISION);
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{HIT_SLOTS, Verdict};

    const ALLOW: Decision = Decision::listed(Verdict::Allow, HIT_SLOTS);
    const DENY: Decision = Decision::listed(Verdict::Deny, 1);

    #[test]
    fn an_entry_changes_with_its_epoch() {
        for epoch in [1, 2, 7, (1 << 23) - 1, 1 << 23, (1 << 23) + 1, u32::MAX] {
            let entry = HostEntry::dated(ALLOW, DENY.inherited(), epoch);
            assert_eq!(entry.at(epoch - 1), ALLOW, "{epoch}");
            assert_eq!(entry.at(epoch), DENY.inherited(), "{epoch}");
            assert_eq!(HostEntry::from_word(entry.word()), Some(entry));
            assert_eq!(entry.settling(epoch - 1), None);
            let settled = HostEntry::settled(DENY.inherited());
            assert_eq!(entry.settling(epoch), Some(settled));
            let last = epoch.wrapping_add(HostEntry::SETTLE_EVERY);
            assert_eq!(entry.settling(last), Some(settled));
            assert_eq!(entry.at(last), DENY.inherited());
        }
    }

    #[test]
    fn a_settled_entry_says_the_same_under_every_epoch() {
        let entry = HostEntry::settled(ALLOW);
        for epoch in [0, 1, (1 << 23) - 1, 1 << 23, u32::MAX] {
            assert_eq!(entry.at(epoch), ALLOW, "{epoch}");
        }
        assert_eq!(entry.settling(9), None);
        assert_eq!(
            entry.to_prefix_entry(32, 9),
            PrefixEntry::settled(32, ALLOW)
        );
    }

    #[test]
    fn what_has_an_end_is_in_the_trie() {
        let ending = DENY.inherited().until(super::super::MAX_ENDS);
        let entry = HostEntry::dated(ALLOW, ending, 7);
        assert_eq!(entry.at(6), ALLOW);
        assert_eq!(entry.at(7), HostEntry::IN_TRIE);
        assert!(!entry.to_prefix_entry(32, 7).at(7).is_listed());
        let entry = HostEntry::dated(ending, ALLOW, 7);
        assert_eq!((entry.at(6), entry.at(7)), (HostEntry::IN_TRIE, ALLOW));
    }

    #[test]
    fn it_is_an_entry_of_a_trie_in_another_form() {
        let entry = PrefixEntry {
            before: DENY,
            after: ALLOW,
            epoch: 12,
            length: 128,
        };
        for epoch in [11, 12] {
            let back = HostEntry::from(&entry).to_prefix_entry(128, epoch);
            assert_eq!(back, entry, "{epoch}");
            assert_eq!(HostEntry::from(&entry).at(epoch), entry.at(epoch));
        }
    }

    #[test]
    fn tables_are_as_long_as_it_takes() {
        for (hosts, buckets) in [
            (0, 1),
            (1, 1),
            (4, 2),
            (1_000_000, 1 << 19),
            (u64::MAX, 1 << 20),
        ] {
            assert_eq!(host_buckets(hosts), buckets, "{hosts}");
        }
    }
}
