//! Interfaces that come, and those that go.

use std::{path::Path, time::Instant};

use super::Keeper;
use crate::{
    config::Config,
    daemon::{plan::Place, wanted::Wanted},
    error::{Error, Result},
    guard::{self, Attach, Attached, Entry, LogLevel},
    output,
};

impl Keeper {
    /// Attaches a guard; if that fails, it is tried again later.
    pub(super) fn attach(&mut self, config: &Config, index: u32, place: Place) {
        self.step();
        let table = &config.tables[place.table];
        let wanted = Wanted::by(table, &self.rpcbind);
        let how = Attach {
            policy: wanted.policy.clone(),
            allow: wanted.allow.to_vec(),
            deny: wanted.deny.to_vec(),
            mode: table.mode,
            log: LogLevel::Off,
        };
        // Held until it is known how the guard was left.
        let (attached, _lock) = match self.registry.lock_to_attach() {
            Ok(lock) => {
                let attached = guard::attach(&self.registry, &lock, &place.name, &how);
                (attached, Some(lock))
            }
            Err(error) => (Err(error), None),
        };
        match attached {
            Ok(attached) => self.attached(attached, place, wanted),
            // It is gone again.
            Err(Error::NoSuchInterface(_)) => {}
            Err(error) => {
                let why = match error.hint() {
                    Some(hint) => format!("{error} ({hint})"),
                    None => error.to_string(),
                };
                if self.backoff.failed(index, why.clone(), Instant::now()) {
                    log::error!("{}: NOT guarded, tried again later: {why}", place.name);
                }
            }
        }
    }

    /// Takes note of a guard that was attached.
    fn attached(&mut self, attached: Attached, place: Place, wanted: Wanted) {
        if let Some(refused) = attached.native_refused {
            let remedy = refused.remedy();
            let remedy = remedy.map(|remedy| format!("; for native mode: {remedy}"));
            let remedy = remedy.unwrap_or_default();
            log::warn!("{refused}; running in generic mode, which is slower{remedy}");
        }
        let held = output::status::summary(&attached.guard)
            .map(|summary| log::info!("{summary}"))
            .and_then(|()| self.hold(&attached.guard, wanted));
        if let Err(error) = held {
            log::warn!("{}: {error}", place.name);
        }
        // Not that of another interface that had this name when it was planned.
        let index = attached.guard.ifindex();
        self.backoff.retain(|waiting| waiting != index);
        self.places.insert(index, place);
    }

    pub(super) fn detach(&mut self, index: u32, name: &str) -> Result<()> {
        self.step();
        if let Some(held) = self.held.get(&index) {
            let lock = self.registry.lock()?;
            if let Some(Entry::Guard(guard)) = self.registry.entry_in(&held.directory)? {
                guard.detach(&lock)?;
                log::info!("{name}: detached");
            }
        }
        self.held.remove(&index);
        self.places.remove(&index);
        Ok(())
    }

    /// Forgets an interface that is gone, and removes what is left of its guard.
    pub(super) fn forget(&mut self, index: u32) -> Result<()> {
        self.step();
        if let Some(held) = self.held.get(&index) {
            self.remove_leftover(&held.directory)?;
        }
        self.held.remove(&index);
        if let Some(place) = self.places.remove(&index) {
            log::info!("{}: gone", place.name);
        }
        Ok(())
    }

    /// Removes what is pinned in a directory if it guards nothing.
    pub(super) fn remove_leftover(&self, directory: &Path) -> Result<()> {
        if let Some(Entry::Leftover(_)) = self.registry.entry_in(directory)? {
            let lock = self.registry.lock()?;
            if let Some(Entry::Leftover(leftover)) = self.registry.entry_in(directory)? {
                leftover.remove(&lock)?;
            }
        }
        Ok(())
    }
}
