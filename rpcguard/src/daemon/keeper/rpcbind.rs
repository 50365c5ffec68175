//! The ports that rpcbind has open, which are others after each of its starts.

use std::{collections::BTreeSet, sync::Arc};

use super::Keeper;
use crate::{
    config::Config,
    daemon::wanted::Wanted,
    error::{Error, Result},
    guard::{self, Change, Entry, Guard},
    output,
    policy::{Policy, PolicyChange},
    portmapper::{Heard, UdpPorts},
};

impl Keeper {
    /// Guards the ports that rpcbind has open now instead of those that it had open before.
    pub(super) fn follow_rpcbind(&mut self, now: &UdpPorts) -> Result<()> {
        let config = Arc::clone(&self.config);
        let lock = match self.registry.lock() {
            Err(Error::NothingAttached) => return Ok(()),
            lock => lock?,
        };
        let mut guards: Vec<Guard> = Vec::new();
        let mut changes = Vec::new();
        for (index, held) in &self.held {
            let Some(place) = self.places.get(index) else {
                continue;
            };
            // One that is still to be detached is in no table any more.
            let table = config.tables.get(place.table);
            let table = table.filter(|table| table.interfaces.matches(&place.name));
            let Some(table) = table.filter(|table| table.rpcbind_ports) else {
                continue;
            };
            let Some(Entry::Guard(guard)) = self.registry.entry_in(&held.directory)? else {
                continue;
            };
            // Ports that somebody has set by hand meanwhile stay.
            let Policy { mut ports, tcp, .. } = guard.policy()?;
            let before = self.rpcbind.for_guard(tcp);
            ports.retain(|port| !before.contains(port) || table.policy.ports.contains(port));
            ports.extend(now.for_guard(tcp));
            let mut change = Change::default();
            change.policy(PolicyChange {
                ports: Some(ports),
                ..PolicyChange::default()
            });
            guards.push(*guard);
            changes.push(change);
        }
        let as_left: Vec<bool> = guards
            .iter()
            .map(|guard| self.is_as_left(guard))
            .collect::<Result<_>>()?;
        let changes: Vec<&Change> = changes.iter().collect();
        guard::commit_each(&mut guards, &lock, &changes)?;
        for (guard, as_left) in guards.iter().zip(as_left) {
            log::info!("{}", output::status::summary(guard)?);
            let index = guard.ifindex();
            if let (Some(held), Some(place)) = (self.held.get_mut(&index), self.places.get(&index))
            {
                held.wanted.policy = Wanted::by(&config.tables[place.table], now).policy;
                held.epoch = as_left.then(|| guard.epoch()).transpose()?;
            }
        }
        Ok(())
    }
}

/// The UDP ports on which rpcbind answers, if any table wants to know. Says which of them guards
/// leave alone that they did not leave alone `before`.
pub(super) fn rpcbind_ports(
    config: &Config,
    heard: &mut Heard,
    before: &UdpPorts,
) -> Result<UdpPorts> {
    let tables = config.tables.iter().filter(|table| table.rpcbind_ports);
    let guards: BTreeSet<bool> = tables.map(|table| table.policy.tcp).collect();
    if guards.is_empty() {
        return Ok(UdpPorts::default());
    }
    let ports = heard.udp_ports()?;
    for tcp in guards {
        for port in ports.left_alone(tcp).difference(&before.left_alone(tcp)) {
            log::warn!(
                "rpcbind answers on UDP port {port} too, which is not guarded{}: it is below 1024, or another \
                 process has it as well",
                if tcp { " where TCP is guarded" } else { "" }
            );
        }
    }
    Ok(ports)
}
