//! The report on an exposed portmapper for an abuse desk.

use std::{fmt::Write as _, net::IpAddr};

use super::{
    check_host::{detail, write_text},
    rfc3339_to,
};
use crate::{
    check::{HostReport, ProbeResult, Reachable, transport_name},
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
        write!(text, "asked      {} from ", address.address)?;
        match address.vantage {
            None => writeln!(text, "nowhere: it could not be asked")?,
            Some(vantage) => match kind(vantage) {
                None => writeln!(text, "{vantage}")?,
                Some(kind) => writeln!(
                    text,
                    "{vantage}, {kind} address: what other networks are answered may differ"
                )?,
            },
        }
    }
    writeln!(
        text,
        "waited     {} s for answers{}",
        report.asking.wait.as_secs(),
        if report.asking.relay {
            ""
        } else {
            "; relayed calls (CALLIT) were not asked for"
        }
    )?;
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
        for service in &address.services {
            write_service(text, service)?;
        }
        writeln!(text)?;
    }
    writeln!(
        text,
        "Factor: bytes of UDP payload of the reply for each of the request. On the wire: with headers of \
         Ethernet, IP and UDP, in fragments of 1,500 bytes. Both are what was measured: they grow with \
         what is registered and with rpcbind's statistics.\n"
    )
}

/// The kind of an address that is not one of the Internet.
fn kind(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) if address.is_loopback() => Some("a loopback"),
        IpAddr::V4(address) if address.is_link_local() => Some("a link-local"),
        IpAddr::V4(address) if address.is_private() => Some("a private"),
        // RFC 6598.
        IpAddr::V4(address) if matches!(address.octets(), [100, 64..=127, ..]) => {
            Some("a carrier's shared (CGNAT)")
        }
        IpAddr::V6(address) if address.is_loopback() => Some("a loopback"),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some("a link-local"),
        IpAddr::V6(address) if address.is_unique_local() => Some("a private"),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn write_service(text: &mut String, service: &Reachable) -> std::fmt::Result {
    write!(
        text,
        "NULL of program {} version {}, {} port {}, asked once: {}",
        service.program,
        service.version,
        transport_name(service.transport),
        service.port,
        service.outcome.name(),
    )?;
    if let Some(detail) = detail(&service.outcome) {
        write!(text, " ({})", short(&detail))?;
    }
    if service.open_exports.is_some() {
        write!(text, "; then it was asked for its exports")?;
    }
    writeln!(text)
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

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn addresses_that_are_not_of_the_internet_are_said_to_be_so() {
        for (address, expected) in [
            ("127.0.0.1", Some("a loopback")),
            ("169.254.1.1", Some("a link-local")),
            ("10.0.0.1", Some("a private")),
            ("172.16.0.1", Some("a private")),
            ("172.32.0.1", None),
            ("192.168.1.1", Some("a private")),
            ("100.63.255.255", None),
            ("100.64.0.1", Some("a carrier's shared (CGNAT)")),
            ("100.127.255.255", Some("a carrier's shared (CGNAT)")),
            ("100.128.0.0", None),
            ("8.8.8.8", None),
            ("::1", Some("a loopback")),
            ("::ffff:10.0.0.1", Some("a private")),
            ("fe80::1", Some("a link-local")),
            ("fd00::1", Some("a private")),
            ("2001:db8::1", None),
        ] {
            assert_eq!(kind(address.parse().unwrap()), expected, "{address}");
        }
    }
}
