//! Changes to a guard: all or nothing, at one instant.
//!
//! How it works is in [`rpcguard_common::abi`]: the new side is written under the next epoch, where
//! no packet looks, and storing that epoch puts it in force. Here is the order of the steps, and
//! what is done about an interrupted change:
//!
//! 1. [`State::changing`] is set, and the other side of the settings written;
//! 2. prefix [entries](super::entries) are written, shorter prefixes first, because the entry of
//!    a prefix
//!    that is not in the list says what its longest listed ancestor says;
//! 3. the epoch is stored;
//! 4. entries of prefixes that are in no list any more are removed, once no packet is under way
//!    that began under the epoch before;
//! 5. [`State::changing`] is cleared.
//!
//! Who finds `changing` set undoes the steps before the third, or finishes those after it, by
//! looking at every entry's epoch. A change of several guards that was interrupted in the third
//! step is first [carried on](super::unfinished).

use std::{
    collections::{BTreeSet, HashSet},
    mem::offset_of,
    num::NonZero,
    os::fd::AsFd as _,
};

use aya::maps::MapData;
use rpcguard_common::abi::{
    Decision, FewPorts, PrefixCounts, PrefixEntry, Settings, State, flag, map,
};

use super::{
    Change, Committed, Guard, Lock, destinations,
    entries::{Entries, Left},
    listing::count,
    plan::{self, Plan, Step},
    prefixes::listed_verdict,
    vacancy,
};
use crate::{
    error::{Doing as _, Error, Result},
    policy::{Destinations, NoRatePolicy},
    prefix::Prefix,
    sys::{mapped::MappedArray, packets, random},
};

/// Carries out a change on each of several guards, on all of them or on none; with something else
/// that is to be done if the changes can be made, and only then: before anything is written.
pub(super) fn commit_with(
    guards: &mut [Guard],
    _lock: &Lock,
    changes: &[&Change],
    and: impl FnOnce(&mut [Guard]) -> Result<()>,
) -> Result<Vec<Committed>> {
    assert_eq!(guards.len(), changes.len(), "each guard has its change");
    let number = random::number()?;
    let prepared: Vec<_> = guards
        .iter_mut()
        .zip(changes)
        .map(|(guard, change)| guard.prepare(change))
        .collect::<Result<_>>()?;
    let staged = and(guards).and_then(|()| {
        let pairs = guards.iter_mut().zip(prepared);
        pairs
            .map(|(guard, prepared)| guard.stage(prepared, number))
            .collect::<Result<Vec<_>>>()
    });
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
    let mut left = staged
        .iter()
        .filter_map(|staged| Some(&staged.pending.as_ref()?.left));
    if left.any(|left| !(left.removed.is_empty() && left.ended.is_empty())) {
        packets::wait_for_those_under_way();
    }
    let pairs = guards.iter_mut().zip(&staged);
    let pairs = pairs.filter_map(|(guard, staged)| Some((guard, staged.pending.as_ref()?)));
    let removed: Vec<_> = pairs
        .map(|(guard, pending)| (guard.maps.remove(&pending.left.removed), guard, pending))
        .collect();
    // Once for all guards: it takes longer than all the rest.
    if removed
        .iter()
        .any(|(removed, ..)| matches!(removed, Ok(true)))
    {
        packets::wait_for_those_under_way();
    }
    for (removed, guard, pending) in removed {
        // The change is made; what is left of the old entries is as good as gone.
        if let Err(error) = removed.and_then(|_| guard.tidy_up(pending)) {
            log::warn!(
                "the next change of `{}` will tidy up: {error}",
                guard.interface.name
            );
        }
    }
    Ok(staged.into_iter().map(|staged| staged.committed).collect())
}

/// A change of which it is known what it comes to. What is large is not moved about.
struct Prepared {
    committed: Committed,
    /// `None` if there is nothing to change.
    work: Option<Box<Work>>,
}

struct Work {
    /// As it is.
    state: State,
    /// The settings as they are to be, but for hit slots.
    settings: Settings,
    /// All that is listed, if the change is large.
    listed: Option<Vec<(Prefix, Decision)>>,
    steps: Vec<Step>,
    /// The numbers of the ends of those steps that have one.
    ends: Vec<u32>,
    /// The destinations to write, if others are to be guarded.
    destinations: Option<BTreeSet<Prefix>>,
}

/// A change that is written but not in force.
struct Staged {
    committed: Committed,
    /// `None` if there is nothing to change.
    pending: Option<Box<Pending>>,
}

struct Pending {
    array: MappedArray,
    /// The state as it is to be when all is done.
    state: State,
    /// What is done about what.
    steps: Vec<Step>,
    /// All that is listed before, if that is known.
    listed: Option<Vec<(Prefix, Decision)>>,
    left: Left,
}

