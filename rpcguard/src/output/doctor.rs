//! The examination of an interface.

use std::io::Write;

use serde::Serialize;

use super::{Format, SCHEMA_VERSION, json, stdout, text::counted};
use crate::{
    doctor::{Device, Diagnosis, Finding, Machine, Severity},
    foreign_text::short,
    sys::ethtool::Channels,
};

/// Offloads that matter to XDP, by the kernel's names.
const OFFLOADS: [&str; 4] = ["rx-gro", "rx-gro-hw", "rx-lro", "rx-checksum"];

#[derive(Serialize)]
struct DoctorDocument<'a> {
    schema_version: u32,
    verdict: &'static str,
    /// The verdict in words.
    summary: String,
    next_step: &'a str,
    findings: Vec<FindingView<'a>>,
    interface: DeviceView<'a>,
    machine: MachineView<'a>,
}

#[derive(Serialize)]
struct FindingView<'a> {
    severity: &'static str,
    what: &'a str,
    command: Option<&'a str>,
    cost: Option<&'static str>,
}

#[derive(Serialize)]
struct DeviceView<'a> {
    name: &'a str,
    kind: &'a str,
    driver: Option<&'a str>,
    up: bool,
    mtu: u32,
    queues: Option<QueuesView>,
    offloads: Vec<OffloadView<'a>>,
    /// `NETDEV_XDP_ACT_*`.
    xdp_features: Option<u64>,
    master: Option<&'a str>,
    lower: Option<&'a str>,
    ports: Vec<&'a str>,
    programs: Vec<ProgramView<'a>>,
}

#[derive(Serialize)]
struct QueuesView {
    combined: u32,
    rx: u32,
    tx: u32,
    max_combined: u32,
    max_rx: u32,
    max_tx: u32,
}

#[derive(Serialize)]
struct OffloadView<'a> {
    name: &'a str,
    on: bool,
    fixed: bool,
}

#[derive(Serialize)]
struct ProgramView<'a> {
    id: u32,
    name: &'a str,
    mode: &'static str,
}

#[derive(Serialize)]
struct MachineView<'a> {
    kernel: &'a str,
    processors: usize,
    btf: bool,
    jit: Option<bool>,
    memlock_bytes: Option<u64>,
    bpffs: String,
    bpffs_error: Option<&'a str>,
    missing_capabilities: Option<&'a str>,
}

impl<'a> DeviceView<'a> {
    fn of(device: &'a Device) -> Self {
        Self {
            name: &device.name,
            kind: &device.kind,
            driver: device.driver.as_deref(),
            up: device.up,
            mtu: device.mtu,
            queues: device.channels.map(|channels| QueuesView {
                combined: channels.combined,
                rx: channels.rx,
                tx: channels.tx,
                max_combined: channels.max_combined,
                max_rx: channels.max_rx,
                max_tx: channels.max_tx,
            }),
            offloads: offloads(device).collect(),
            xdp_features: device.xdp,
            master: device.master.as_ref().map(|master| &*master.name),
            lower: device.lower.as_deref(),
            ports: device.ports.iter().map(|port| &*port.name).collect(),
            programs: device
                .programs
                .iter()
                .map(|program| ProgramView {
                    id: program.id,
                    name: &program.name,
                    mode: program.mode,
                })
                .collect(),
        }
    }
}

fn offloads(device: &Device) -> impl Iterator<Item = OffloadView<'_>> {
    let offloads = device.offloads.iter();
    offloads
        .filter(|offload| OFFLOADS.contains(&&*offload.name))
        .map(|offload| OffloadView {
            name: &offload.name,
            on: offload.on,
            fixed: offload.fixed,
        })
}

impl<'a> MachineView<'a> {
    fn of(machine: &'a Machine) -> Self {
        Self {
            kernel: &machine.release,
            processors: machine.processors,
            btf: machine.btf,
            jit: machine.jit,
            memlock_bytes: machine.memlock,
            bpffs: machine.bpffs.display().to_string(),
            bpffs_error: machine.bpffs_error.as_deref(),
            missing_capabilities: machine.missing.as_deref(),
        }
    }
}

impl<'a> FindingView<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            severity: finding.severity.name(),
            what: &finding.what,
            command: finding.command.as_deref(),
            cost: finding.cost,
        }
    }
}

/// Prints it.
pub(crate) fn print(diagnosis: &Diagnosis, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => json(&DoctorDocument {
            schema_version: SCHEMA_VERSION,
            verdict: diagnosis.verdict.name(),
            summary: diagnosis.summary(),
            next_step: &diagnosis.next,
            findings: diagnosis.findings.iter().map(FindingView::of).collect(),
            interface: DeviceView::of(&diagnosis.facts.device),
            machine: MachineView::of(&diagnosis.facts.machine),
        }),
        Format::Text => {
            let mut out = stdout();
            write(&mut out, diagnosis)?;
            out.flush()?;
            Ok(())
        }
    }
}

