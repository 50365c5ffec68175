//! What an abuse desk wants to know of an exposed portmapper.

use std::fmt::Write as _;

use super::{
    check_host::{detail, write_text},
    rfc3339_to,
};
use crate::{
    check::{HostReport, ProbeResult, transport_name},
    foreign_text::short,
};

/// A report in plain text: when, from where, what was asked and what came of it, and the verdict.
pub(crate) fn text(report: &HostReport) -> String {
    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = write(&mut text, report);
    let mut summary = Vec::new();
    let _ = write_text(&mut summary, report);
    text.push_str(&String::from_utf8_lossy(&summary));
    crate::foreign_text::lines(&text)
}

fn write(text: &mut String, report: &HostReport) -> std::fmt::Result {
    let system = rustix::system::uname();
    writeln!(
        text,
        "Check of the portmapper (rpcbind, port 111) of {}",
        report.host
    )?;
    writeln!(text)?;
    writeln!(
        text,
        "begun      {} (UTC, this host's clock)",
        rfc3339_to(3, report.started)
    )?;
    writeln!(text, "ended      {}", rfc3339_to(3, report.finished))?;
    writeln!(
        text,
        "asked by   {}",
        short(&system.nodename().to_string_lossy())
    )?;
    for address in &report.addresses {
        let from = address
            .vantage
            .map_or("nowhere: it could not be asked".to_owned(), |vantage| {
                vantage.to_string()
            });
        writeln!(text, "asked      {} from {from}", address.address)?;
    }
    writeln!(text, "with       rpcguard {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(text)?;
    for address in &report.addresses {
        writeln!(
            text,
            "Probes of {}, each with the time of its first packet",
            address.address
        )?;
        for probe in &address.probes {
            write_probe(text, probe)?;
        }
        writeln!(text)?;
    }
    writeln!(
        text,
        "Factor: bytes of UDP payload of the reply for each of the request. On the wire: with headers of \
         Ethernet, IP and UDP, in fragments of 1,500 bytes.\n"
    )
}

fn write_probe(text: &mut String, probe: &ProbeResult) -> std::fmt::Result {
    write!(
        text,
        "{}  {} port {}  v{} {}, {} bytes, {}: {}",
        rfc3339_to(3, probe.started),
        transport_name(probe.transport),
        probe.port,
        probe.version,
        probe.probe.name(),
        probe.request_len,
        match probe.attempts {
            0 => "not sent".to_owned(),
            1 => "sent once".to_owned(),
            times => format!("sent {times} times"),
        },
        probe.outcome.name(),
    )?;
    if let Some(detail) = detail(&probe.outcome) {
        write!(text, " ({})", short(&detail))?;
    }
    let Some(answer) = probe.answer() else {
        return writeln!(text);
    };
    writeln!(
        text,
        ", {} bytes from {} after {:.1} ms, beginning with",
        answer.len,
        answer.from,
        answer.took.as_secs_f64() * 1e3
    )?;
    text.push_str("    ");
    for (index, byte) in answer.beginning.iter().enumerate() {
        if index != 0 && index % 4 == 0 {
            text.push(' ');
        }
        write!(text, "{byte:02x}")?;
    }
    writeln!(text)
}