impl Pending {
    /// Stores the epoch: the instant of the change.
    fn put_in_force(&self) {
        self.array
            .store_u32(std::mem::offset_of!(State, epoch), self.state.epoch);
    }
}

impl Guard {
    /// Finds out what there is to do, and whether it can be done.
    fn prepare(&mut self, change: &Change) -> Result<Prepared> {
        self.maps.refresh()?;
        self.finish_interrupted_change()?;
        let state = self.state()?;
        let is_large = change.is_large(state.current().prefixes.total());
        let listed = is_large.then(|| self.listed(state.epoch)).transpose()?;
        let (steps, committed) = self.plan(change, state.epoch, listed.as_deref())?;
        let mut settings = *state.current();
        let mut policy = self.policy_in(&settings)?;
        let destinations_before = policy.destinations.clone();
        policy
            .apply(&change.policy)
            .map_err(|NoRatePolicy| Error::NoRatePolicy(self.interface.name.clone()))?;
        policy.write_to(&mut settings);
        let destinations = match policy.destinations {
            Destinations::Only(prefixes) if change.policy.destinations.is_some() => {
                destinations::check(&prefixes)?;
                Some(prefixes).filter(|it| destinations_before.prefixes() != Some(it))
            }
            _ => None,
        };
        if destinations.is_some() {
            settings.flags ^= flag::SECOND_SET;
        }
        if steps.is_empty() && settings == *state.current() {
            return Ok(Prepared {
                committed,
                work: None,
            });
        }
        let temporary = steps.iter().filter_map(Step::until).count();
        let ends = self.ends.vacant(temporary);
        if ends.len() < temporary {
            let (interface, room) = (self.interface.name.clone(), ends.len());
            let renewed = steps.iter().filter(|step| step.is_renewal()).count();
            return Err(if temporary - renewed > room {
                Error::TooManyEnds { interface, room }
            } else {
                Error::TooManyRenewals {
                    interface,
                    room,
                    renewed,
                }
            });
        }
        let counted = steps.iter().flat_map(Step::counted);
        count(&mut settings.prefixes, &mut settings.long, counted)?;
        Ok(Prepared {
            committed,
            work: Some(Box::new(Work {
                state,
                settings,
                listed,
                steps,
                ends,
                destinations,
            })),
        })
    }

    /// Steps 1 and 2.
    fn stage(&mut self, prepared: Prepared, number: NonZero<u32>) -> Result<Staged> {
        let Prepared { committed, work } = prepared;
        let Some(work) = work else {
            return Ok(Staged {
                committed,
                pending: None,
            });
        };
        let Work {
            mut state,
            mut settings,
            listed,
            steps,
            ends,
            destinations,
        } = *work;
        if let Some(prefixes) = destinations {
            // Those that began under the epoch before the last may still look into this set.
            packets::wait_for_those_under_way();
            let set = flag::destinations(settings.flags);
            destinations::write(&mut self.destinations, set, &prefixes)?;
        }
        let added = committed.added;
        let slots = self.take_slots(&mut settings, added, state.epoch, listed.as_deref())?;
        let array = self.map_state()?;

        let epoch = state.epoch;
        self.maps.settle_now_and_then(epoch)?;
        state.changing = number.get();
        state.next = epoch + 1;
        forget_few_ports(&array);
        state.few_ports = FewPorts::UNKNOWN;
        state.settings[State::side(epoch + 1)] = settings;
        for step in &steps {
            vacancy::occupy(&mut state, step.prefix);
        }
        if let Some(bloom) = self.bloom(&state)? {
            bloom.add(steps.iter().map(|step| step.prefix));
        }
        self.store(&state)?;
        let temporary = steps.iter().filter_map(|step| Some((step, step.until()?)));
        for (end, (step, (until, verdict))) in ends.iter().zip(temporary) {
            self.ends.set(*end, until, verdict, step.prefix);
        }

        // From here on, it is the state as it is to be when all is done.
        state.epoch = epoch + 1;
        state.changing = 0;
        let Entries { entries, left } = Entries::new(&steps, slots, &ends, state.epoch);
        self.maps.write(entries)?;
        Ok(Staged {
            committed,
            pending: Some(Box::new(Pending {
                array,
                state,
                steps,
                listed,
                left,
            })),
        })
    }

