//! [`Change`]: what is to be changed, before it is known whether it can be.

use std::collections::{BTreeMap, HashSet};

use super::Verdict;
use crate::{
    error::{Error, Result},
    policy::PolicyChange,
    prefix::Prefix,
};

/// What is to be changed.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub(super) edits: BTreeMap<Prefix, Edit>,
    pub(super) replaced: BTreeMap<Verdict, HashSet<Prefix>>,
    pub(super) policy: PolicyChange,
}

/// What is to happen to one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Add(Verdict),
    Remove(Verdict),
}

impl Edit {
    const fn list(self) -> Verdict {
        match self {
            Self::Add(verdict) | Self::Remove(verdict) => verdict,
        }
    }
}

impl Change {
    /// Adds a prefix to a list. One that is in it already stays as it is.
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
                wanted.insert(prefix);
            }
            None => {
                self.edits.insert(prefix, Edit::Add(verdict));
            }
        }
        Ok(())
    }

    /// Removes a prefix from a list, in which it must be, unless this change replaces the list.
    pub fn remove(&mut self, verdict: Verdict, prefix: Prefix) {
        match self.replaced.get_mut(&verdict) {
            Some(wanted) => {
                wanted.remove(&prefix);
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
        self.replaced
            .insert(verdict, prefixes.into_iter().collect());
    }

    /// Whether this change adds `prefix` to the other list than that of `verdict`.
    pub(super) fn adds_to_other(&self, verdict: Verdict, prefix: Prefix) -> bool {
        let edited = self.edits.get(&prefix);
        edited.is_some_and(|edit| matches!(edit, Edit::Add(list) if *list != verdict))
            || self
                .replaced
                .iter()
                .any(|(list, wanted)| *list != verdict && wanted.contains(&prefix))
    }

    /// Changes what is guarded, and how.
    pub fn policy(&mut self, change: PolicyChange) {
        self.policy = change;
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
}
