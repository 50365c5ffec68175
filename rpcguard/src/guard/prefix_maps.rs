//! All maps that prefixes are in: the tries, and the tables of hosts that guards with long lists have.

use std::{
    cell::RefCell,
    collections::HashSet,
    mem::offset_of,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use aya::maps::MapData;
use rpcguard_common::abi::{HostEntry, PrefixEntry, State, map};

use super::{hosts::Hosts, pins, plan::Before, trie::Tries};
use crate::{
    error::{Doing as _, Result},
    prefix::Prefix,
    sys::{mapped::MappedArray, packets},
};

/// Writes the hosts among `entries` to the tables, as far as there is room, and returns what is to be written
/// to the tries.
pub(super) fn place(
    hosts: &Hosts,
    entries: Vec<(Prefix, PrefixEntry)>,
    is_in_tries: impl Fn(Prefix) -> Result<bool>,
) -> Result<Vec<(Prefix, PrefixEntry)>> {
    let mut rest = Vec::new();
    for (prefix, entry) in entries {
        let is_placed = match prefix.host() {
            None => false,
            // There is no room in the tables for when it ends.
            Some(host) if has_end(&entry) => {
                hosts.set_overflowed(host, true);
                false
            }
            Some(host) => {
                let stays =
                    hosts.get(host).is_none() && hosts.overflowed(host) && is_in_tries(prefix)?;
                !stays && hosts.insert(host, (&entry).into()) || {
                    hosts.set_overflowed(host, true);
                    false
                }
            }
        };
        if !is_placed {
            rest.push((prefix, entry));
        }
    }
    Ok(rest)
}

/// Whether a prefix is in a list for some time only, before or after a change.
const fn has_end(entry: &PrefixEntry) -> bool {
    entry.before.is_listed() && entry.before.end() != 0
        || entry.after.is_listed() && entry.after.end() != 0
}

/// The prefixes of a guard.
pub(super) struct PrefixMaps {
    tries: Tries,
    directory: PathBuf,
    hosts: RefCell<Option<Opened>>,
}

/// The tables, as they are once they have been looked for.
struct Opened {
    /// The id of the filter, which others come with.
    id: u32,
    /// `None` if the lists have always been short.
    hosts: Option<Arc<Hosts>>,
}

impl PrefixMaps {
    /// Those that are pinned in a directory.
    pub(super) fn of(directory: &Path) -> Result<Self> {
        let pin = |name: &str| pins::map(directory, name);
        Ok(Self {
            tries: Tries::new(pin(map::PREFIXES_V4)?, pin(map::PREFIXES_V6)?),
            directory: directory.to_owned(),
            hosts: RefCell::new(None),
        })
    }

    /// Forgets the tables if others are pinned in their place by now.
    pub(super) fn refresh(&self) -> Result<()> {
        let id = pins::map_info(&self.directory, map::BLOOM)?.id();
        self.hosts.borrow_mut().take_if(|opened| opened.id != id);
        Ok(())
    }

    /// The tables; `None` if the lists have always been short. They are mapped when they are needed first:
    /// that takes milliseconds.
    fn hosts(&self) -> Result<Option<Arc<Hosts>>> {
        if let Some(opened) = self.hosts.borrow().as_ref() {
            return Ok(opened.hosts.clone());
        }
        let info = pins::map_info(&self.directory, map::BLOOM)?;
        let hosts = if info.max_entries() > 1 {
            let failed = "map the settings";
            let state = MapData::from_pin(self.directory.join(map::STATE)).doing(failed)?;
            let state = MappedArray::new(state.fd().as_fd(), size_of::<State>()).doing(failed)?;
            let seed = state.load_u64(offset_of!(State, seed));
            Some(Arc::new(Hosts::of(&self.directory, seed)?))
        } else {
            None
        };
        let id = info.id();
        *self.hosts.borrow_mut() = Some(Opened {
            id,
            hosts: hosts.clone(),
        });
        Ok(hosts)
    }

    fn host(&self, prefix: Prefix) -> Result<Option<HostEntry>> {
        let Some(address) = prefix.host() else {
            return Ok(None);
        };
        Ok(self.hosts()?.and_then(|hosts| hosts.get(address)))
    }

    /// The entry of the longest prefix that covers `prefix`, while `epoch` is in force; `prefix` itself counts.
    pub(super) fn longest(&self, prefix: Prefix, epoch: u32) -> Result<Option<PrefixEntry>> {
        match self.host(prefix)? {
            Some(host) if host.at(epoch) == HostEntry::IN_TRIE => self.tries.longest(prefix),
            Some(host) => Ok(Some(host.to_prefix_entry(prefix.length(), epoch))),
            None => self.tries.longest(prefix),
        }
    }

    /// What is said about a prefix under `epoch`.
    pub(super) fn before(&self, prefix: Prefix, epoch: u32) -> Result<Before> {
        let longest = self.longest(prefix, epoch)?;
        self.tries.before(prefix, longest, epoch)
    }

    /// What `take` makes of everything, in no particular order, while `epoch` is in force. Some of it appears
    /// twice if entries are removed meanwhile: where the kernel does not find its place again, it starts anew.
    pub(super) fn entries<T>(
        &self,
        epoch: u32,
        take: impl Fn((Prefix, PrefixEntry)) -> Option<T>,
    ) -> Result<Vec<T>> {
        let in_tries = self.tries.entries()?.into_iter();
        let Some(hosts) = self.hosts()? else {
            return Ok(in_tries.filter_map(take).collect());
        };
        // Of what is in both, the tables are asked first.
        let is_here = |prefix: Prefix| prefix.host().is_some_and(|it| hosts.get(it).is_some());
        let in_tries = in_tries.filter(|(prefix, _)| !is_here(*prefix));
        Ok(in_tries
            .chain(hosts.entries(epoch))
            .filter_map(take)
            .collect())
    }

    /// Inserts or replaces entries.
    pub(super) fn write(&mut self, entries: Vec<(Prefix, PrefixEntry)>) -> Result<()> {
        let rest = match self.hosts()? {
            Some(hosts) => place(&hosts, entries, |prefix| self.tries.contains(prefix))?,
            None => entries,
        };
        self.tries.write(&rest)
    }

    /// Removes prefixes, all of which must be there.
    pub(super) fn remove(&mut self, prefixes: &[Prefix]) -> Result<()> {
        let Some(hosts) = self.hosts()? else {
            return self.tries.remove(prefixes);
        };
        let mut in_tries = Vec::new();
        let mut in_tables = Vec::new();
        for prefix in prefixes {
            match prefix.host() {
                Some(host) if hosts.get(host).is_some() => {
                    in_tables.push(host);
                    if hosts.overflowed(host) && self.tries.contains(*prefix)? {
                        in_tries.push(*prefix);
                    }
                }
                _ => in_tries.push(*prefix),
            }
        }
        self.tries.remove(&in_tries)?;
        hosts.remove(in_tables);
        Ok(())
    }

    /// Sees to it that the dates of hosts' entries stay unambiguous, before `epoch` is left.
    pub(super) fn settle_now_and_then(&self, epoch: u32) -> Result<()> {
        if epoch.is_multiple_of(HostEntry::SETTLE_EVERY)
            && let Some(hosts) = self.hosts()?
        {
            packets::wait_for_those_under_way();
            hosts.settle(epoch);
        }
        Ok(())
    }

    /// Fills other tables, in which there is nothing, with all hosts that there are, while `epoch` is in force.
    /// Those that come from the tries, and those that have to go there, are in both then.
    pub(super) fn fill(&mut self, tables: &Hosts, epoch: u32) -> Result<()> {
        let old = self.hosts()?;
        let old = old.as_deref();
        let in_old = |host| old.is_some_and(|old| old.get(host).is_some());
        let mut crowded_out = Vec::new();
        for (prefix, entry) in old.into_iter().flat_map(|old| old.entries(epoch)) {
            if let Some(host) = prefix.host()
                && !tables.insert(host, (&entry).into())
            {
                for tables in [Some(tables), old].into_iter().flatten() {
                    tables.set_overflowed(host, true);
                }
                crowded_out.push((prefix, entry));
            }
        }
        for (prefix, entry) in self.tries.entries()? {
            if let Some(host) = prefix.host() {
                // As long as it is there, it has to be looked for there.
                tables.set_overflowed(host, true);
                if !in_old(host) && !has_end(&entry) {
                    tables.insert(host, (&entry).into());
                }
            }
        }
        self.tries.write(&crowded_out)
    }

    /// Removes hosts from the tries that are in the tables as well.
    pub(super) fn finish_moving(&mut self) -> Result<()> {
        let Some(hosts) = self.hosts()? else {
            return Ok(());
        };
        let mut moved = Vec::new();
        let mut overflowed = HashSet::new();
        for (prefix, _) in self.tries.entries()? {
            match prefix.host() {
                Some(host) if hosts.get(host).is_some() => moved.push(prefix),
                Some(host) => {
                    overflowed.insert(hosts.bucket(host));
                }
                None => {}
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        packets::wait_for_those_under_way();
        self.tries.remove(&moved)?;
        for host in moved.iter().filter_map(|prefix| prefix.host()) {
            if !overflowed.contains(&hosts.bucket(host)) {
                hosts.set_overflowed(host, false);
            }
        }
        Ok(())
    }
}
