//! Whether another host's portmapper is exposed.

use std::{io::Write, net::IpAddr};

use rpcguard_common::parse::Transport;
use serde::Serialize;

use super::{
    Format, SCHEMA_VERSION,
    check_local::LocalDocument,
    json,
    registrations::{self, RegistrationView},
    rfc3339_to, stdout,
    summary::summary,
    text::{Align, counted, table},
};
use crate::{
    check::{
        AddressReport, HostReport, LocalReport, Outcome, Probe, ProbeResult, Reachable, Verdict,
        transport_name, wire_len,
    },
    foreign_text::short,
    portmapper::ProgramNames,
};

#[derive(Serialize)]
struct HostDocument {
    schema_version: u32,
    host: String,
    started_at: String,
    finished_at: String,
    verdict: &'static str,
    /// The verdict in words.
    summary: String,
    next_step: Option<String>,
    addresses: Vec<AddressView>,
    /// Addresses that were not asked.
    more_addresses: usize,
    /// The findings of this host about itself; null if none of the addresses is its own.
    local: Option<LocalDocument>,
    /// How long answers were waited for.
    wait_seconds: f64,
}

#[derive(Serialize)]
struct AddressView {
    address: String,
    /// Null if it could not be asked.
    asked_from: Option<String>,
    /// Whether it is an address of this host.
    own: bool,
    verdict: &'static str,
    /// Null if nothing was answered over UDP.
    amplification: Option<FactorsView>,
    probes: Vec<ProbeView>,
    /// Null if nobody said.
    registrations: Option<Vec<RegistrationView>>,
    /// The finding.
    finding: &'static str,
    /// Whether small replies come over UDP, and larger ones may be lost on the way.
    may_lose_large_replies: bool,
    /// mountd and NFS, as far as they are registered.
    services: Vec<ServiceView>,
}

#[derive(Serialize)]
struct ServiceView {
    program: u32,
    service: &'static str,
    version: u32,
    transport: &'static str,
    port: u16,
    outcome: &'static str,
    /// Why a call was refused, or what else there is to say.
    detail: Option<String>,
    /// Null if mountd did not say, or it is another service.
    exports_to_everybody: Option<Vec<String>>,
}

#[derive(Serialize)]
struct FactorsView {
    payload: f64,
    wire: f64,
}

#[derive(Serialize)]
struct ProbeView {
    procedure: &'static str,
    version: u32,
    transport: &'static str,
    port: u16,
    started_at: String,
    attempts: u32,
    outcome: &'static str,
    /// Why a call was refused, or what else there is to say.
    detail: Option<String>,
    request_bytes: usize,
    reply_bytes: Option<usize>,
    /// For UDP.
    request_wire_bytes: Option<usize>,
    /// For UDP.
    reply_wire_bytes: Option<usize>,
    reply_address: Option<String>,
    reply_port: Option<u16>,
    milliseconds: Option<f64>,
}

impl ProbeView {
    fn of(probe: &ProbeResult, ipv6: bool) -> Self {
        let answer = probe.answer();
        let udp = probe.transport == Transport::Udp;
        let on_wire = |len: usize| udp.then(|| wire_len(len, ipv6));
        Self {
            procedure: probe.probe.name(),
            version: probe.version,
            transport: if udp { "udp" } else { "tcp" },
            port: probe.port,
            started_at: rfc3339_to(3, probe.started),
            attempts: probe.attempts,
            outcome: probe.outcome.name(),
            detail: detail(&probe.outcome),
            request_bytes: probe.request_len,
            reply_bytes: answer.map(|answer| answer.len),
            request_wire_bytes: on_wire(probe.request_len),
            reply_wire_bytes: answer.and_then(|answer| on_wire(answer.len)),
            reply_address: answer.map(|answer| answer.from.ip().to_string()),
            reply_port: answer.map(|answer| answer.from.port()),
            milliseconds: answer.map(|answer| answer.took.as_secs_f64() * 1e3),
        }
    }
}

