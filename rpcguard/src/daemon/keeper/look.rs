//! What is there, and what is worth saying about it.

use std::collections::BTreeSet;

use super::Keeper;
use crate::{
    config::Config,
    daemon::plan::{Plan, Scope, World},
    error::{Doing as _, Result},
    guard::{Entry, Guard, Leftover},
    sys::netlink,
};

/// What was found.
pub(super) struct Seen {
    pub(super) world: World,
    /// Of all interfaces, or of none if nobody has to look at them.
    pub(super) guards: Vec<Guard>,
    pub(super) leftovers: Vec<Leftover>,
}

impl Keeper {
    /// Finds out what is there. The guards of interfaces that are known are only looked at if all are.
    pub(super) fn look(&mut self, scope: Scope) -> Result<Seen> {
        let interfaces =
            netlink::interfaces().doing("list the interfaces of this network namespace")?;
        if scope == Scope::News {
            self.forget_replaced(&interfaces)?;
        }
        let is_new = |interface: &netlink::Interface| {
            !self.places.contains_key(&interface.index) && !interface.xdp.is_empty()
        };
        let mut guards = Vec::new();
        let mut leftovers = Vec::new();
        let mut guarded: BTreeSet<u32> = BTreeSet::new();
        if scope == Scope::Everything || interfaces.iter().any(is_new) {
            for entry in self.registry.entries()? {
                match entry {
                    // Of those that are not confirmed, nothing is known to stay.
                    Entry::Guard(guard) if !guard.is_confirmed() => {}
                    Entry::Guard(guard) => guards.push(*guard),
                    Entry::Leftover(leftover) => leftovers.push(leftover),
                    // That it cannot be guarded is said when it is tried.
                    Entry::Incompatible { .. } => {}
                }
            }
            guarded.extend(guards.iter().map(Guard::ifindex));
        } else {
            guarded.extend(self.held.keys());
        }
        let interfaces = interfaces.into_iter();
        let world = World {
            interfaces: interfaces.map(|found| (found.index, found.name)).collect(),
            guarded,
        };
        Ok(Seen {
            world,
            guards,
            leftovers,
        })
    }

    /// Forgets interfaces whose index others have now: their guard is gone with them, and only its pins are
    /// left. One that somebody has detached has none.
    fn forget_replaced(&mut self, interfaces: &[netlink::Interface]) -> Result<()> {
        for interface in interfaces.iter().filter(|found| found.xdp.is_empty()) {
            let Some(held) = self.held.get(&interface.index) else {
                continue;
            };
            match self.registry.entry_in(&held.directory)? {
                Some(Entry::Leftover(_)) => self.forget(interface.index)?,
                Some(_) => {}
                None => {
                    self.held.remove(&interface.index);
                    log::info!(
                        "{}: detached by somebody else; left so until the next reload",
                        interface.name
                    );
                }
            }
        }
        Ok(())
    }

    /// Says what is worth knowing, once.
    pub(super) fn tell(&mut self, config: &Config, world: &World, plan: &Plan, scope: Scope) {
        let mut now = BTreeSet::new();
        for name in &plan.strangers {
            now.insert(format!(
                "{name} is guarded and in no table: it is left alone; `rpcguard detach {name}` ends that"
            ));
        }
        for name in &plan.ambiguous {
            now.insert(format!(
                "{name} is in several [[guard]] tables: the first is followed; write \"!{name}\" in the others"
            ));
        }
        let present: BTreeSet<&String> = world.interfaces.values().collect();
        for name in config
            .tables
            .iter()
            .flat_map(|table| table.interfaces.names())
        {
            if !present.contains(&name.to_owned()) {
                now.insert(format!(
                    "{name} is not there: it is guarded when it appears"
                ));
            }
        }
        for text in now.difference(&self.told) {
            log::warn!("{text}");
        }
        match scope {
            Scope::Everything => self.told = now,
            // Others were not looked at.
            Scope::News => self.told.extend(now),
        }
    }
}
