//! Whether what notices name beside the portmapper, mountd and NFS, can be reached too.

use std::{
    io,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use rpcguard_common::parse::Transport;

use super::{
    Outcome,
    probe::{Probe, answered},
    remote::{Sent, datagram_outcome, joined},
};
use crate::{
    error::Result,
    portmapper::{
        Call, Connection, Registration, Reply, ReplyFrom, ask, exports_to_everybody, read_reply,
    },
    sys::random,
};

const MOUNTD: u32 = 100_005;
const NFS: u32 = 100_003;

/// The procedure that does nothing.
const NULL: u32 = 0;
/// mountd's list of exports, as `showmount -e` asks for it.
const EXPORT: u32 = 5;

/// A registered service, and what came of one NULL to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reachable {
    /// The program's number.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// How it was asked.
    pub transport: Transport,
    /// On which port, as registered.
    pub port: u16,
    /// The outcome.
    pub outcome: Outcome,
    /// Directories that everybody may mount, if mountd told.
    pub open_exports: Option<Vec<String>>,
}

/// Asks mountd and NFS for the procedure that does nothing: each once, where it is registered, over
/// TCP if it is there. If mountd answers, it is asked for its exports.
pub(super) fn reachable(
    address: SocketAddr,
    registrations: &[Registration],
    wait: Duration,
) -> Result<Vec<Reachable>> {
    let places = [MOUNTD, NFS]
        .into_iter()
        .filter_map(|program| place(program, registrations, address.is_ipv6()));
    thread::scope(|scope| {
        let threads: Vec<_> = places
            .map(|(registration, transport, port)| {
                scope.spawn(move || {
                    let mut there = address;
                    there.set_port(port);
                    let (program, version) = (registration.program, registration.version);
                    let outcome = null(there, transport, program, version, wait)?;
                    let is_served =
                        matches!(&outcome, Outcome::Answered(answer) if answer.refused.is_none());
                    let open_exports = if program == MOUNTD && is_served {
                        exports(there, transport, version, wait)?
                    } else {
                        None
                    };
                    Ok(Reachable {
                        program,
                        version,
                        transport,
                        port,
                        outcome,
                        open_exports,
                    })
                })
            })
            .collect();
        threads.into_iter().map(joined).collect()
    })
}

/// Where a program of this family is registered: its newest version, TCP first.
fn place(
    program: u32,
    registrations: &[Registration],
    ipv6: bool,
) -> Option<(&Registration, Transport, u16)> {
    registrations
        .iter()
        .filter(|registration| registration.program == program)
        .filter(|registration| registration.netid.ends_with('6') == ipv6)
        .filter_map(|registration| {
            let port = registration.socket()?.port();
            Some((registration, registration.transport()?, port))
        })
        .filter(|(.., port)| *port != 0)
        .max_by_key(|(registration, transport, _)| {
            (*transport == Transport::Tcp, registration.version)
        })
}

fn null(
    address: SocketAddr,
    transport: Transport,
    program: u32,
    version: u32,
    wait: Duration,
) -> Result<Outcome> {
    let call = &Call::of_program(program, version, NULL);
    let xid = random::seed()? as u32;
    if transport == Transport::Udp {
        let asked = ask(address, call, xid, ReplyFrom::Anywhere, &[wait]);
        let sent = Sent {
            probe: Probe::Null,
            call,
            xid,
        };
        return Ok(datagram_outcome(&sent, asked, address.ip(), None));
    }
    let begun = Instant::now();
    Ok(match over_tcp(address, call, xid, wait) {
        Ok(message) => answered(Probe::Null, call, xid, &message, address, begun.elapsed()),
        Err(error) => Outcome::of_error(&error),
    })
}

/// The directories that everybody may mount; `None` if mountd does not tell.
fn exports(
    address: SocketAddr,
    transport: Transport,
    version: u32,
    wait: Duration,
) -> Result<Option<Vec<String>>> {
    let call = &Call::of_program(MOUNTD, version, EXPORT);
    let xid = random::seed()? as u32;
    let message = match transport {
        Transport::Udp => ask(address, call, xid, ReplyFrom::Anywhere, &[wait])
            .result
            .map(|answer| answer.message),
        Transport::Tcp => over_tcp(address, call, xid, wait),
    };
    let message = message.unwrap_or_default();
    Ok(match read_reply(xid, &message) {
        Some(Reply::Success(results)) => exports_to_everybody(results),
        Some(Reply::Refused(_)) | None => None,
    })
}

fn over_tcp(address: SocketAddr, call: &Call, xid: u32, wait: Duration) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    let mut connection = Connection::tcp(address, wait)?;
    connection.ask(call, xid, wait.saturating_sub(begun.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::{Registration, Transport, place};

    fn registration(program: u32, version: u32, netid: &str, port: u8) -> Registration {
        let host = if netid.ends_with('6') {
            "::"
        } else {
            "0.0.0.0"
        };
        Registration {
            program,
            version,
            netid: netid.to_owned(),
            address: format!("{host}.8.{port}"),
            owner: String::new(),
        }
    }

    #[test]
    fn a_service_is_asked_where_it_is_registered() {
        let registrations = [
            registration(100_003, 3, "tcp", 1),
            registration(100_003, 4, "tcp", 2),
            registration(100_003, 4, "udp", 3),
            registration(100_003, 4, "tcp6", 4),
            registration(100_005, 3, "udp", 5),
        ];
        let found = |program, ipv6| {
            let (registration, transport, port) = place(program, &registrations, ipv6)?;
            Some((registration.version, transport, port))
        };
        assert_eq!(found(100_003, false), Some((4, Transport::Tcp, 2050)));
        assert_eq!(found(100_003, true), Some((4, Transport::Tcp, 2052)));
        assert_eq!(found(100_005, false), Some((3, Transport::Udp, 2053)));
        assert_eq!(found(100_005, true), None);
        assert_eq!(found(100_024, false), None);
    }
}