impl AddressView {
    fn of(report: &AddressReport, names: &ProgramNames) -> Self {
        let ipv6 = report.address.is_ipv6();
        Self {
            address: report.address.to_string(),
            asked_from: report.vantage.map(|vantage| vantage.to_string()),
            own: report.is_own(),
            verdict: report.verdict().name(),
            amplification: report
                .amplification()
                .map(|(_, [payload, wire])| FactorsView { payload, wire }),
            probes: report
                .probes
                .iter()
                .map(|probe| ProbeView::of(probe, ipv6))
                .collect(),
            registrations: report.registrations().map(|list| {
                let views = list.entries.iter();
                views
                    .map(|entry| RegistrationView::of(entry, names))
                    .collect()
            }),
            finding: report.finding().name(),
            may_lose_large_replies: report.may_lose_large_replies(),
            services: report.services.iter().map(ServiceView::of).collect(),
        }
    }
}

impl ServiceView {
    fn of(service: &Reachable) -> Self {
        Self {
            program: service.program,
            service: service_name(service),
            version: service.version,
            transport: match service.transport {
                Transport::Udp => "udp",
                Transport::Tcp => "tcp",
            },
            port: service.port,
            outcome: service.outcome.name(),
            detail: detail(&service.outcome),
            exports_to_everybody: service.open_exports.clone(),
        }
    }
}

/// The programs that are asked beside the portmapper.
const fn service_name(service: &Reachable) -> &'static str {
    match service.program {
        100_003 => "nfs",
        _ => "mountd",
    }
}

/// Returns the details of an outcome.
pub(super) fn detail(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Answered(answer) if answer.malformed => Some("malformed".to_owned()),
        Outcome::Answered(answer) => answer.refused.clone(),
        Outcome::Rejected(why) | Outcome::Garbage(why) | Outcome::Failed(why) => Some(why.clone()),
        Outcome::Silent | Outcome::Closed => None,
    }
}

/// The next step to take, as a command, if there is one.
fn next_step(report: &HostReport) -> Option<&'static str> {
    match report.verdict() {
        Verdict::Exposed => Some("rpcguard check    # on that host, as root"),
        Verdict::NotExposed | Verdict::Limited | Verdict::Unknown => None,
    }
}

/// Prints what was found.
///
/// Some of the host's addresses may be this host's own: then it comes to what both come to.
pub(crate) fn print(
    report: &HostReport,
    local: Option<&LocalReport>,
    format: Format,
) -> anyhow::Result<()> {
    match format {
        Format::Json => {
            let names = ProgramNames::load();
            let addresses = report.addresses.iter();
            json(&HostDocument {
                schema_version: SCHEMA_VERSION,
                host: report.host.clone(),
                started_at: rfc3339_to(3, report.started),
                finished_at: rfc3339_to(3, report.finished),
                verdict: local
                    .map_or(report.verdict(), |local| {
                        local.verdict.max(report.verdict())
                    })
                    .name(),
                summary: summary(report),
                next_step: next_step(report).map(str::to_owned),
                addresses: addresses
                    .map(|address| AddressView::of(address, &names))
                    .collect(),
                more_addresses: report.more_addresses,
                local: local.map(LocalDocument::of),
                wait_seconds: report.asking.wait.as_secs_f64(),
            })
        }
        Format::Text => {
            if let Some(local) = local {
                super::check_local::print(local, format)?;
            }
            let mut out = stdout();
            write_text(&mut out, report)?;
            if let Some(command) = next_step(report) {
                writeln!(out, "next: {command}")?;
            }
            out.flush()?;
            Ok(())
        }
    }
}

/// Everything but times and the next step, for people.
pub(super) fn write_text(out: &mut impl Write, report: &HostReport) -> anyhow::Result<()> {
    for address in &report.addresses {
        write_address(out, address)?;
    }
    writeln!(out, "{}", summary(report))?;
    Ok(())
}

