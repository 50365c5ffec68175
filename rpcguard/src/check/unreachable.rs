//! The ICMP errors that a question may meet with, and how far each counts.

use std::net::IpAddr;

use super::Outcome;
use crate::sys::icmp::Reported;

/// How far an ICMP error counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// If the address itself says it: nothing listens there. If something on the way says it: as
    /// [`Meaning::Refused`].
    Closed,
    /// A router or firewall does not let it through from here.
    Refused,
    /// It says nothing about the portmapper: the question did not get there for a reason of its
    /// own.
    NotAsked,
}

/// Types 3, 11 and 12 of ICMP (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1).
const fn of_ipv4(kind: u8, code: u8) -> (Meaning, &'static str) {
    use Meaning::{Closed, NotAsked, Refused};
    match (kind, code) {
        // Routers say 0, 1, 6 and 7 where no network or host is, firewalls in place of 9, 10 and
        // 13.
        (3, 0) => (Refused, "network unreachable"),
        (3, 1) => (Refused, "host unreachable"),
        // The host has no UDP, hence no portmapper on it.
        (3, 2) => (Closed, "protocol unreachable"),
        (3, 3) => (Closed, "port unreachable"),
        // The question is far below the least that any link carries.
        (3, 4) => (NotAsked, "packet too large"),
        // The question asks for no route.
        (3, 5) => (NotAsked, "source route failed"),
        (3, 6) => (Refused, "network unknown"),
        (3, 7) => (Refused, "host unknown"),
        // It is about this host.
        (3, 8) => (NotAsked, "source host isolated"),
        (3, 9) => (Refused, "network prohibited"),
        (3, 10) => (Refused, "host prohibited"),
        // There may be a way for another type of service; hardly any attacker has one.
        (3, 11) => (Refused, "network unreachable for this type of service"),
        (3, 12) => (Refused, "host unreachable for this type of service"),
        (3, 13) => (Refused, "administratively prohibited"),
        (3, 14) => (Refused, "host precedence violation"),
        (3, 15) => (Refused, "precedence cutoff"),
        (3, _) => (Refused, "unreachable for an unknown reason"),
        // A loop of routes, which may be mended at any time.
        (11, 0) => (NotAsked, "lost in a routing loop"),
        (11, _) => (NotAsked, "reassembly timed out"),
        (12, _) => (NotAsked, "parameter problem"),
        _ => (NotAsked, "unknown ICMP error"),
    }
}

/// Types 1 to 4 of `ICMPv6` (RFC 4443 section 3).
const fn of_ipv6(kind: u8, code: u8) -> (Meaning, &'static str) {
    use Meaning::{Closed, NotAsked, Refused};
    match (kind, code) {
        (1, 0) => (Refused, "no route"),
        (1, 1) => (Refused, "administratively prohibited"),
        // From another source address, it may get there.
        (1, 2) => (NotAsked, "beyond the scope of the source address"),
        (1, 3) => (Refused, "address unreachable"),
        (1, 4) => (Closed, "port unreachable"),
        (1, 5) => (Refused, "source address failed policy"),
        (1, 6) => (Refused, "rejected route"),
        // The question asks for no route.
        (1, 7) => (NotAsked, "source route failed"),
        (1, _) => (Refused, "unreachable for an unknown reason"),
        (2, _) => (NotAsked, "packet too large"),
        (3, 0) => (NotAsked, "lost in a routing loop"),
        (3, _) => (NotAsked, "reassembly timed out"),
        // The host has no UDP: IPv6 says so in this way.
        (4, 1) => (Closed, "protocol unreachable"),
        (4, _) => (NotAsked, "parameter problem"),
        _ => (NotAsked, "unknown ICMP error"),
    }
}

/// Returns the outcome of a question to `asked`, from `source`, that met with this error.
pub(super) fn outcome(reported: &Reported, asked: IpAddr, source: Option<IpAddr>) -> Outcome {
    let (Some((kind, code)), Some(from)) = (reported.icmp, reported.from) else {
        let error = std::io::Error::from_raw_os_error(reported.errno);
        return Outcome::Failed(error.to_string());
    };
    let (meaning, words) = if asked.is_ipv6() {
        of_ipv6(kind, code)
    } else {
        of_ipv4(kind, code)
    };
    // This host tells itself that no neighbour has the address, or that its own firewall is in the
    // way.
    if Some(from) == source && from != asked {
        return Outcome::Failed(format!("{words}, says this host itself"));
    }
    match meaning {
        Meaning::Closed if from == asked => Outcome::Closed,
        Meaning::Closed | Meaning::Refused => Outcome::Rejected(format!("{words}, says {from}")),
        Meaning::NotAsked => Outcome::Failed(format!("{words}, says {from}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{IpAddr, Reported, outcome};

    const HERE: &str = "192.0.2.2";
    const ASKED: &str = "192.0.2.1";
    const ROUTER: &str = "198.51.100.1";

    fn named(kind: u8, code: u8, from: &str, asked: &str, source: &str) -> &'static str {
        let reported = Reported {
            errno: libc::EHOSTUNREACH,
            icmp: Some((kind, code)),
            from: Some(from.parse().unwrap()),
            quoted: Vec::new(),
        };
        let source: IpAddr = source.parse().unwrap();
        outcome(&reported, asked.parse().unwrap(), Some(source)).name()
    }

    #[test]
    fn each_code_of_icmp_has_its_meaning() {
        let (closed, rejected, failed) = ("closed", "rejected", "failed");
        for code in 0..=u8::MAX {
            let (from_asked, from_router) = match code {
                2 | 3 => (closed, rejected),
                4 | 5 | 8 => (failed, failed),
                _ => (rejected, rejected),
            };
            assert_eq!(named(3, code, ASKED, ASKED, HERE), from_asked, "{code}");
            assert_eq!(named(3, code, ROUTER, ASKED, HERE), from_router, "{code}");
            for kind in [4, 5, 11, 12] {
                assert_eq!(named(kind, code, ROUTER, ASKED, HERE), failed, "{kind}");
            }
        }
    }

    #[test]
    fn each_code_of_icmpv6_has_its_meaning() {
        let (asked, router, here) = ("2001:db8::1", "2001:db8:1::1", "2001:db8::2");
        let (closed, rejected, failed) = ("closed", "rejected", "failed");
        for code in 0..=u8::MAX {
            let (from_asked, from_router) = match code {
                4 => (closed, rejected),
                2 | 7 => (failed, failed),
                _ => (rejected, rejected),
            };
            assert_eq!(named(1, code, asked, asked, here), from_asked, "{code}");
            assert_eq!(named(1, code, router, asked, here), from_router, "{code}");
            for kind in [2, 3] {
                assert_eq!(named(kind, code, router, asked, here), failed, "{kind}");
            }
            let unknown_header = if code == 1 { closed } else { failed };
            assert_eq!(named(4, code, asked, asked, here), unknown_header, "{code}");
        }
    }

    #[test]
    fn errors_of_this_host_itself_say_nothing_about_the_other() {
        for code in 0..=15 {
            assert_eq!(named(3, code, HERE, ASKED, HERE), "failed", "{code}");
        }
        // Unless it is this host that was asked.
        assert_eq!(named(3, 3, HERE, HERE, HERE), "closed");
        let local = Reported {
            errno: libc::EMSGSIZE,
            icmp: None,
            from: None,
            quoted: Vec::new(),
        };
        let asked = ASKED.parse().unwrap();
        assert_eq!(outcome(&local, asked, None).name(), "failed");
    }
}
