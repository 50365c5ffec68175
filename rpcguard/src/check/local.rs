//! Looks whether the portmapper of this host is exposed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use rpcguard_common::parse::Transport;

use super::{
    Cover, Forwards, Guarded, InsecureOption, NetworkInterface, Starter, Unit, Verdict, exports,
    forwards, init, insecure_options, network, own,
};
use crate::{
    disable::Machine,
    error::{Report, Result},
    guard::Registry,
    policy::PORTMAPPER_PORT,
    portmapper::{self, Heard, Service, Table, services},
    sockets::{Address, Inventory, Kind, ListeningSocket, Reach},
};

/// What there is to say about the portmapper of this network namespace.
#[derive(Clone, Debug)]
pub struct LocalReport {
    /// Who listens.
    pub inventory: Inventory,
    /// On which of its other ports the portmapper answers.
    pub heard: Heard,
    /// What is registered, or why that could not be read; `None` if nothing listens.
    pub table: Option<std::result::Result<Table, String>>,
    /// How this host was named, and which of its addresses that is, if it was.
    pub named: Option<(String, Vec<IpAddr>)>,
    /// What starts the portmapper of this machine.
    pub units: Vec<Unit>,
    /// Units that start one of these, although it is not enabled.
    pub starters: Vec<Starter>,
    /// Units of systemd that open port 111 for another service.
    pub other_sockets: Vec<String>,
    /// Directories that mountd exports to everybody.
    pub exports: Vec<String>,
    /// Rules of the kernel that forward port 111, or lead to it.
    pub forwards: Forwards,
    /// The interfaces that are up and their guards, or why they could not be read.
    pub interfaces: std::result::Result<Vec<NetworkInterface>, String>,
    /// Insecure options that the portmapper runs with.
    pub options: Vec<InsecureOption>,
    /// Ports of the portmapper that other hosts reach.
    pub exposures: Vec<Exposure>,
    /// What it comes to.
    pub verdict: Verdict,
}

/// Why a portmapper was not asked that is there only when it is.
const NOT_ASKED: &str = "it is not running, and asking would have it started";

/// A port of the portmapper that can be reached through interfaces that do not guard it, or not
/// fully.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// How it is reached.
    pub transport: Transport,
    /// Where.
    pub port: u16,
    /// Through which interfaces.
    pub interfaces: Vec<String>,
    /// Whether anybody is served there, or only at a limited rate.
    pub cover: Cover,
}

/// Looks whether the portmapper of the calling thread's network namespace is exposed. Asks it for
/// what is registered, and sends nothing to other hosts.
///
/// # Errors
///
/// If /proc cannot be read.
pub fn local(registry: &Registry) -> Result<LocalReport> {
    let inventory = Inventory::read()?;
    let table = if inventory.portmapper_is_idle() {
        Some(Err(NOT_ASKED.to_owned()))
    } else {
        portmapper::table(&inventory)
            .map_err(|error| error.to_string())
            .transpose()
    };
    let mut heard = Heard::default();
    heard.ask(&inventory);
    let interfaces = network::interfaces(registry).map_err(|error| Report(&error).to_string());
    let exposures = exposures(
        &inventory,
        &heard,
        interfaces.as_deref().unwrap_or_default(),
    );
    let is_reached = !reachable_ports(&inventory, &heard).is_empty();
    let options = inventory
        .portmapper_processes()
        .into_iter()
        .flat_map(|process| insecure_options(process, is_reached))
        .collect();
    let machine = Machine::new("/");
    let units = init::units(&machine);
    let arrivals = network::arrivals()?;
    let mut forwards = Forwards::read(&arrivals, &own::own_addresses()?);
    let on_loopback = inventory.portmapper().filter(|socket| {
        matches!(socket.address, Address::Ip(address) if address.is_ipv4())
            && socket.reach() == Reach::Loopback
    });
    let on_loopback: BTreeSet<Kind> = on_loopback.map(|socket| socket.kind).collect();
    let transports: Vec<_> = on_loopback.into_iter().map(transport_of).collect();
    let found = &mut forwards.found;
    found.extend(forwards::to_loopback(&arrivals, &transports));
    // Without a portmapper, a forward to its port leads nowhere.
    let listens = inventory.portmapper().any(|socket| socket.port().is_some());
    forwards.found.retain(|forward| listens || !forward.inward);
    let mut report = LocalReport {
        named: None,
        starters: init::starters(&machine, &units),
        other_sockets: init::other_sockets(&machine, &units),
        exports: exports::to_everybody(&machine),
        forwards,
        units,
        inventory,
        heard,
        table,
        interfaces,
        options,
        exposures,
        verdict: Verdict::Unknown,
    };
    report.judge();
    Ok(report)
}