fn write_address(out: &mut impl Write, report: &AddressReport) -> anyhow::Result<()> {
    write!(out, "{}", report.address)?;
    match report.vantage {
        Some(_) if report.is_own() => writeln!(
            out,
            ", an address of this host: what it answers here passes no guard and no other host"
        )?,
        Some(vantage) => writeln!(out, ", asked from {vantage}")?,
        None => writeln!(out)?,
    }
    write_probes(out, report)?;
    if let Some(list) = report.registrations() {
        let names = ProgramNames::load();
        let (rows, left_out) =
            registrations::rows(list.entries.iter().map(|entry| (entry, ())), &names);
        let mut lines = vec![registrations::HEADER.map(str::to_owned)];
        lines.extend(rows.into_iter().map(|(row, ())| row));
        if lines.len() > 1 {
            table(out, [Align::Left; 7], &lines)?;
        }
        if left_out != 0 || list.cut_off {
            let all = counted(list.entries.len() as u64, "registration", "registrations");
            writeln!(out, "  and more: --json has {all}")?;
        }
    }
    for service in &report.services {
        let outcome = match &service.outcome {
            Outcome::Answered(_) => "can be reached too".to_owned(),
            other => format!(
                "is registered; it was asked once from here: {}",
                outcome_words(other)
            ),
        };
        writeln!(
            out,
            "  {} on {} port {} {outcome}{}",
            service_name(service),
            transport_name(service.transport),
            service.port,
            open_exports(service)
        )?;
    }
    Ok(())
}

/// A row for each probe; one for all probes of a transport where they had the same outcome and none
/// was answered.
fn write_probes(out: &mut impl Write, report: &AddressReport) -> anyhow::Result<()> {
    let header = [
        "probe",
        "over",
        "outcome",
        "request",
        "reply",
        "factor",
        "on the wire",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for transport in [Transport::Udp, Transport::Tcp] {
        let probes = || {
            let all = report.probes.iter();
            all.filter(move |probe| probe.transport == transport)
        };
        let mut outcomes = probes().map(|probe| &probe.outcome);
        let first = outcomes.next();
        let same = outcomes.all(|outcome| Some(outcome) == first);
        match first {
            Some(outcome) if same && !matches!(outcome, Outcome::Answered(_)) => {
                rows.push(row("all".to_owned(), transport, outcome));
            }
            _ => rows.extend(probes().map(|probe| probe_row(probe, report.address))),
        }
    }
    let [left, right] = [Align::Left, Align::Right];
    table(out, [left, left, left, right, right, right, right], &rows)?;
    Ok(())
}

/// Which directories everybody may mount: the first of them.
fn open_exports(service: &Reachable) -> String {
    const SHOWN: usize = 8;
    let open = service.open_exports.as_deref().unwrap_or_default();
    if open.is_empty() {
        return String::new();
    }
    let shown: Vec<_> = open.iter().take(SHOWN).map(|path| short(path)).collect();
    let more = match open.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(", and exports to everybody: {}{more}", shown.join(", "))
}

fn outcome_words(outcome: &Outcome) -> String {
    match detail(outcome) {
        Some(detail) => format!("{}: {}", outcome.name(), short(&detail)),
        None => outcome.name().to_owned(),
    }
}

fn row(what: String, transport: Transport, outcome: &Outcome) -> [String; 7] {
    let mut row = [const { String::new() }; 7];
    row[0] = what;
    row[1] = transport_name(transport).to_owned();
    row[2] = outcome_words(outcome);
    row
}

fn probe_row(probe: &ProbeResult, address: IpAddr) -> [String; 7] {
    let what = match probe.probe {
        Probe::DumpOfRelay => format!("v{} DUMP, port {}", probe.version, probe.port),
        _ => format!("v{} {}", probe.version, probe.probe.name()),
    };
    let mut row = row(what, probe.transport, &probe.outcome);
    if let Some(answer) = probe.answer() {
        row[3] = probe.request_len.to_string();
        row[4] = answer.len.to_string();
        let from = answer.from;
        if from.ip() != address {
            row[2] = format!("{} from {} port {}", row[2], from.ip(), from.port());
        } else if from.port() != probe.port {
            row[2] = format!("{} from port {}", row[2], from.port());
        }
    }
    if let Some([payload, wire]) = probe.factors(address.is_ipv6()) {
        row[5] = format!("{payload:.1}");
        row[6] = format!("{wire:.1}");
    }
    row
}
