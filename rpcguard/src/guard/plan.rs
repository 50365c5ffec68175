//! What there is to do for a change, given what is in the lists.
//!
//! Of each prefix that changes, it must be known what it says so far, and what the longest listed prefix
//! that covers it says. For a few among many, the kernel is asked about each. For many, all that is listed
//! is read at once, and a single way through it tells both.

use std::iter::Peekable;

use rpcguard_common::abi::Decision;

use super::{
    BootTime, Change, Committed, Verdict, change::Edit, cover::Cover, prefixes::listed_verdict,
};
use crate::{
    error::{Error, Result},
    prefix::Prefix,
};

/// One prefix that changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) prefix: Prefix,
    pub(super) edit: Edit,
    pub(super) before: Before,
}

/// What the lists say about a prefix before a change.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// What it says itself; [`Decision::UNLISTED`] if it is in no list.
    pub(super) own: Decision,
    /// What the longest other prefix that covers it says; [`Decision::UNLISTED`] if there is none.
    pub(super) parent: Decision,
    /// How long that other prefix is.
    pub(super) parent_length: u8,
}

impl Before {
    /// `parent` is the length of the covering prefix, and what it says.
    pub(super) fn new(own: Decision, parent: Option<(u8, Decision)>) -> Self {
        let (parent_length, parent) = parent.unwrap_or_default();
        Self {
            own,
            parent,
            parent_length,
        }
    }
}

impl Step {
    /// Whether the prefix is listed afterwards.
    pub(super) const fn adds(&self) -> bool {
        !matches!(self.edit, Edit::Remove(_))
    }

    /// Whether the prefix is listed afterwards, and was not before.
    pub(super) fn is_new(&self) -> bool {
        self.adds() && !self.before.own.is_listed()
    }

    /// Until when it is listed afterwards, and in which list, if not for good.
    pub(super) const fn until(&self) -> Option<(BootTime, Verdict)> {
        match self.edit {
            Edit::Add(verdict, Some(until)) => Some((until, verdict)),
            _ => None,
        }
    }

    /// Whether the prefix has an end, and gets another. That has a number of its own: what the one before
    /// says is in force until the whole change is.
    pub(super) fn is_renewal(&self) -> bool {
        self.until().is_some() && self.before.own.end() != 0
    }

    /// By how much it changes the length of which lists.
    pub(super) fn counted(&self) -> impl Iterator<Item = (Prefix, Verdict, i64)> {
        let (come, gone) = match self.edit {
            Edit::Add(verdict, _) => (Some(verdict).filter(|_| self.is_new()), None),
            Edit::Remove(verdict) => (None, Some(verdict)),
            Edit::Move(verdict) => (Some(verdict), listed_verdict(self.before.own)),
        };
        let come = come.map(|verdict| (self.prefix, verdict, 1));
        come.into_iter()
            .chain(gone.map(|verdict| (self.prefix, verdict, -1)))
    }
}

/// A change to one guard, as it is being planned.
pub(super) struct Plan<'a> {
    /// Errors name it.
    interface: &'a str,
    /// Whether prefixes may change lists.
    moves: bool,
    steps: Vec<Step>,
    committed: Committed,
}

impl<'a> Plan<'a> {
    pub(super) fn new(interface: &'a str, moves: bool) -> Self {
        Self {
            interface,
            moves,
            steps: Vec::new(),
            committed: Committed::default(),
        }
    }

    /// What there is to do, in ascending order, and the sum of it.
    pub(super) fn finish(self) -> (Vec<Step>, Committed) {
        (self.steps, self.committed)
    }

    /// Adds what is to be done about one prefix. They must come in ascending order.
    pub(super) fn edit(&mut self, prefix: Prefix, mut edit: Edit, before: Before) -> Result<()> {
        let interface = || self.interface.to_owned();
        match (edit, listed_verdict(before.own)) {
            (Edit::Add(wanted, _) | Edit::Move(wanted), Some(listed)) if wanted == listed => {
                if before.own.end() == 0 {
                    self.committed.unchanged += 1;
                    return Ok(());
                }
                self.committed.renewed += 1;
            }
            (Edit::Add(wanted, _) | Edit::Move(wanted), Some(_)) if self.moves => {
                edit = Edit::Move(wanted);
                self.committed.moved += 1;
            }
            (Edit::Add(..) | Edit::Move(_), Some(listed)) => {
                return Err(Error::Conflict {
                    prefix,
                    listed,
                    interface: interface(),
                });
            }
            (Edit::Add(..) | Edit::Move(_), None) => self.committed.added += 1,
            (Edit::Remove(verdict), Some(listed)) if verdict == listed => {
                self.committed.removed += 1;
            }
            (Edit::Remove(verdict), _) => {
                return Err(Error::NotListed {
                    prefix,
                    verdict,
                    interface: interface(),
                });
            }
        }
        self.steps.push(Step {
            prefix,
            edit,
            before,
        });
        Ok(())
    }

    /// Adds all that a change asks for, given all that is listed, in ascending order.
    pub(super) fn whole(&mut self, change: &Change, listed: &[(Prefix, Decision)]) -> Result<()> {
        let edits = change.edits()?;
        let mut edits = edits.peekable();
        let mut cover = Cover::new();
        for (prefix, own) in listed {
            self.unlisted(&mut edits, &mut cover, Some(*prefix))?;
            let before = Before::new(*own, parent(&mut cover, *prefix));
            let mut is_wanted = false;
            while let Some((_, edit)) = edits.next_if(|(next, _)| next == prefix) {
                self.edit(*prefix, edit, before)?;
                is_wanted = true;
            }
            match listed_verdict(*own) {
                Some(list) if !is_wanted && change.drops(*own) => {
                    self.edit(*prefix, Edit::Remove(list), before)?;
                }
                _ => {}
            }
            cover.push(*prefix, *own);
        }
        self.unlisted(&mut edits, &mut cover, None)
    }

    /// Adds the edits of prefixes that are in no list, up to the next one that is.
    fn unlisted(
        &mut self,
        edits: &mut Peekable<impl Iterator<Item = (Prefix, Edit)>>,
        cover: &mut Cover<Decision>,
        next_listed: Option<Prefix>,
    ) -> Result<()> {
        let is_before = |prefix| next_listed.is_none_or(|next| prefix < next);
        while let Some((prefix, edit)) = edits.next_if(|(prefix, _)| is_before(*prefix)) {
            let before = Before::new(Decision::UNLISTED, parent(cover, prefix));
            self.edit(prefix, edit, before)?;
        }
        Ok(())
    }
}

fn parent(cover: &mut Cover<Decision>, prefix: Prefix) -> Option<(u8, Decision)> {
    let (parent, decision) = cover.advance(prefix)?;
    Some((parent.length(), *decision))
}

/// The prefixes that are still listed once `steps` are done, of those that are listed now; all of them in
/// ascending order.
pub(super) fn remaining<'a>(
    listed: &'a [(Prefix, Decision)],
    steps: &'a [Step],
) -> impl Iterator<Item = Prefix> + Clone + 'a {
    let mut removed = steps.iter().filter(|step| !step.adds()).peekable();
    let prefixes = listed.iter().map(|(prefix, _)| *prefix);
    prefixes.filter(move |prefix| removed.next_if(|step| step.prefix == *prefix).is_none())
}
