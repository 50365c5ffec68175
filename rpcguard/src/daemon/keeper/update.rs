//! Guards that are there, and are to be otherwise.

use std::{collections::BTreeMap, sync::Arc};

use super::{Held, Keeper};
use crate::{
    config::{Config, Table},
    daemon::{plan::Place, wanted::Wanted},
    error::Result,
    guard::{self, Change, Entry, Guard},
    output,
};

impl Keeper {
    /// Makes guards as their tables say: all of them, or none.
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
            for held in places.keys().filter_map(|index| self.held.get(index)) {
                if let Some(Entry::Guard(guard)) = self.registry.entry_in(&held.directory)? {
                    found_guards.push(*guard);
                }
            }
        }
        let mut changes = Changes::default();
        let mut guards = Vec::new();
        let mut done = Vec::new();
        for guard in found_guards {
            let Some(place) = places.get(&guard.ifindex()) else {
                continue;
            };
            self.step();
            let table = &config.tables[place.table];
            let wanted = Wanted::by(table, &self.rpcbind);
            let (link, epoch) = (guard.link_id(), guard.epoch()?);
            let held = self.held.get(&guard.ifindex());
            let held = held.filter(|held| held.link == link && held.epoch == Some(epoch));
            let change = match held {
                Some(held) if wanted.is_known_to_be(&held.wanted) => None,
                Some(held) => changes.between(&held.wanted, &wanted)?,
                None => wanted.change_from(&found(&guard)?)?.map(Arc::new),
            };
            self.note_mode(&guard, table);
            match change {
                Some(change) => guards.push((guard, change, wanted)),
                None => done.push((guard, wanted)),
            }
        }
        let mut changed = Vec::with_capacity(guards.len());
        let mut rest = Vec::with_capacity(guards.len());
        for (guard, change, wanted) in guards {
            changed.push(guard);
            rest.push((change, wanted));
        }
        let change_of_each: Vec<&Change> = rest.iter().map(|(change, _)| &**change).collect();
        if !changed.is_empty() {
            guard::commit_each(&mut changed, &lock, &change_of_each)?;
        }
        for (guard, (_, wanted)) in changed.iter().zip(&rest) {
            log::debug!("{}", output::status::summary(guard)?);
            self.hold(guard, wanted.clone())?;
        }
        if !changed.is_empty() {
            let plural = if changed.len() == 1 { "" } else { "s" };
            log::info!(
                "{} guard{plural} changed, {} as before",
                changed.len(),
                done.len()
            );
        }
        for (guard, wanted) in done {
            if !self.held.contains_key(&guard.ifindex()) {
                log::info!("{}, as before", output::status::summary(&guard)?);
            }
            self.hold(&guard, wanted)?;
        }
        // Until it is known how they were left, nobody changes them.
        drop(lock);
        for (index, place) in places {
            self.places.insert(*index, place.clone());
        }
        Ok(())
    }

    pub(super) fn hold(&mut self, guard: &Guard, wanted: Wanted) -> Result<()> {
        let held = Held {
            link: guard.link_id(),
            directory: guard.directory().to_owned(),
            epoch: Some(guard.epoch()?),
            wanted,
        };
        self.held.insert(guard.ifindex(), held);
        Ok(())
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
        Ok(held.is_some_and(|held| held.link == guard.link_id() && held.epoch == Some(epoch)))
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
