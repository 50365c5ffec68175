//! Changes to a guard: all or nothing, at one instant.
//!
//! How it works is in [`rpcguard_common::abi`]: the new side is written under the next epoch, where
//! no packet looks, and storing that epoch puts it in force. Here is the order of the steps, and
//! what is done about an interrupted change:
//!
//! 1. [`State::changing`] is set, and the other side of the settings written;
//! 2. prefix entries are written, shorter prefixes first, because the entry of a prefix that is not
//!    in the list says what its longest listed ancestor says;
//! 3. the epoch is stored;
//! 4. entries of prefixes that are in no list any more are removed, once no packet is under way
//!    that began under the epoch before;
//! 5. [`State::changing`] is cleared.
//!
//! Who finds `changing` set undoes the steps before the third, or finishes those after it, by
//! looking at every entry's epoch. A change of several guards that was interrupted in the third step
//! is first [carried on](super::unfinished).

use std::{
    collections::{HashMap, HashSet},
    num::NonZero,
    os::fd::AsFd as _,
};

use aya::maps::MapData;
use rpcguard_common::abi::{Decision, FewPorts, HIT_SLOTS, PrefixEntry, Settings, State, map};

use super::{
    Change, Committed, Guard, Lock, Verdict, change::Edit, listing::count, trie::Tries, vacancy,
};
use crate::{
    error::{Doing as _, Error, Result},
    policy::{NoRatePolicy, Policy},
    prefix::Prefix,
    sys::{mapped::MappedArray, packets, random},
};

/// One prefix that changes.
struct Step {
    prefix: Prefix,
    edit: Edit,
}

impl Step {
    /// By how much it changes the length of which list.
    fn counted(&self) -> (Prefix, Verdict, i64) {
        match self.edit {
            Edit::Add(verdict) => (self.prefix, verdict, 1),
            Edit::Remove(verdict) => (self.prefix, verdict, -1),
        }
    }
}

/// Carries out one change on several guards, on all of them or on none; with something else that is to be
/// done if the change can be made, and only then: when all is written, and before anything is in force.
pub(super) fn commit_with(
    guards: &mut [Guard],
    _lock: &Lock,
    change: &Change,
    and: impl FnOnce(&mut [Guard]) -> Result<()>,
) -> Result<Vec<Committed>> {
    let number = random::number()?;
    let stages: Result<Vec<_>> = guards
        .iter_mut()
        .map(|guard| guard.stage(change, number))
        .collect();
    let staged = stages.and_then(|staged| and(guards).map(|()| staged));
    let staged = match staged {
        Ok(staged) => staged,
        Err(cause) => {
            for guard in guards {
                if let Err(source) = guard.finish_interrupted_change() {
                    let (cause, source) = (Box::new(cause), Box::new(source));
                    return Err(Error::Unfinished { cause, source });
                }
            }
            return Err(cause);
        }
    };
    // The first store decides: if it is the last thing that this process does, the next command
    // carries on.
    for stage in staged.iter().flat_map(|staged| &staged.pending) {
        stage.put_in_force();
    }
    let removes = |pending: &Pending| !pending.written.removed.is_empty();
    if staged
        .iter()
        .flat_map(|staged| &staged.pending)
        .any(removes)
    {
        packets::wait_for_those_under_way();
    }
    for (guard, staged) in guards.iter_mut().zip(&staged) {
        if let Some(pending) = &staged.pending {
            // The change is made; what is left of the old entries is as good as gone.
            if let Err(error) = guard.tidy_up(pending) {
                log::warn!(
                    "the next change of `{}` will tidy up: {error}",
                    guard.interface.name
                );
            }
        }
    }
    Ok(staged.into_iter().map(|staged| staged.committed).collect())
}

/// A change that is written but not in force.
struct Staged {
    committed: Committed,
    /// `None` if there is nothing to change.
    pending: Option<Pending>,
}

struct Pending {
    array: MappedArray,
    state: State,
    written: Written,
}

/// What remains to be done about the entries of a change once it is in force.
#[derive(Default)]
struct Written {
    /// Prefixes whose entries can go.
    removed: Vec<Prefix>,
    /// The hit slots that they leave.
    freed: Vec<u32>,
    /// Prefixes that were added when no slot was left.
    uncounted: Vec<(Prefix, Verdict)>,
}

impl Pending {
    /// Stores the epoch: the instant of the change.
    fn put_in_force(&self) {
        self.array
            .store_u32(std::mem::offset_of!(State, epoch), self.state.epoch);
    }
}