fn write(out: &mut impl Write, diagnosis: &Diagnosis) -> std::io::Result<()> {
    let Device {
        name,
        up,
        mtu,
        kind,
        ..
    } = &diagnosis.facts.device;
    let device = &diagnosis.facts.device;
    let machine = &diagnosis.facts.machine;
    let driver = device.driver.as_deref().unwrap_or("no driver");
    let kind = match &**kind {
        "" => String::new(),
        kind => format!(" ({kind})"),
    };
    let state = if *up { "up" } else { "down" };
    writeln!(out, "{name}: {}{kind}, MTU {mtu}, {state}", short(driver))?;
    let mut row = |what: &str, value: String| writeln!(out, "  {what:<11}{value}");
    row(
        "queues",
        device
            .channels
            .map_or_else(|| "not told".to_owned(), queues),
    )?;
    let offloads: Vec<String> = offloads(device)
        .map(|offload| offload.to_string())
        .collect();
    row("offloads", or_none(&offloads))?;
    row("part of", part_of(device))?;
    let programs: Vec<String> = device
        .programs
        .iter()
        .map(|program| {
            let (id, mode) = (program.id, program.mode);
            format!("`{}` (id {id}, {mode})", short(&program.name))
        })
        .collect();
    row("programs", or_none(&programs))?;
    row("kernel", kernel(machine))?;
    let bpffs = machine.bpffs.display();
    row(
        "bpffs",
        match &machine.bpffs_error {
            None => bpffs.to_string(),
            Some(_) => format!("none at {bpffs}"),
        },
    )?;
    row(
        "privileges",
        match &machine.missing {
            None => "enough".to_owned(),
            Some(missing) => format!("{missing} missing"),
        },
    )?;
    for finding in &diagnosis.findings {
        write_finding(out, finding)?;
    }
    writeln!(out, "verdict: {}", diagnosis.summary())?;
    writeln!(out, "next: {}", diagnosis.next)
}

fn write_finding(out: &mut impl Write, finding: &Finding) -> std::io::Result<()> {
    let how_much = match finding.severity {
        Severity::Blocks => "NOT POSSIBLE",
        Severity::Generic => "NOT NATIVE",
        Severity::Note => "note",
    };
    writeln!(out, "{how_much}: {}", finding.what)?;
    if let Some(command) = &finding.command {
        writeln!(out, "  {command}")?;
    }
    if let Some(cost) = finding.cost {
        writeln!(out, "    costs: {cost}")?;
    }
    Ok(())
}

fn or_none(values: &[String]) -> String {
    if values.is_empty() {
        "none".to_owned()
    } else {
        values.join(", ")
    }
}

fn queues(channels: Channels) -> String {
    let Channels {
        combined,
        rx,
        tx,
        max_combined,
        max_rx,
        max_tx,
    } = channels;
    let kinds = [
        (combined, max_combined, "combined"),
        (rx, max_rx, "receive"),
        (tx, max_tx, "send"),
    ];
    let kinds = kinds.into_iter().filter(|(_, max, _)| *max > 0);
    let kinds: Vec<String> = kinds
        .map(|(used, max, kind)| format!("{used} of {max} {kind}"))
        .collect();
    or_none(&kinds)
}

impl std::fmt::Display for OffloadView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.on { "on" } else { "off" };
        let fixed = if self.fixed { " [fixed]" } else { "" };
        write!(f, "{} {state}{fixed}", self.name)
    }
}

fn part_of(device: &Device) -> String {
    let mut parts = Vec::new();
    if let Some(master) = &device.master {
        parts.push(format!("{} `{}`", master.kind, master.name));
    }
    if let Some(lower) = &device.lower {
        parts.push(format!("on top of `{lower}`"));
    }
    if !device.ports.is_empty() {
        let ports: Vec<&str> = device.ports.iter().map(|port| &*port.name).collect();
        parts.push(format!("has the ports {}", ports.join(", ")));
    }
    or_none(&parts).replace("none", "nothing")
}

fn kernel(machine: &Machine) -> String {
    let jit = match machine.jit {
        Some(true) => "programs compiled",
        Some(false) => "programs interpreted",
        None => "unknown whether programs are compiled",
    };
    let btf = if machine.btf {
        "with its types (not needed)"
    } else {
        "without its types (not needed)"
    };
    let processors = counted(machine.processors as u64, "processor", "processors");
    format!("{}, {processors}, {jit}, {btf}", machine.release)
}
