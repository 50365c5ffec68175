//! [`Change`]: what is to be changed, before it is known whether it can be.

use std::{collections::BTreeMap, iter};

use rpcguard_common::abi::{Decision, PrefixCounts, Settings};

use super::{BootTime, Verdict, bloom, prefixes::listed_verdict};
use crate::{
    error::{Error, Result},
    policy::PolicyChange,
    prefix::Prefix,
};

/// What is to be changed.
#[derive(Clone, Debug, Default)]
pub struct Change {
    edits: BTreeMap<Prefix, Edit>,
    /// In ascending order, each once.
    replaced: BTreeMap<Verdict, Vec<Prefix>>,
    /// Whether a prefix that is added to one list is taken out of the other.
    pub(super) moves: bool,
    /// Whether lists that are replaced keep what has an end.
    keeps_temporary: bool,
    pub(super) policy: PolicyChange,
}

/// What is to happen to one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Until some time, or for good.
    Add(Verdict, Option<BootTime>),
    Remove(Verdict),
    /// From the other list to this one.
    Move(Verdict),
}

impl Edit {
    const fn list(self) -> Verdict {
        match self {
            Self::Add(verdict, _) | Self::Remove(verdict) | Self::Move(verdict) => verdict,
        }
    }
}

impl Change {
    /// Adds a prefix to a list. One that is in it already stays as it is, but has no end any more.
    ///
    /// # Errors
    ///
    /// [`Error::Contradiction`] if this change adds it to the other list.
    pub fn add(&mut self, verdict: Verdict, prefix: Prefix) -> Result<()> {
        if self.adds_to_other(verdict, prefix) {
            return Err(Error::Contradiction(prefix));
        }
        match self.replaced.get_mut(&verdict) {
            Some(wanted) => {
                if let Err(place) = wanted.binary_search(&prefix) {
                    wanted.insert(place, prefix);
                }
            }
            None => {
                self.edits.insert(prefix, Edit::Add(verdict, None));
            }
        }
        Ok(())
    }

