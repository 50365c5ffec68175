//! Rules of the kernel that lead port 111 elsewhere, or another port to the portmapper.
//!
//! A packet that rules forward reaches no socket of this host, so that no socket tells who answers.
//! XDP sees it before any of these rules.

pub(super) mod exposed;
mod ipvs;
mod nft;
mod read;
mod rules;
mod xtables;

use std::{net::IpAddr, ops::RangeInclusive};

use rpcguard_common::parse::Transport;

use self::rules::{Hit, Packet, Ruleset};
use crate::sys::netlink;

const PORT: u16 = crate::policy::PORTMAPPER_PORT;

/// A rule that forwards what other hosts send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// How it is reached.
    pub transport: Transport,
    /// The ports that are forwarded; empty if the rule does not say.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Where to: an address, a port or both.
    pub to: String,
    /// Whether it leads to port 111 of this host.
    pub inward: bool,
    /// Which rule it is.
    pub origin: String,
    /// Whether the rule asks for nothing that could not be told.
    pub certain: bool,
    /// The interfaces on which it takes packets.
    pub interfaces: Vec<String>,
}

/// The forwards among the kernel's rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwards {
    /// The rules found.
    pub found: Vec<Forward>,
    /// The rules that could not be read, and why.
    pub unread: Vec<String>,
}

/// An interface that packets arrive on: its name, and all names that rules may know it by.
pub(super) type Arrival = (String, Vec<String>);

impl Forwards {
    /// Reads the rules of the calling thread's network namespace.
    pub(super) fn read(arrivals: &[Arrival], own: &[IpAddr]) -> Self {
        let (rulesets, mut unread) = read::rulesets();
        let mut found = Vec::new();
        for rules in &rulesets {
            if !collect(rules, arrivals, own, &mut found) {
                unread.push("some rules: there are too many to follow".to_owned());
            }
        }
        Self { found, unread }
    }
}

/// The interfaces through which hosts of their link reach 127.0.0.1, by ip-sysctl's
/// `route_localnet`.
pub(super) fn to_loopback(arrivals: &[Arrival], transports: &[Transport]) -> Vec<Forward> {
    let is_set = |name: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{name}/route_localnet");
        std::fs::read_to_string(path).is_ok_and(|text| text.trim() == "1")
    };
    let names = arrivals.iter().map(|(name, _)| name.clone());
    let everywhere = is_set("all");
    let interfaces: Vec<String> = names.filter(|name| everywhere || is_set(name)).collect();
    let forward = |transport: &Transport| Forward {
        transport: *transport,
        ports: vec![PORT..=PORT],
        to: format!("127.0.0.1:{PORT}"),
        inward: true,
        origin: "the setting route_localnet".to_owned(),
        certain: false,
        interfaces: interfaces.clone(),
    };
    let transports = transports.iter().filter(|_| !interfaces.is_empty());
    transports.map(forward).collect()
}

/// Adds what these rules forward; `false` if there are too many to follow.
fn collect(
    rules: &Ruleset,
    arrivals: &[Arrival],
    own: &[IpAddr],
    found: &mut Vec<Forward>,
) -> bool {
    // Where there are many interfaces, most are the same to the rules.
    let mut kinds: Vec<(Vec<bool>, &[String], Vec<&str>)> = Vec::new();
    let patterns = rules.interfaces();
    for (name, names) in arrivals {
        let matched = patterns
            .iter()
            .map(|pattern| rules::is_named(names, pattern));
        let matched: Vec<bool> = matched.collect();
        match kinds.iter_mut().find(|(kind, ..)| *kind == matched) {
            Some((.., of_kind)) => of_kind.push(name),
            None => kinds.push((matched, names, vec![name])),
        }
    }
    let destinations = destinations(rules, own);
    for (_, names, of_kind) in kinds {
        for transport in [Transport::Udp, Transport::Tcp] {
            for ((ipv6, to), port) in destinations
                .iter()
                .flat_map(|to| [(*to, Some(PORT)), (*to, None)])
            {
                let packet = Packet {
                    transport,
                    ipv6,
                    port,
                    interfaces: names,
                    to,
                    own,
                };
                let Some(hits) = rules.hits(&packet) else {
                    return false;
                };
                let forwards = hits.iter().filter_map(|hit| forward(hit, &packet));
                for forward in forwards {
                    for name in &of_kind {
                        add(&forward, name, found);
                    }
                }
            }
        }
    }
    true
}

