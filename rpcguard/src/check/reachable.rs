//! Whether what notices name beside the portmapper, mountd and NFS, can be reached too.

use std::{
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
    portmapper::{Call, Connection, Registration, ReplyFrom, ask},
    sys::random,
};

/// mountd and NFS.
const PROGRAMS: [u32; 2] = [100_005, 100_003];

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
    /// What came of it.
    pub outcome: Outcome,
}

/// Asks mountd and NFS for the procedure that does nothing: each once, where it is registered, over TCP if
/// it is there.
pub(super) fn reachable(
    address: SocketAddr,
    registrations: &[Registration],
    wait: Duration,
) -> Result<Vec<Reachable>> {
    let places = PROGRAMS
        .into_iter()
        .filter_map(|program| place(program, registrations, address.is_ipv6()));
    thread::scope(|scope| {
        let threads: Vec<_> = places
            .map(|(registration, transport, port)| {
                scope.spawn(move || {
                    let mut there = address;
                    there.set_port(port);
                    let call = Call::null_of(registration.program, registration.version);
                    Ok(Reachable {
                        program: registration.program,
                        version: registration.version,
                        transport,
                        port,
                        outcome: null(there, transport, &call, wait)?,
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

fn null(address: SocketAddr, transport: Transport, call: &Call, wait: Duration) -> Result<Outcome> {
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
    let message = Connection::tcp(address, wait)
        .and_then(|mut connection| connection.ask(call, xid, wait.saturating_sub(begun.elapsed())));
    Ok(match message {
        Ok(message) => answered(Probe::Null, call, xid, &message, address, begun.elapsed()),
        Err(error) => Outcome::of_error(&error),
    })
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
