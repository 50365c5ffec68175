//! Which forwards a guard stands in front of, and what the others come to.

use rpcguard_common::parse::Transport;

use super::{Forward, PORT};
use crate::check::{Cover, Guarded, NetworkInterface, Verdict, network};

/// More ports than this in one rule are not looked at one by one.
const MAX_PORTS: usize = 64;

/// The ports that other hosts reach by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::check) struct ExposedForward<'a> {
    pub(in crate::check) forward: &'a Forward,
    /// The interfaces that guard it worst.
    pub(in crate::check) interfaces: Vec<String>,
    pub(in crate::check) cover: Cover,
}

impl ExposedForward<'_> {
    /// A rule does not tell who answers, but for a certain one that leads to this host's
    /// portmapper.
    pub(in crate::check) fn verdict(&self, portmapper_is_reached: bool) -> Verdict {
        match self.cover {
            Cover::Full => Verdict::NotExposed,
            Cover::Limited => Verdict::Limited,
            Cover::None if self.forward.inward && portmapper_is_reached && self.forward.certain => {
                Verdict::Exposed
            }
            Cover::None => Verdict::Unknown,
        }
    }
}

/// The forwards that some interface does not guard fully.
pub(in crate::check) fn exposed<'a>(
    forwards: impl IntoIterator<Item = &'a Forward>,
    interfaces: &[NetworkInterface],
) -> Vec<ExposedForward<'a>> {
    let mut exposed = Vec::new();
    for forward in forwards {
        let cover = |name: &String| cover(interfaces, name, forward);
        let worst = forward.interfaces.iter().map(cover).min();
        let Some(worst) = worst.filter(|worst| *worst != Cover::Full) else {
            continue;
        };
        let names = forward.interfaces.iter();
        exposed.push(ExposedForward {
            forward,
            interfaces: names.filter(|name| cover(name) == worst).cloned().collect(),
            cover: worst,
        });
    }
    exposed
}

fn cover(interfaces: &[NetworkInterface], name: &str, forward: &Forward) -> Cover {
    let Some(interface) = interfaces.iter().find(|found| found.name == *name) else {
        return Cover::None;
    };
    let ports = forward.ports.iter().cloned().flatten();
    let covers = ports
        .take(MAX_PORTS + 1)
        .map(|port| network::cover(interfaces, interface.index(), forward.transport, port));
    let covers: Vec<Cover> = covers.collect();
    if covers.len() > MAX_PORTS {
        return Cover::None;
    }
    covers.into_iter().min().unwrap_or(Cover::None)
}

/// The command that has a guard drop what the rule would forward. XDP sees a packet before any rule
/// does.
pub(in crate::check) fn remedy(
    exposed: &[&ExposedForward<'_>],
    interfaces: &[NetworkInterface],
) -> Option<String> {
    let name = exposed.first()?.interfaces.first()?;
    let here = exposed
        .iter()
        .filter(|found| found.interfaces.contains(name));
    let guard = interfaces
        .iter()
        .find(|found| found.name == *name)
        .and_then(|found| found.guard.as_ref());
    let (mut tcp, mut ports) = guard.map_or((false, [PORT].into()), |guard| {
        (guard.policy.tcp, guard.policy.ports.clone())
    });
    let (had_tcp, had_ports) = (tcp, ports.clone());
    for found in here {
        tcp |= found.forward.transport == Transport::Tcp;
        ports.extend(
            found
                .forward
                .ports
                .iter()
                .cloned()
                .flatten()
                .take(MAX_PORTS),
        );
    }
    let mut command = match guard {
        Some(guard) if !guard.attached => {
            return Some(format!("rpcguard detach {name}    # and attach again"));
        }
        Some(guard) if guard.allows_everybody => {
            return Some(format!("rpcguard allow list -i {name}"));
        }
        Some(guard) if guard.policy.observe => format!("rpcguard set {name} --observe off"),
        Some(_) => format!("rpcguard set {name}"),
        None => format!("rpcguard attach {name} --allow YOUR_NETWORK"),
    };
    command.push_str(&guard.map(Guarded::completed).unwrap_or_default());
    if tcp && !had_tcp {
        command.push_str(if guard.is_some() {
            " --tcp on"
        } else {
            " --tcp"
        });
    }
    if ports != had_ports {
        for port in ports {
            command.push_str(&format!(" --port {port}"));
        }
    }
    Some(command)
}