impl Guard {
    /// Steps 1 and 2.
    fn stage(&mut self, change: &Change, number: NonZero<u32>) -> Result<Staged> {
        self.finish_interrupted_change()?;
        let mut state = self.state()?;
        let (steps, committed) = self.plan(change, state.epoch)?;
        let mut settings = *state.current();
        let mut policy = Policy::from_settings(&settings);
        policy
            .apply(&change.policy)
            .map_err(|NoRatePolicy| Error::NoRatePolicy(self.interface.name.clone()))?;
        policy.write_to(&mut settings);
        if steps.is_empty() && settings == *state.current() {
            return Ok(Staged {
                committed,
                pending: None,
            });
        }
        count(&mut settings.prefixes, steps.iter().map(Step::counted))?;
        let slots = self.take_slots(&mut settings, committed.added, state.epoch)?;
        let array = self.map_state()?;

        let epoch = state.epoch;
        state.changing = number.get();
        state.next = epoch + 1;
        state.few_ports = FewPorts::of([&state.current().ports, &settings.ports]);
        state.settings[State::side(epoch + 1)] = settings;
        for step in &steps {
            vacancy::occupy(&mut state, step.prefix);
        }
        if let Some(blocks) = self.fine_blocks()? {
            blocks.occupy(steps.iter().map(|step| step.prefix));
        }
        self.store(&state)?;
        let written = self.write_steps(&steps, slots, epoch)?;
        state.epoch = epoch + 1;
        Ok(Staged {
            committed,
            pending: Some(Pending {
                array,
                state,
                written,
            }),
        })
    }

    /// Steps 4 and 5.
    fn tidy_up(&mut self, pending: &Pending) -> Result<()> {
        self.tries.remove(&pending.written.removed)?;
        self.pass_slots_on(&pending.written)?;
        let mut state = State {
            changing: 0,
            ..pending.state
        };
        state.few_ports = FewPorts::of([&state.current().ports]);
        let total = state.current().prefixes.total();
        if vacancy::is_worth_renewing(pending.written.removed.len(), total) {
            let entries = self.tries.entries()?;
            let prefixes = entries.iter().map(|(prefix, _)| *prefix);
            vacancy::vacate_all_but(&mut state, prefixes.clone());
            if let Some(blocks) = self.fine_blocks()? {
                blocks.renew(prefixes);
            }
        }
        self.store(&state)
    }

    /// Gives the hit slots of prefixes that were removed to those that have none.
    fn pass_slots_on(&mut self, written: &Written) -> Result<()> {
        let mut entries = Vec::new();
        for (slot, (prefix, verdict)) in written.freed.iter().zip(&written.uncounted) {
            self.clear_hits(*slot)?;
            let decision = Decision::listed((*verdict).into(), *slot);
            entries.push((*prefix, PrefixEntry::settled(prefix.length(), decision)));
        }
        self.tries.write(&entries)
    }

    /// Undoes or completes what an interrupted command left.
    pub(super) fn finish_interrupted_change(&mut self) -> Result<()> {
        let mut state = self.state()?;
        if state.changing == 0 {
            return Ok(());
        }
        log::info!(
            "finishing an interrupted change of `{}`",
            self.interface.name
        );
        let mut restored = Vec::new();
        let mut removed = Vec::new();
        let mut kept = Vec::new();
        for (prefix, entry) in self.tries.entries()? {
            let decision = entry.at(state.epoch);
            if !decision.is_listed() {
                removed.push(prefix);
                continue;
            }
            kept.push(prefix);
            if entry.epoch > state.epoch {
                restored.push((prefix, PrefixEntry::settled(prefix.length(), decision)));
            }
        }
        self.tries.write(&restored)?;
        if !removed.is_empty() {
            packets::wait_for_those_under_way();
        }
        self.tries.remove(&removed)?;
        vacancy::vacate_all_but(&mut state, kept.iter().copied());
        if let Some(blocks) = self.fine_blocks()? {
            blocks.renew(kept);
        }
        state.few_ports = FewPorts::of([&state.current().ports]);
        state.changing = 0;
        self.store(&state)
    }

    /// The verdict of the list that a prefix is in.
    fn listed(&self, prefix: Prefix, epoch: u32) -> Result<Option<Verdict>> {
        let entry = self.tries.longest(prefix)?;
        let exact = entry.filter(|entry| entry.length == u32::from(prefix.length()));
        Ok(exact.and_then(|entry| super::prefixes::listed_verdict(entry.at(epoch))))
    }

