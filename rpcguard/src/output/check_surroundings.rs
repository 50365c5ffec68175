//! The surroundings of the portmapper of this host: rules that forward its port, units that would start
//! it, and the services that are registered with it.

use std::{collections::BTreeMap, io::Write};

use rpcguard_common::parse::Transport;
use serde::Serialize;

use super::{check_local::ProcessView, text::counted};
use crate::{
    check::{Cover, Forward, Guarded, LocalReport, Starter, main_process, transport_name},
    foreign_text::{printable, short},
    policy::PORTMAPPER_PORT,
    portmapper::ProgramNames,
    sockets::{Process, Reach},
};

/// More addresses that a guard leaves out than this are not named in a line.
const MAX_LEFT_OUT: usize = 3;

/// More directories than this are not named in a line.
const MAX_EXPORTS: usize = 8;

#[derive(Serialize)]
pub(super) struct NamedView {
    host: String,
    addresses: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct HolderView {
    #[serde(flatten)]
    process: ProcessView,
    control_group: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ForwardView {
    transport: &'static str,
    /// `111`, `100-200`; none if the rule does not say.
    ports: Vec<String>,
    to: String,
    inward: bool,
    rule: String,
    certain: bool,
    interfaces: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct StarterView {
    unit: String,
    started_by: String,
    at_boot: bool,
}

#[derive(Serialize)]
pub(super) struct ReachableView {
    program: u32,
    service: Option<String>,
    transport: &'static str,
    port: u16,
}

/// A registered service that other hosts reach.
pub(super) struct Reachable {
    program: u32,
    transport: Transport,
    port: u16,
}

impl NamedView {
    pub(super) fn of((host, addresses): &(String, Vec<std::net::IpAddr>)) -> Self {
        Self {
            host: host.clone(),
            addresses: addresses.iter().map(ToString::to_string).collect(),
        }
    }
}

impl HolderView {
    pub(super) fn of(process: &Process) -> Self {
        Self {
            process: ProcessView::from(process),
            control_group: process.control_group(),
        }
    }
}

impl ForwardView {
    pub(super) fn of(forward: &Forward) -> Self {
        Self {
            transport: json_name(forward.transport),
            ports: forward.port_ranges(),
            to: forward.to.clone(),
            inward: forward.inward,
            rule: forward.origin.clone(),
            certain: forward.certain,
            interfaces: forward.interfaces.clone(),
        }
    }
}

impl StarterView {
    pub(super) fn of(starter: &Starter) -> Self {
        Self {
            unit: starter.unit.clone(),
            started_by: starter.by.clone(),
            at_boot: starter.at_boot,
        }
    }
}

impl ReachableView {
    pub(super) fn of(service: &Reachable, names: &ProgramNames) -> Self {
        Self {
            program: service.program,
            service: names.name(service.program).map(str::to_owned),
            transport: json_name(service.transport),
            port: service.port,
        }
    }
}

const fn json_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    }
}

/// The registered services besides the portmapper that other hosts reach through some interface
/// without a guard of their port, each port once.
pub(super) fn reachable(report: &LocalReport) -> Vec<Reachable> {
    let services = report.services();
    let mut found = BTreeMap::new();
    for service in services.iter().filter(|service| !service.is_portmapper()) {
        let (Some(transport), Some(address)) = (
            service.registration.transport(),
            service.registration.socket(),
        ) else {
            continue;
        };
        let (port, program) = (address.port(), service.registration.program);
        let interfaces = report.interfaces.as_deref();
        let is_open = interfaces.map_or(true, |interfaces| {
            interfaces
                .iter()
                .any(|interface| report.cover(interface, transport, port) != Cover::Full)
        });
        if is_open && service.reach() == Some(Reach::Outside) {
            let key = (program, json_name(transport) != "udp", port);
            found.insert(
                key,
                Reachable {
                    program,
                    transport,
                    port,
                },
            );
        }
    }
    found.into_values().collect()
}

/// Says that a host was named which is this one.
pub(super) fn print_named(out: &mut impl Write, report: &LocalReport) -> std::io::Result<()> {
    let Some((host, addresses)) = &report.named else {
        return Ok(());
    };
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    writeln!(
        out,
        "{} is this host ({}): looked at from inside, since no guard sees what it asks itself",
        printable(host),
        addresses.join(", ")
    )
}

/// Says what is around the portmapper, a line each.
pub(super) fn print_surroundings(
    out: &mut impl Write,
    report: &LocalReport,
) -> std::io::Result<()> {
    for process in report.other_holders() {
        let group = process.control_group();
        let place = group
            .as_ref()
            .map(|group| format!(", in {}", printable(group)));
        writeln!(
            out,
            "holds port 111, and is not rpcbind: {}{}",
            short(&process.to_string()),
            place.unwrap_or_default()
        )?;
        if let Some(command) = freed_by(process, group.as_deref(), |unit| {
            main_process(unit) == Some(process.pid) && !holds_others(report, process)
        }) {
            writeln!(out, "  to free it: {command}")?;
        }
    }
    for unit in &report.other_sockets {
        let unit = short(unit);
        writeln!(out, "opens port 111 for another service: {unit}")?;
        writeln!(
            out,
            "  to free it: systemctl cat {unit}    # then take port 111 out of it"
        )?;
    }
    for forward in &report.forwards.found {
        writeln!(
            out,
            "{}: {} {} to {}, by {} (on {})",
            if forward.certain {
                "forwarded"
            } else {
                "may be forwarded"
            },
            transport_name(forward.transport),
            forward.ports_text(),
            short(&forward.to),
            printable(&forward.origin),
            short(&forward.interfaces.join(", "))
        )?;
        if let Some(command) = forward.maker() {
            writeln!(out, "  made by a container: {command}")?;
        }
    }
    for why in &report.forwards.unread {
        writeln!(out, "not read: {}", printable(why))?;
    }
    for starter in &report.starters {
        writeln!(
            out,
            "{} would be started by {}, which is {}",
            short(&starter.unit),
            short(&starter.by),
            if starter.at_boot {
                "started at boot"
            } else {
                "not started at boot, but may be by others"
            }
        )?;
    }
    print_services(out, report)
}

/// A command that frees port 111 of a process, or shows what to stop. Its program's name may be
/// made up: what is printed does no harm by itself. A unit is stopped only if this process, which
/// has no other port, is all that it is there for.
fn freed_by(
    process: &Process,
    group: Option<&str>,
    is_all_of: impl Fn(&str) -> bool,
) -> Option<String> {
    let program = process.exe.as_deref()?.file_name()?.to_str()?;
    let is = |names: &[&str]| names.iter().any(|name| program.starts_with(name));
    if is(&["docker-proxy", "rootlesskit"]) {
        return Some("docker ps --filter publish=111    # then docker stop it".to_owned());
    }
    if is(&[
        "rootlessport",
        "conmon",
        "netavark",
        "slirp4netns",
        "pasta",
        "passt",
    ]) {
        return Some("podman ps    # as its user, then podman stop what has port 111".to_owned());
    }
    let unit = group?.rsplit('/').next()?.strip_suffix(".service")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@:".contains(&byte);
    let is_service = !unit.starts_with("user@") && unit.bytes().all(is_plain);
    if !is_service {
        return None;
    }
    let unit = format!("{unit}.service");
    Some(if is_all_of(&unit) {
        format!("systemctl disable --now {unit}")
    } else {
        format!("systemctl status {unit}    # it runs there among others: have it leave the port")
    })
}

/// Whether a process waits at another port than 111 too.
fn holds_others(report: &LocalReport, process: &Process) -> bool {
    let mut sockets = report.inventory.sockets.iter();
    sockets.any(|socket| {
        socket.port().is_some_and(|port| port != PORTMAPPER_PORT)
            && socket.processes.contains(process)
    })
}

fn print_services(out: &mut impl Write, report: &LocalReport) -> std::io::Result<()> {
    let names = ProgramNames::load();
    let mut by_program: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for Reachable {
        program,
        transport,
        port,
    } in reachable(report)
    {
        let place = format!("{} {port}", transport_name(transport));
        by_program.entry(program).or_default().push(place);
    }
    for (program, places) in by_program {
        let name = names
            .name(program)
            .map_or_else(|| format!("program {program}"), short);
        writeln!(out, "other hosts reach {name} too: {}", places.join(", "))?;
    }
    if !report.exports.is_empty() {
        let more = report.exports.len().saturating_sub(MAX_EXPORTS);
        let named = report.exports.iter().take(MAX_EXPORTS);
        let named: Vec<_> = named.map(|path| printable(path)).collect();
        writeln!(
            out,
            "exports let everybody mount: {}{}",
            named.join(", "),
            if more == 0 {
                String::new()
            } else {
                format!(", and {more} more")
            }
        )?;
    }
    Ok(())
}

/// `UDP port 111, from 1 allowed prefix only`
pub(super) fn describe(guard: &Guarded) -> String {
    let policy = &guard.policy;
    let ports: Vec<String> = policy.ports.iter().map(u16::to_string).collect();
    let transports = if policy.tcp {
        format!("UDP and {}", transport_name(Transport::Tcp))
    } else {
        transport_name(Transport::Udp).to_owned()
    };
    let whom = match (guard.attached, policy.observe, &policy.rate) {
        (false, ..) => "to no effect: it is not attached any more".to_owned(),
        _ if guard.allows_everybody => "to no effect: everybody is allowed".to_owned(),
        (true, true, _) => "observed only, nothing is dropped".to_owned(),
        _ if !guard.left_out.is_empty() => {
            let left_out = guard.left_out.iter();
            let named: Vec<_> = left_out
                .take(MAX_LEFT_OUT)
                .map(|left_out| left_out.prefix.to_string())
                .collect();
            let more = guard.left_out.len() - named.len();
            format!(
                "leaves out {}{}",
                named.join(", "),
                if more == 0 {
                    String::new()
                } else {
                    format!(" and {more} more")
                }
            )
        }
        (true, false, None) => format!(
            "from {} only",
            counted(guard.allowed, "allowed prefix", "allowed prefixes")
        ),
        (true, false, Some(rate)) => format!(
            "from {}, others at {} each and {} in all",
            counted(guard.allowed, "allowed prefix", "allowed prefixes"),
            rate.source.rate,
            rate.total.rate
        ),
    };
    format!(
        "{transports} {} {}, {whom}",
        if ports.len() == 1 { "port" } else { "ports" },
        ports.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::{Process, freed_by};

    /// A child of sshd that holds the port is not the whole of ssh.service.
    #[test]
    fn a_unit_is_stopped_only_if_the_holder_is_all_that_it_is_there_for() {
        let freed = |exe: &str, group: &str, is_all| {
            let process = Process {
                pid: 7,
                exe: Some(exe.into()),
                ..Process::default()
            };
            freed_by(&process, Some(group), |_| is_all)
        };
        let child = freed("/usr/bin/socat", "/system.slice/ssh.service", false).unwrap();
        assert!(child.starts_with("systemctl status ssh.service"), "{child}");
        assert_eq!(
            freed("/usr/bin/socat", "/system.slice/relay.service", true).unwrap(),
            "systemctl disable --now relay.service"
        );
        let user = "/user.slice/user-1.slice/user@1.service/app.slice/x.scope";
        assert_eq!(freed("/usr/bin/socat", user, true), None);
    }
}