/// The destinations that are not all the same to the rules, with whether they are of IPv6: any
/// other of this host's, and its addresses.
fn destinations(rules: &Ruleset, own: &[IpAddr]) -> Vec<(bool, Option<IpAddr>)> {
    let prefixes = rules.destinations();
    let mut kinds: Vec<Vec<bool>> = Vec::new();
    let mut destinations = vec![(false, None), (true, None)];
    for address in own {
        let asked_for = prefixes.iter().map(|prefix| prefix.contains(address));
        let kind: Vec<bool> = [address.is_ipv6()].into_iter().chain(asked_for).collect();
        if !kinds.contains(&kind) {
            destinations.push((address.is_ipv6(), Some(*address)));
            kinds.push(kind);
        }
    }
    destinations
}

fn forward(hit: &Hit<'_>, packet: &Packet<'_>) -> Option<Forward> {
    let target = hit.target;
    let is_own = target.address.as_ref().is_none_or(|address| {
        let address = address.parse::<IpAddr>();
        address.is_ok_and(|address| {
            address.is_loopback()
                || packet.own.contains(&address)
                || netlink::is_local(address, 0).unwrap_or(false)
        })
    });
    let to_portmapper = target
        .port
        .as_ref()
        .is_some_and(|port| port.contains(&PORT));
    let (ports, inward) = match packet.port {
        Some(port) => (
            vec![port..=port],
            is_own && (to_portmapper || target.port.is_none()),
        ),
        None if is_own && to_portmapper => (hit.ports.clone(), true),
        None => return None,
    };
    let port = target.port.as_ref().map(text_of_range);
    let to = match (&target.address, port) {
        (None, None) => "this host".to_owned(),
        (None, Some(port)) => format!("port {port} of this host"),
        (Some(address), None) => address.clone(),
        (Some(address), Some(port)) if address.contains(':') => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
    };
    Some(Forward {
        transport: packet.transport,
        ports,
        to,
        inward,
        origin: hit.origin.to_owned(),
        certain: hit.certain,
        interfaces: Vec::new(),
    })
}

fn add(forward: &Forward, interface: &str, found: &mut Vec<Forward>) {
    let key = |other: &Forward| {
        let Forward {
            transport,
            ports,
            to,
            origin,
            ..
        } = other.clone();
        (transport, ports, to, origin)
    };
    let place = found.iter().position(|other| key(other) == key(forward));
    let place = place.unwrap_or_else(|| {
        found.push(forward.clone());
        found.len() - 1
    });
    let entry = &mut found[place];
    entry.certain |= forward.certain;
    if entry.interfaces.iter().all(|name| name != interface) {
        entry.interfaces.push(interface.to_owned());
    }
}

/// `111`, or `100-200`.
fn text_of_range(range: &RangeInclusive<u16>) -> String {
    if range.start() == range.end() {
        range.start().to_string()
    } else {
        format!("{}-{}", range.start(), range.end())
    }
}

impl Forward {
    /// The ports as texts: `1111`, `2000-2010`.
    #[must_use]
    pub fn port_ranges(&self) -> Vec<String> {
        self.ports.iter().map(text_of_range).collect()
    }

    /// The ports in words: `port 1111, 2000-2010`, or `another port`.
    #[must_use]
    pub fn ports_text(&self) -> String {
        match self.port_ranges() {
            ports if ports.is_empty() => "another port".to_owned(),
            ports => format!("port {}", ports.join(", ")),
        }
    }

    /// A command that finds what had the rule made, where its name tells.
    #[must_use]
    pub fn maker(&self) -> Option<&'static str> {
        let origin = self.origin.to_ascii_lowercase();
        let is = |word: &str| origin.contains(word);
        if is("docker") {
            Some(
                "docker ps --filter publish=111    # then docker stop it, or publish it on 127.0.0.1 only",
            )
        } else if is("kube-") || is("cni-hostport") || is("cni-dn") || is("kube-proxy") {
            Some(
                "kubectl get pods,services -A -o yaml | grep -n -B 20 -w 111    # a hostPort or service; without Kubernetes: podman ps",
            )
        } else if is("netavark") || is("chain nv_") {
            Some("podman ps    # then podman stop it, or publish it on 127.0.0.1 only")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
