//! Guards that are there, and are to be otherwise.

use std::{collections::BTreeMap, sync::Arc};

use super::{Held, Keeper};
use crate::{
    config::{Config, Table},
    daemon::{plan::Place, wanted::Wanted},
    error::Result,
    guard::{self, Change, Entry, Guard, Lock},
    output,
};

impl Keeper {
    /// Makes guards as their tables say: all of them, or, if this fails, none.
    pub(super) fn update(
        &mut self,
        config: &Config,
        places: &BTreeMap<u32, Place>,
        mut found_guards: Vec<Guard>,
    ) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let lock = self.registry.lock()?;
        if found_guards.is_empty() {
            found_guards = self.guards_of(places)?;
        }
        let Compared {
            to_change,
            as_before,
        } = self.compare(config, places, found_guards)?;
        self.change(&lock, to_change, as_before.len())?;
        for (guard, wanted) in as_before {
            if !self.held.contains_key(&guard.ifindex())
                && let Ok(summary) = output::status::summary(&guard)
            {
                log::info!("{summary}, as before");
            }
            self.hold(&guard, wanted);
        }
        // Until it is known how they were left, nobody changes them.
        drop(lock);
        for (index, place) in places {
            self.places.insert(*index, place.clone());
        }
        Ok(())
    }

    /// The guards of these places that are held.
    fn guards_of(&self, places: &BTreeMap<u32, Place>) -> Result<Vec<Guard>> {
        let mut guards = Vec::new();
        for held in places.keys().filter_map(|index| self.held.get(index)) {
            match self.registry.entry_in(&held.directory)? {
                Some(Entry::Guard(guard)) if guard.is_confirmed() => guards.push(*guard),
                _ => {}
            }
        }
        Ok(guards)
    }

    /// Those that are otherwise than their tables say, with what makes them so, and those that are not.
    fn compare(
        &mut self,
        config: &Config,
        places: &BTreeMap<u32, Place>,
        guards: Vec<Guard>,
    ) -> Result<Compared> {
        let mut changes = Changes::default();
        let mut compared = Compared::default();
        for guard in guards {
            let Some(place) = places.get(&guard.ifindex()) else {
                continue;
            };
            self.step();
            let table = &config.tables[place.table];
            let wanted = Wanted::by(table, &self.rpcbind);
            let epoch = guard.epoch()?;
            let held = self.held.get(&guard.ifindex());
            let held = held.filter(|held| held.is_of(&guard, epoch));
            let change = match held {
                Some(held) if wanted.is_known_to_be(&held.wanted) => None,
                Some(held) => changes.between(&held.wanted, &wanted)?,
                None => wanted.change_from(&found(&guard)?)?.map(Arc::new),
            };
            self.note_mode(&guard, table);
            match change {
                Some(change) => compared.to_change.push(ToChange {
                    guard,
                    change,
                    wanted,
                }),
                None => compared.as_before.push((guard, wanted)),
            }
        }
        Ok(compared)
    }

    /// Changes all of them, or none; so many others are as they should be.
    fn change(&mut self, lock: &Lock, to_change: Vec<ToChange>, others: usize) -> Result<()> {
        if to_change.is_empty() {
            return Ok(());
        }
        let (mut guards, rest): (Vec<Guard>, Vec<_>) = to_change
            .into_iter()
            .map(|each| (each.guard, (each.change, each.wanted)))
            .unzip();
        let changes: Vec<&Change> = rest.iter().map(|(change, _)| &**change).collect();
        guard::commit_each(&mut guards, lock, &changes)?;
        let plural = if guards.len() == 1 { "" } else { "s" };
        log::info!("{} guard{plural} changed, {others} as before", guards.len());
        for (guard, (_, wanted)) in guards.iter().zip(rest) {
            if let Ok(summary) = output::status::summary(guard) {
                log::debug!("{summary}");
            }
            self.hold(guard, wanted);
        }
        Ok(())
    }

    /// Takes note of how a guard was left.
    pub(super) fn hold(&mut self, guard: &Guard, wanted: Wanted) {
        let held = Held {
            link: guard.link_id(),
            directory: guard.directory().to_owned(),
            // Without it, the guard is looked at as a whole next time.
            epoch: guard.epoch().ok(),
            wanted,
        };
        self.held.insert(guard.ifindex(), held);
    }

    /// Says that a guard runs where its table does not want it: another mode would need a gap.
    fn note_mode(&mut self, guard: &Guard, table: &Table) {
        if let (Some(wanted), Some(mode)) = (table.mode, guard.mode())
            && wanted != mode
        {
            let name = guard.interface();
            let text = format!(
                "{name} is guarded in {mode} mode, not in {wanted} mode: `rpcguard detach {name}`, and then \
                 reload the daemon, unguarded in between"
            );
            if self.told_of_mode.insert(guard.link_id()) {
                log::warn!("{text}");
            }
        }
    }

    /// Whether nobody has changed a guard since.
    pub(super) fn is_as_left(&self, guard: &Guard) -> Result<bool> {
        let epoch = guard.epoch()?;
        let held = self.held.get(&guard.ifindex());
        Ok(held.is_some_and(|held| held.is_of(guard, epoch)))
    }
}

/// Guards, by whether they are as their tables say.
#[derive(Default)]
struct Compared {
    to_change: Vec<ToChange>,
    as_before: Vec<(Guard, Wanted)>,
}

/// A guard that is otherwise than its table says.
struct ToChange {
    guard: Guard,
    change: Arc<Change>,
    wanted: Wanted,
}

impl Held {
    /// Whether it is this guard, which has this epoch now, and nobody has changed it since.
    fn is_of(&self, guard: &Guard, epoch: u32) -> bool {
        self.link == guard.link_id() && self.epoch == Some(epoch)
    }
}

/// Changes that several guards have in common, worked out once.
#[derive(Default)]
struct Changes {
    known: Vec<(Wanted, Wanted, Option<Arc<Change>>)>,
}

impl Changes {
    fn between(&mut self, before: &Wanted, after: &Wanted) -> Result<Option<Arc<Change>>> {
        let known = self
            .known
            .iter()
            .find(|(old, new, _)| old.is_known_to_be(before) && new.is_known_to_be(after));
        if let Some((_, _, change)) = known {
            return Ok(change.clone());
        }
        let change = after.change_from(before)?.map(Arc::new);
        self.known
            .push((before.clone(), after.clone(), change.clone()));
        Ok(change)
    }
}

/// How a guard is.
fn found(guard: &Guard) -> Result<Wanted> {
    let [allow, deny] = guard.lists()?;
    Ok(Wanted {
        policy: guard.policy()?,
        allow: allow.into(),
        deny: deny.into(),
    })
}