/// The ports on which anybody can use the portmapper of this network namespace, in words: as in the
/// summary of a [`LocalReport`]. `None` if there is none.
///
/// # Errors
///
/// If sockets, interfaces or guards cannot be read.
pub fn exposed_ports(registry: &Registry) -> Result<Option<String>> {
    let inventory = Inventory::read()?;
    let mut heard = Heard::default();
    heard.ask(&inventory);
    if reachable_ports(&inventory, &heard).is_empty() {
        return Ok(None);
    }
    let exposures = exposures(&inventory, &heard, &network::interfaces(registry)?);
    let exposed = exposures
        .iter()
        .any(|exposure| exposure.cover == Cover::None);
    Ok(exposed.then(|| ports(&exposures, Cover::None)))
}

/// The ports on which the portmapper can be reached from outside, by their transport: 111, and
/// others on which it was heard.
pub(super) fn reachable_ports(inventory: &Inventory, heard: &Heard) -> BTreeSet<(Kind, u16)> {
    let others = inventory
        .portmapper_extra()
        .filter(|socket| heard.has(socket));
    inventory
        .portmapper()
        .chain(others)
        .filter(|socket| socket.reach() == Reach::Outside)
        .filter_map(|socket| Some((socket.kind, socket.port()?)))
        .collect()
}

fn exposures(
    inventory: &Inventory,
    heard: &Heard,
    interfaces: &[NetworkInterface],
) -> Vec<Exposure> {
    let mut exposures = Vec::new();
    for (kind, port) in reachable_ports(inventory, heard) {
        let transport = transport_of(kind);
        let cover = |index| network::cover(interfaces, index, transport, port);
        let mut by_cover: BTreeMap<Cover, Vec<String>> = BTreeMap::new();
        for interface in interfaces {
            let found = cover(interface.index());
            // It is enough to name the bridge whose port it is, or the interface that it is stacked
            // on.
            let is_named = |index| interfaces.iter().any(|other| other.index() == index);
            let mut others = interface.passes().filter(|index| is_named(*index));
            if others.all(|index| cover(index) != found) {
                by_cover
                    .entry(found)
                    .or_default()
                    .push(interface.name.clone());
            }
        }
        by_cover.remove(&Cover::Full);
        exposures.extend(by_cover.into_iter().map(|(cover, interfaces)| Exposure {
            transport,
            port,
            interfaces,
            cover,
        }));
    }
    exposures
}

