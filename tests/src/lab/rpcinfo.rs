//! The real client.

use std::{net::IpAddr, time::Duration};

use rpcguard_common::parse::Transport;

use super::{Finished, Host};

/// What to ask a portmapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// All services (`-s`): one DUMP call of version 3.
    Services,
    /// Whether the portmapper itself answers: GETADDR of version 3 and NULL of version 4.
    Ping,
}

/// Asks the portmapper of `server` with `rpcinfo`, run in `client`, which gives up after `limit`.
///
/// Of rpcinfo's options these are the ones that use the transport they name: `-T udp -p` asks over
/// TCP.
///
/// # Panics
///
/// If rpcinfo is not installed.
#[must_use]
pub fn rpcinfo(
    client: &Host,
    query: Query,
    transport: Transport,
    server: IpAddr,
    limit: Duration,
) -> Finished {
    let netid = match (transport, server) {
        (Transport::Udp, IpAddr::V4(_)) => "udp",
        (Transport::Udp, IpAddr::V6(_)) => "udp6",
        (Transport::Tcp, IpAddr::V4(_)) => "tcp",
        (Transport::Tcp, IpAddr::V6(_)) => "tcp6",
    };
    let server = server.to_string();
    let arguments: &[&str] = match query {
        Query::Services => &["-T", netid, "-s", &server],
        Query::Ping => &["-T", netid, &server, "100000", "4"],
    };
    Finished::wait_at_most(client.command("rpcinfo").args(arguments), limit)
}
