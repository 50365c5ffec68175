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
                // It is tried again as if it had never been guarded.
                self.held.remove(&index);
                self.places.remove(&index);
                match error {
                    Error::Unconfirmed(_) => self.wait_for_confirmation(index, &place.name),
                    error => self.failed(index, &place.name, "NOT guarded", &error),
                }
            }
        }
    }

    /// Somebody tries a guard out with `attach --confirm`: it is taken on once it is confirmed, or another one
    /// attached once it is gone.
    fn wait_for_confirmation(&mut self, index: u32, name: &str) {
        let why = format!(
            "{name}: guarded by an `attach --confirm` that is not confirmed yet: left alone until then"
        );
        if self.backoff.postponed(index, why.clone(), Instant::now()) {
            log::warn!("{why}");
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
        match output::status::summary(&attached.guard) {
            Ok(summary) => log::info!("{summary}"),
            Err(error) => log::warn!("{}: {error}", place.name),
        }
        self.hold(&attached.guard, wanted);
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