impl LocalReport {
    /// What is registered, and who listens there.
    #[must_use]
    pub fn services(&self) -> Vec<Service<'_>> {
        match &self.table {
            Some(Ok(table)) => services(&table.registrations.entries, &self.inventory),
            _ => Vec::new(),
        }
    }

    /// The portmapper's sockets: those on port 111 and in the file system, then its others.
    pub fn portmapper_sockets(&self) -> impl Iterator<Item = &ListeningSocket> {
        self.inventory
            .portmapper()
            .chain(self.inventory.portmapper_extra())
    }

    /// How well a port is guarded from what arrives on an interface.
    #[must_use]
    pub fn cover(&self, interface: &NetworkInterface, transport: Transport, port: u16) -> Cover {
        let interfaces = self.interfaces.as_deref().unwrap_or_default();
        network::cover(interfaces, interface.index(), transport, port)
    }

    /// The exposures that a guard can end without harm to others: a hint names no other ports.
    fn guardable(&self) -> impl Iterator<Item = &Exposure> {
        let ports = self.heard.ports_of(&self.inventory);
        self.exposures.iter().filter(move |exposure| {
            let kind = match exposure.transport {
                Transport::Udp => Kind::Udp,
                Transport::Tcp => Kind::Tcp,
            };
            ports.contains(&(kind, exposure.port))
        })
    }

    /// The first step against an exposed portmapper, if a command does it.
    pub(super) fn remedy(&self) -> Option<String> {
        let exposed: Vec<&Exposure> = self
            .guardable()
            .filter(|exposure| exposure.cover == Cover::None)
            .collect();
        let names: BTreeSet<&String> = exposed
            .iter()
            .flat_map(|exposure| &exposure.interfaces)
            .collect();
        let interfaces = self.interfaces.as_deref().unwrap_or_default();
        let guard_of = |name: &str| {
            let found = interfaces.iter().find(|found| found.name == name)?;
            found.guard.as_ref()
        };
        for name in &names {
            if let Some(guard) = guard_of(name) {
                return Some(self.amend(name, guard));
            }
        }
        // With a portmapper that does not run, nothing is registered.
        let known = matches!(self.table, Some(Ok(_))) || self.inventory.portmapper_is_idle();
        let needed = self
            .services()
            .iter()
            .any(|service| !service.is_portmapper());
        let guarded = interfaces.iter().any(|interface| interface.guard.is_some());
        if known && !needed && !guarded && !self.is_held_by_others() {
            return Some("rpcguard disable".to_owned());
        }
        if names.is_empty() {
            return None;
        }
        let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        let extra = exposed.iter().any(|exposure| {
            exposure.transport == Transport::Udp && exposure.port != PORTMAPPER_PORT
        });
        let tcp = exposed
            .iter()
            .any(|exposure| exposure.transport == Transport::Tcp);
        Some(format!(
            "rpcguard attach {} --allow YOUR_NETWORK{}{}",
            names.join(" "),
            if tcp { " --tcp" } else { "" },
            if extra { " --rpcbind-ports" } else { "" }
        ))
    }

    /// What a guard that is there lacks.
    fn amend(&self, name: &str, guard: &Guarded) -> String {
        if !guard.attached {
            return format!("rpcguard detach {name}    # and attach again");
        }
        if guard.allows_everybody {
            return format!("rpcguard allow list -i {name}");
        }
        let mut command = format!("rpcguard set {name}");
        if guard.policy.observe {
            command.push_str(" --observe off");
        }
        command.push_str(&guard.completed());
        let exposed = self
            .guardable()
            .filter(|exposure| exposure.interfaces.iter().any(|found| found == name));
        let (mut ports, mut tcp) = (guard.policy.ports.clone(), guard.policy.tcp);
        for exposure in exposed {
            tcp |= exposure.transport == Transport::Tcp;
            ports.insert(exposure.port);
        }
        if tcp && !guard.policy.tcp {
            command.push_str(" --tcp on");
        }
        if ports != guard.policy.ports {
            for port in ports {
                command.push_str(&format!(" --port {port}"));
            }
        }
        command
    }
}

/// The ports that are covered so badly, and through which interfaces they are reached: `UDP ports
/// 111, 50000 and TCP port 111 (through eth0, eth1)`.
pub(super) fn ports(exposures: &[Exposure], cover: Cover) -> String {
    let mut through: Vec<(&[String], Vec<&Exposure>)> = Vec::new();
    for exposure in exposures.iter().filter(|found| found.cover == cover) {
        let same = through
            .iter_mut()
            .find(|(interfaces, _)| *interfaces == exposure.interfaces);
        match same {
            Some((_, exposures)) => exposures.push(exposure),
            None => through.push((&exposure.interfaces, vec![exposure])),
        }
    }
    let groups = through.iter().map(|(interfaces, exposures)| {
        let of = |transport| {
            let ports: Vec<String> = exposures
                .iter()
                .filter(|exposure| exposure.transport == transport)
                .map(|exposure| exposure.port.to_string())
                .collect();
            let name = transport_name(transport);
            match ports.len() {
                0 => None,
                1 => Some(format!("{name} port {}", ports[0])),
                _ => Some(format!("{name} ports {}", ports.join(", "))),
            }
        };
        let transports = [Transport::Udp, Transport::Tcp];
        let ports: Vec<_> = transports.into_iter().filter_map(of).collect();
        format!(
            "{} (through {})",
            ports.join(" and "),
            interfaces.join(", ")
        )
    });
    groups.collect::<Vec<_>>().join("; ")
}

/// The transport of a socket of IP.
pub(super) const fn transport_of(kind: Kind) -> Transport {
    match kind {
        Kind::Udp => Transport::Udp,
        Kind::Tcp | Kind::Unix => Transport::Tcp,
    }
}

/// The word for a transport in text.
pub(crate) const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    }
}
