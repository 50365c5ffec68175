//! Whether the portmapper of this host is exposed.

use std::io::Write;

use rpcguard_common::parse::Transport;
use serde::Serialize;

use super::{
    Format, SCHEMA_VERSION, json,
    registrations::{self, RegistrationView},
    stdout,
    text::{Align, counted, table},
};
use crate::{
    check::{Cover, Guarded, LocalReport, NetworkInterface, transport_name},
    foreign_text::short,
    policy::PORTMAPPER_PORT,
    portmapper::{ProgramNames, Service},
    sockets::{Address, ListeningSocket, Process, Reach},
};

#[derive(Serialize)]
struct LocalDocument {
    schema_version: u32,
    verdict: &'static str,
    /// The verdict in words.
    summary: String,
    next_step: Option<String>,
    /// The portmapper's own.
    sockets: Vec<SocketView>,
    /// Null if nothing listens, or it could not be asked.
    registrations: Option<Vec<ServiceView>>,
    registrations_error: Option<String>,
    /// What starts the portmapper of this machine.
    units: Vec<UnitView>,
    /// Null if guards could not be looked at.
    interfaces: Option<Vec<InterfaceView>>,
    insecure_options: Vec<OptionView>,
    exposures: Vec<ExposureView>,
}

#[derive(Serialize)]
struct SocketView {
    kind: &'static str,
    address: String,
    port: Option<u16>,
    reach: &'static str,
    processes: Vec<ProcessView>,
    socket_activated: bool,
}

#[derive(Serialize)]
struct ProcessView {
    pid: u32,
    name: String,
}

#[derive(Serialize)]
struct ServiceView {
    #[serde(flatten)]
    registration: RegistrationView,
    /// Null if nothing listens at its address.
    reach: Option<&'static str>,
    processes: Vec<ProcessView>,
}

#[derive(Serialize)]
struct UnitView {
    init: &'static str,
    name: String,
    state: String,
    boot: String,
    starts: bool,
}

#[derive(Serialize)]
struct InterfaceView {
    name: String,
    guarded: bool,
    /// How well port 111 is.
    udp: &'static str,
    tcp: &'static str,
}

#[derive(Serialize)]
struct OptionView {
    pid: u32,
    option: String,
    meaning: &'static str,
}

#[derive(Serialize)]
struct ExposureView {
    transport: &'static str,
    port: u16,
    interfaces: Vec<String>,
    cover: &'static str,
}

impl From<&Process> for ProcessView {
    fn from(process: &Process) -> Self {
        Self {
            pid: process.pid,
            name: process.name.clone(),
        }
    }
}

impl From<&ListeningSocket> for SocketView {
    fn from(socket: &ListeningSocket) -> Self {
        Self {
            kind: socket.kind.name(),
            address: match &socket.address {
                Address::Ip(address) => address.ip().to_string(),
                Address::Path(path) => path.display().to_string(),
            },
            port: socket.port(),
            reach: socket.reach().name(),
            processes: socket.processes.iter().map(ProcessView::from).collect(),
            socket_activated: socket.is_socket_activated(),
        }
    }
}

impl ServiceView {
    fn of(service: &Service<'_>, names: &ProgramNames) -> Self {
        Self {
            registration: RegistrationView::of(service.registration, names),
            reach: service.reach().map(Reach::name),
            processes: processes(service)
                .into_iter()
                .map(ProcessView::from)
                .collect(),
        }
    }
}

impl LocalDocument {
    fn of(report: &LocalReport) -> Self {
        let names = ProgramNames::load();
        let services = report.services();
        let registered = matches!(report.table, Some(Ok(_)));
        Self {
            schema_version: SCHEMA_VERSION,
            verdict: report.verdict.name(),
            summary: report.summary(),
            next_step: report.next_step(),
            sockets: report.portmapper_sockets().map(SocketView::from).collect(),
            registrations: registered.then(|| {
                let views = services
                    .iter()
                    .map(|service| ServiceView::of(service, &names));
                views.collect()
            }),
            registrations_error: match &report.table {
                Some(Err(error)) => Some(error.clone()),
                Some(Ok(_)) | None => None,
            },
            units: report
                .units
                .iter()
                .map(|unit| UnitView {
                    init: unit.init.name(),
                    name: unit.name.clone(),
                    state: unit.state.clone(),
                    boot: unit.boot.clone(),
                    starts: unit.starts,
                })
                .collect(),
            interfaces: report.interfaces.as_deref().ok().map(|interfaces| {
                let cover = |interface: &NetworkInterface, transport| {
                    report.cover(interface, transport, PORTMAPPER_PORT).name()
                };
                let view = |interface: &NetworkInterface| InterfaceView {
                    name: interface.name.clone(),
                    guarded: interface.guard.is_some(),
                    udp: cover(interface, Transport::Udp),
                    tcp: cover(interface, Transport::Tcp),
                };
                interfaces.iter().map(view).collect()
            }),
            insecure_options: report
                .options
                .iter()
                .map(|option| OptionView {
                    pid: option.process.pid,
                    option: format!("-{}", option.option),
                    meaning: option.meaning,
                })
                .collect(),
            exposures: report
                .exposures
                .iter()
                .map(|exposure| ExposureView {
                    transport: match exposure.transport {
                        Transport::Udp => "udp",
                        Transport::Tcp => "tcp",
                    },
                    port: exposure.port,
                    interfaces: exposure.interfaces.clone(),
                    cover: exposure.cover.name(),
                })
                .collect(),
        }
    }
}