    /// Adds a prefix to a list until some time, after which it is as if it were not in it. One that is in it
    /// already for some time gets this end; one that is in it for good stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub fn add_until(&mut self, verdict: Verdict, prefix: Prefix, until: BootTime) -> Result<()> {
        if self.adds_to_other(verdict, prefix) {
            return Err(Error::Contradiction(prefix));
        }
        self.edits.insert(prefix, Edit::Add(verdict, Some(until)));
        Ok(())
    }

    /// Has lists that are [replaced](Self::replace) keep the prefixes that were added
    /// [for some time](Self::add_until).
    pub fn keep_temporary(&mut self) {
        self.keeps_temporary = true;
    }

    /// Removes a prefix from a list, in which it must be, unless this change replaces the list.
    pub fn remove(&mut self, verdict: Verdict, prefix: Prefix) {
        match self.replaced.get_mut(&verdict) {
            Some(wanted) => {
                if let Ok(place) = wanted.binary_search(&prefix) {
                    wanted.remove(place);
                }
            }
            None => {
                self.edits.insert(prefix, Edit::Remove(verdict));
            }
        }
    }

    /// Makes a list hold these prefixes and no others. Those that are in it already are not
    /// touched, and keep their hits.
    pub fn replace(&mut self, verdict: Verdict, prefixes: impl IntoIterator<Item = Prefix>) {
        self.edits.retain(|_, edit| edit.list() != verdict);
        let mut wanted: Vec<_> = prefixes.into_iter().collect();
        wanted.sort_unstable();
        wanted.dedup();
        self.replaced.insert(verdict, wanted);
    }

    /// Has prefixes that are added to one list, and are in the other, moved rather than refused; they keep
    /// their hits.
    pub const fn move_between_lists(&mut self) {
        self.moves = true;
    }

    /// Whether a list is replaced as a whole.
    pub(super) fn replaces(&self, verdict: Verdict) -> bool {
        self.replaced.contains_key(&verdict)
    }

    /// Whether a list that is replaced loses what is in it and not in its successor.
    pub(super) fn drops(&self, listed: Decision) -> bool {
        let has_end = listed.end() != 0;
        listed_verdict(listed).is_some_and(|verdict| self.replaces(verdict))
            && !(self.keeps_temporary && has_end)
    }

    /// How many prefixes there can be after it, where there are so many now.
    pub(super) fn most_after(&self, present: &PrefixCounts) -> u64 {
        let allowed = u64::from(present.allow_v4) + u64::from(present.allow_v6);
        let denied = u64::from(present.deny_v4) + u64::from(present.deny_v6);
        let lists = [(Verdict::Allow, allowed), (Verdict::Deny, denied)];
        let after = lists.map(|(verdict, present)| {
            let wanted = self.replaced.get(&verdict);
            wanted.map_or(present, |wanted| wanted.len() as u64)
        });
        after.iter().sum::<u64>() + self.edits.len() as u64
    }

    /// How large the maps of long lists have to be for it, under settings as they are now.
    pub(super) fn sizes_after(&self, settings: &Settings) -> (u64, [u64; 2]) {
        let (counts, long) = (&settings.prefixes, &settings.long);
        let mut after = [0; 2];
        let mut keys = 0;
        let mut is_kept = false;
        for (verdict, [v4, v6]) in [
            (Verdict::Allow, [counts.allow_v4, counts.allow_v6]),
            (Verdict::Deny, [counts.deny_v4, counts.deny_v6]),
        ] {
            match self.replaced.get(&verdict) {
                Some(wanted) => {
                    add_hosts(&mut after, wanted);
                    keys += key_count(wanted);
                }
                None => {
                    after[0] += u64::from(v4.min(long.hosts_v4));
                    after[1] += u64::from(v6.min(long.hosts_v6));
                    is_kept |= v4 + v6 != 0;
                }
            }
        }
        add_hosts(&mut after, self.edits.keys());
        keys += key_count(self.edits.keys());
        // At most, if it is of one list that stays.
        keys += if is_kept { u64::from(long.keys) } else { 0 };
        (keys, after)
    }

    /// Whether it takes less to read `listed` prefixes at once than to ask about each one that changes.
    pub(super) fn is_large(&self, listed: u64) -> bool {
        !self.replaced.is_empty() || self.edits.len() as u64 > listed
    }

    /// What is to happen to which prefixes, in ascending order; but for those that are removed because
    /// their list is replaced.
    pub(super) fn edits(&self) -> Result<impl Iterator<Item = (Prefix, Edit)>> {
        for (verdict, wanted) in &self.replaced {
            let is_alone = self.edits.is_empty() && self.replaced.len() == 1;
            let contradicts = |prefix: &&Prefix| self.adds_to_other(*verdict, **prefix);
            if let Some(prefix) = wanted
                .iter()
                .find(|prefix| !is_alone && contradicts(prefix))
            {
                return Err(Error::Contradiction(*prefix));
            }
        }
        let replaced = |verdict| {
            let wanted = self.replaced.get(&verdict).into_iter().flatten();
            wanted.map(move |prefix| (*prefix, Edit::Add(verdict, None)))
        };
        let edits = self.edits.iter().map(|(prefix, edit)| (*prefix, *edit));
        let edits = merge(edits, replaced(Verdict::Allow));
        Ok(merge(edits, replaced(Verdict::Deny)))
    }

    /// Whether this change adds `prefix` to the other list than that of `verdict`.
    fn adds_to_other(&self, verdict: Verdict, prefix: Prefix) -> bool {
        let edited = self.edits.get(&prefix);
        edited.is_some_and(|edit| matches!(edit, Edit::Add(list, _) if *list != verdict))
            || self
                .replaced
                .iter()
                .any(|(list, wanted)| *list != verdict && wanted.binary_search(&prefix).is_ok())
    }

    /// Changes what is guarded, and how.
    pub fn policy(&mut self, change: PolicyChange) {
        self.policy = change;
    }
}

/// Two ascending ways as one.
fn merge(
    one: impl Iterator<Item = (Prefix, Edit)>,
    other: impl Iterator<Item = (Prefix, Edit)>,
) -> impl Iterator<Item = (Prefix, Edit)> {
    let mut one = one.peekable();
    let mut other = other.peekable();
    iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some((first, _)), Some((second, _))) if second < first => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}

/// How many keys of the Bloom filter `prefixes` have.
fn key_count<'a>(prefixes: impl IntoIterator<Item = &'a Prefix>) -> u64 {
    let prefixes = prefixes.into_iter();
    prefixes
        .map(|prefix| u64::from(bloom::key_count(*prefix)))
        .sum()
}

/// Counts the hosts among `prefixes`, IPv4 and IPv6.
fn add_hosts<'a>(counts: &mut [u64; 2], prefixes: impl IntoIterator<Item = &'a Prefix>) {
    for host in prefixes.into_iter().filter_map(|prefix| prefix.host()) {
        counts[usize::from(host.is_ipv6())] += 1;
    }
}

/// What a change came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// How many prefixes were added.
    pub added: usize,
    /// How many were removed.
    pub removed: usize,
    /// How many were to be added and were there already.
    pub unchanged: usize,
    /// How many were taken from the other list.
    pub moved: usize,
    /// How many were there already and have another end now, or none.
    pub renewed: usize,
}