    /// The steps, and their sum. `listed` is all that is listed, if the change is
    /// large.
    fn plan(
        &self,
        change: &Change,
        epoch: u32,
        listed: Option<&[(Prefix, Decision)]>,
    ) -> Result<(Vec<Step>, Committed)> {
        let mut plan = Plan::new(&self.interface.name, change.moves);
        match listed {
            Some(listed) => plan.whole(change, listed)?,
            None => {
                for (prefix, edit) in change.edits()? {
                    plan.edit(prefix, edit, self.maps.before(prefix, epoch)?)?;
                }
            }
        }
        Ok(plan.finish())
    }

    /// The rest of step 4, once entries are removed, and step 5.
    fn tidy_up(&mut self, pending: &Pending) -> Result<()> {
        let Pending { left, .. } = pending;
        self.ends.vacate(left.ended.iter().copied());
        self.pass_slots_on(left)?;
        let mut state = pending.state;
        let total = state.current().prefixes.total();
        if let Some(listed) = &pending.listed {
            let steps = &pending.steps;
            let added = steps.iter().filter(|step| step.is_new());
            let added = added.map(|step| step.prefix);
            self.vacate_all_but(&mut state, plan::remaining(listed, steps).chain(added))?;
        } else if vacancy::is_worth_renewing(left.removed.len(), total) {
            let prefixes = self.maps.entries(state.epoch, |(prefix, _)| Some(prefix))?;
            self.vacate_all_but(&mut state, prefixes.into_iter())?;
        }
        self.store(&state)?;
        tell_few_ports(&pending.array, &state);
        Ok(())
    }

    /// Vacates every block that none of `prefixes` touches, and renews the filter.
    fn vacate_all_but(
        &self,
        state: &mut State,
        prefixes: impl Iterator<Item = Prefix> + Clone,
    ) -> Result<()> {
        vacancy::vacate_all_but(state, prefixes.clone());
        if let Some(bloom) = self.bloom(state)? {
            bloom.renew(prefixes);
        }
        Ok(())
    }

    /// Whether prefixes have [lapsed](Change::add_until) that take up room.
    pub(crate) fn has_lapsed(&self) -> bool {
        self.ends.lapsed() != PrefixCounts::default()
    }

    /// Removes the prefixes that have [lapsed](Change::add_until), which are in force no more, and
    /// returns how many there were. Every change to the lists does that first.
    ///
    /// # Errors
    ///
    /// Failing system calls.
    pub fn remove_lapsed(&mut self, lock: &Lock) -> Result<usize> {
        if !self.has_lapsed() {
            return Ok(0);
        }
        self.maps.refresh()?;
        self.finish_interrupted_change()?;
        let mut change = Change::default();
        for (prefix, decision) in self.listed(self.state()?.epoch)? {
            if let Some(verdict) = listed_verdict(decision)
                && self.ends.has_lapsed(decision.end())
            {
                change.remove(verdict, prefix);
            }
        }
        let guards = std::slice::from_mut(self);
        let committed = commit_with(guards, lock, &[&change], |_| Ok(()))?;
        Ok(committed.iter().map(|committed| committed.removed).sum())
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
        let mut ends = HashSet::new();
        for (prefix, entry) in self.maps.entries(state.epoch, Some)? {
            let decision = entry.at(state.epoch);
            if !decision.is_listed() {
                removed.push(prefix);
                continue;
            }
            kept.push(prefix);
            ends.insert(decision.end());
            if entry.epoch > state.epoch {
                restored.push((prefix, PrefixEntry::settled(prefix.length(), decision)));
            }
        }
        self.maps.write(restored)?;
        // Some may look at what is removed, or at ends that are taken back.
        packets::wait_for_those_under_way();
        if self.maps.remove(&removed)? {
            packets::wait_for_those_under_way();
        }
        self.ends.vacate_all_but(&ends);
        self.vacate_all_but(&mut state, kept.into_iter())?;
        let array = self.map_state()?;
        forget_few_ports(&array);
        state.few_ports = FewPorts::UNKNOWN;
        state.changing = 0;
        self.store(&state)?;
        tell_few_ports(&array, &state);
        Ok(())
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

/// The words of [`FewPorts`] in a mapped state.
const FEW_PORTS: usize = offset_of!(State, few_ports) + FewPorts::WORD;
const FEW_PORTS_UNKNOWN: usize = offset_of!(State, few_ports) + FewPorts::UNKNOWN_WORD;

/// Has packets ask the set of ports: the state can then be written as a whole, which is no store of
/// one word.
fn forget_few_ports(array: &MappedArray) {
    array.store_u64(FEW_PORTS_UNKNOWN, 1);
    array.store_u64(FEW_PORTS, FewPorts::UNKNOWN.word());
}

/// Tells packets the ports of the settings in force, by one store.
fn tell_few_ports(array: &MappedArray, state: &State) {
    array.store_u64(FEW_PORTS, FewPorts::of(&state.current().ports).word());
}