/// The processes of a service, each once.
fn processes<'a>(service: &Service<'a>) -> Vec<&'a Process> {
    let mut processes: Vec<_> = service
        .sockets
        .iter()
        .flat_map(|socket| &socket.processes)
        .collect();
    processes.sort();
    processes.dedup();
    processes
}

/// Prints what was found.
pub(crate) fn print(report: &LocalReport, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => json(&LocalDocument::of(report)),
        Format::Text => print_text(report),
    }
}

fn print_text(report: &LocalReport) -> anyhow::Result<()> {
    let mut out = stdout();
    print_sockets(&mut out, report)?;
    print_services(&mut out, report)?;
    if !report.units.is_empty() {
        writeln!(out, "started by")?;
        let mut rows = vec![["init", "unit", "state", "at boot"].map(str::to_owned)];
        rows.extend(report.units.iter().map(|unit| {
            [
                unit.init.name().to_owned(),
                unit.name.clone(),
                unit.state.clone(),
                unit.boot.clone(),
            ]
        }));
        table(&mut out, [Align::Left; 4], &rows)?;
    }
    print_interfaces(&mut out, report)?;
    for option in &report.options {
        writeln!(
            out,
            "insecure: {} runs with -{}: {}",
            short(&option.process.to_string()),
            option.option,
            option.meaning
        )?;
    }
    writeln!(out, "{}", report.summary())?;
    if let Some(command) = report.next_step() {
        writeln!(out, "next: {command}")?;
    }
    out.flush()?;
    Ok(())
}

fn print_sockets(out: &mut impl Write, report: &LocalReport) -> anyhow::Result<()> {
    let mut rows = vec![["socket", "address", "process", "reached from", ""].map(str::to_owned)];
    rows.extend(report.portmapper_sockets().map(|socket| {
        let extra = socket.port().is_some_and(|port| port != PORTMAPPER_PORT);
        let remark = match (socket.is_socket_activated(), extra) {
            (true, _) => "socket activated",
            (false, true) if report.heard.has(socket) => "not port 111, but answers as well",
            (false, true) => "not port 111, and did not answer",
            (false, false) => "",
        };
        [
            socket.kind.name().to_owned(),
            short(&socket.address.to_string()),
            if socket.processes.is_empty() {
                // None of the kernel's own is a portmapper.
                "?".to_owned()
            } else {
                holders(&socket.processes.iter().collect::<Vec<_>>(), report)
            },
            socket.reach().name().to_owned(),
            remark.to_owned(),
        ]
    }));
    if rows.len() == 1 {
        writeln!(out, "listening: no portmapper")?;
    } else {
        writeln!(out, "listening")?;
        table(out, [Align::Left; 5], &rows)?;
    }
    Ok(())
}

/// Who holds a socket.
fn holders(processes: &[&Process], report: &LocalReport) -> String {
    if processes.is_empty() {
        return if report.inventory.complete {
            "kernel".to_owned()
        } else {
            "?".to_owned()
        };
    }
    let names = processes.iter().map(ToString::to_string);
    short(&names.collect::<Vec<_>>().join(", "))
}

fn print_services(out: &mut impl Write, report: &LocalReport) -> anyhow::Result<()> {
    let found = match &report.table {
        None => return Ok(()),
        Some(Err(error)) => {
            writeln!(out, "registered: could not be read: {}", short(error))?;
            return Ok(());
        }
        Some(Ok(found)) => found,
    };
    let services = report.services();
    let described = services.iter().map(|service| {
        let (process, reach) = match service.reach() {
            None => ("nobody listens".to_owned(), "-"),
            Some(reach) => (holders(&processes(service), report), reach.name()),
        };
        (service.registration, [process, reach.to_owned()])
    });
    let (rows, left_out) = registrations::rows(described, &ProgramNames::load());
    let mut lines = vec![widened(
        registrations::HEADER.map(str::to_owned),
        ["process".to_owned(), "reached from".to_owned()],
    )];
    lines.extend(rows.into_iter().map(|(row, more)| widened(row, more)));
    writeln!(out, "registered")?;
    table(out, [Align::Left; 9], &lines)?;
    if left_out != 0 || found.registrations.cut_off {
        writeln!(out, "  and more: --json has {}", services.len())?;
    }
    Ok(())
}

fn widened([a, b, c, d, e, f, g]: [String; 7], [h, i]: [String; 2]) -> [String; 9] {
    [a, b, c, d, e, f, g, h, i]
}

fn print_interfaces(out: &mut impl Write, report: &LocalReport) -> anyhow::Result<()> {
    let Ok(interfaces) = &report.interfaces else {
        writeln!(out, "interfaces: guards could not be looked at")?;
        return Ok(());
    };
    if interfaces.is_empty() {
        return Ok(());
    }
    let mut rows = vec![["interface", "guard"].map(str::to_owned)];
    rows.extend(interfaces.iter().map(|interface| {
        let covered = report.cover(interface, Transport::Udp, PORTMAPPER_PORT) != Cover::None;
        let guard = match &interface.guard {
            Some(guard) => describe(guard),
            None if covered => "guarded where its packets pass as well".to_owned(),
            None => "none".to_owned(),
        };
        [interface.name.clone(), guard]
    }));
    writeln!(out, "interfaces")?;
    table(out, [Align::Left; 2], &rows)?;
    Ok(())
}

/// `UDP port 111, from 1 allowed prefix only`
fn describe(guard: &Guarded) -> String {
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