    /// What there is to do, and the sum of it.
    fn plan(&self, change: &Change, epoch: u32) -> Result<(Vec<Step>, Committed)> {
        let mut steps = Vec::new();
        let mut committed = Committed::default();
        let mut plan = |prefix: Prefix, edit: Edit, listed: Option<Verdict>| -> Result<()> {
            match (edit, listed) {
                (Edit::Add(wanted), Some(present)) if wanted == present => {
                    committed.unchanged += 1;
                }
                (Edit::Add(_), Some(listed)) => {
                    let interface = self.interface.name.clone();
                    return Err(Error::Conflict {
                        prefix,
                        listed,
                        interface,
                    });
                }
                (Edit::Add(_), None) => {
                    committed.added += 1;
                    steps.push(Step { prefix, edit });
                }
                (Edit::Remove(verdict), Some(present)) if verdict == present => {
                    committed.removed += 1;
                    steps.push(Step { prefix, edit });
                }
                (Edit::Remove(verdict), _) => {
                    let interface = self.interface.name.clone();
                    return Err(Error::NotListed {
                        prefix,
                        verdict,
                        interface,
                    });
                }
            }
            Ok(())
        };
        for (prefix, edit) in &change.edits {
            plan(*prefix, *edit, self.listed(*prefix, epoch)?)?;
        }
        let mut listed = HashMap::new();
        if !change.replaced.is_empty() {
            let prefixes = self.listed_prefixes(epoch)?.into_iter();
            listed.extend(prefixes.map(|(prefix, verdict, _)| (prefix, verdict)));
        }
        for (verdict, wanted) in &change.replaced {
            for prefix in wanted {
                if change.adds_to_other(*verdict, *prefix) {
                    return Err(Error::Contradiction(*prefix));
                }
                plan(*prefix, Edit::Add(*verdict), listed.get(prefix).copied())?;
            }
            for (prefix, present) in &listed {
                if present == verdict && !wanted.contains(prefix) {
                    plan(*prefix, Edit::Remove(*verdict), Some(*present))?;
                }
            }
        }
        // By length, as the entries must be written.
        steps.sort_by_key(|step| (step.prefix.length(), step.prefix));
        Ok((steps, committed))
    }

    /// Finds hit slots for `wanted` new prefixes: as many as are left.
    fn take_slots(
        &mut self,
        settings: &mut Settings,
        wanted: usize,
        epoch: u32,
    ) -> Result<Vec<u32>> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let fresh = wanted.min(HIT_SLOTS - settings.hit_slots_used);
        let first = settings.hit_slots_used + 1;
        let mut slots: Vec<u32> = (first..first + fresh).collect();
        settings.hit_slots_used += fresh;

        let total = settings.prefixes.total();
        if fresh < wanted && total <= u64::from(HIT_SLOTS) {
            // Prefixes that were removed have left slots behind.
            let taken: HashSet<u32> = self
                .tries
                .entries()?
                .into_iter()
                .map(|(_, entry)| entry.at(epoch).hit_slot())
                .chain(slots.iter().copied())
                .collect();
            let free = (1..=HIT_SLOTS).filter(|slot| !taken.contains(slot));
            for slot in free.take((wanted - fresh) as usize) {
                self.clear_hits(slot)?;
                slots.push(slot);
            }
        }
        Ok(slots)
    }

    /// Writes the entries of a change for the epoch after `epoch`.
    fn write_steps(&mut self, steps: &[Step], slots: Vec<u32>, epoch: u32) -> Result<Written> {
        let mut slots = slots.into_iter();
        let mut written = Written::default();
        for group in steps.chunk_by(|a, b| a.prefix.length() == b.prefix.length()) {
            let mut entries = Vec::with_capacity(group.len());
            for Step { prefix, edit } in group {
                let parent = parent(&self.tries, *prefix)?;
                let (before, after) = match edit {
                    Edit::Add(verdict) => {
                        let slot = slots.next().unwrap_or(0);
                        if slot == 0 {
                            written.uncounted.push((*prefix, *verdict));
                        }
                        let own = Decision::listed((*verdict).into(), slot);
                        (inherited(parent, epoch), own)
                    }
                    Edit::Remove(_) => {
                        let own = self.tries.longest(*prefix)?.unwrap_or_default().at(epoch);
                        written.removed.push(*prefix);
                        written
                            .freed
                            .extend(Some(own.hit_slot()).filter(|slot| *slot != 0));
                        (own, inherited(parent, epoch + 1))
                    }
                };
                let entry = PrefixEntry {
                    before,
                    after,
                    epoch: epoch + 1,
                    length: prefix.length().into(),
                };
                entries.push((*prefix, entry));
            }
            self.tries.write(&entries)?;
        }
        Ok(written)
    }

    fn store(&mut self, state: &State) -> Result<()> {
        let failed = format!("write the settings of `{}`", self.interface.name);
        self.state.set(0, state, 0).doing(failed)
    }

    pub(super) fn map_state(&self) -> Result<MappedArray> {
        let failed = format!("map the settings of `{}`", self.interface.name);
        let data = MapData::from_pin(self.directory.join(map::STATE)).doing(&failed)?;
        MappedArray::new(data.fd().as_fd(), size_of::<State>()).doing(&failed)
    }
}

/// The entry that decides about the addresses of `prefix` when `prefix` itself has none.
fn parent(tries: &Tries, prefix: Prefix) -> Result<Option<PrefixEntry>> {
    match prefix.length().checked_sub(1) {
        Some(length) => match Prefix::new(prefix.address(), length) {
            Some(shorter) => tries.longest(shorter),
            None => Ok(None),
        },
        None => Ok(None),
    }
}

fn inherited(parent: Option<PrefixEntry>, epoch: u32) -> Decision {
    parent.map_or(Decision::UNLISTED, |entry| entry.at(epoch).inherited())
}
