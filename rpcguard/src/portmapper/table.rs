//! What is registered with the portmapper of this host.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use super::{Call, Connection, Refusal, Registrations, Reply, ReplyFrom, reply, udp};
use crate::{
    policy::PORTMAPPER_PORT,
    sockets::{Address, Inventory, Kind},
};

/// A portmapper on this host answers in less than a millisecond, unless it is busy being abused.
const PATIENCE: Duration = Duration::from_secs(1);

/// Not random: nobody else is on loopback, and on a connection it does not matter.
const XID: u32 = 0x7270_6367;

/// What the portmapper of this host has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The registrations.
    pub registrations: Registrations,
    /// Which version of the protocol was spoken.
    pub version: u32,
}

/// Asks the portmapper of this network namespace for everything that is registered with it.
///
/// It is asked on loopback, or else on the addresses that it listens on; its socket in the file system is
/// the last resort, since another network namespace may have put it there. `None` if nothing listens on
/// port 111.
///
/// # Errors
///
/// What was in the way of the last attempt.
pub fn table(inventory: &Inventory) -> io::Result<Option<Table>> {
    let mut error = None;
    for (kind, address) in places(inventory) {
        let asked = match &address {
            Address::Ip(address) if kind == Kind::Udp => dump(|call| {
                let asked = udp::ask(*address, call, XID, ReplyFrom::There, &[PATIENCE]);
                asked.result.map(|answer| answer.message)
            }),
            Address::Ip(address) => Connection::tcp(*address, PATIENCE)
                .and_then(|mut connection| dump(|call| connection.ask(call, XID, PATIENCE))),
            Address::Path(path) => Connection::unix(path)
                .and_then(|mut connection| dump(|call| connection.ask(call, XID, PATIENCE))),
        };
        match asked {
            Ok(table) => return Ok(Some(table)),
            Err(failed) => {
                log::debug!("no registrations from {address}: {failed}");
                error = Some(failed);
            }
        }
    }
    error.map_or(Ok(None), Err)
}

/// Where the portmapper can be asked, the best place first: a connection, which takes replies of any
/// length, before a datagram, and loopback before other addresses, which a firewall may guard.
fn places(inventory: &Inventory) -> Vec<(Kind, Address)> {
    let mut places: Vec<_> = inventory
        .portmapper()
        .map(|socket| (socket.kind, reachable(&socket.address)))
        .collect();
    places.sort_by_key(|(kind, address)| match address {
        Address::Ip(address) => (
            !address.ip().is_loopback(),
            *kind == Kind::Udp,
            address.is_ipv6(),
        ),
        Address::Path(_) => (true, true, true),
    });
    places.dedup();
    places
}

/// Where somebody on this host asks a socket that listens there.
fn reachable(address: &Address) -> Address {
    match address {
        Address::Ip(address) if address.ip().is_unspecified() => {
            let loopback = match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            };
            Address::Ip(SocketAddr::new(loopback, PORTMAPPER_PORT))
        }
        address => address.clone(),
    }
}

/// Asks for everything, in the newest version that is spoken.
fn dump(mut ask: impl FnMut(&Call) -> io::Result<Vec<u8>>) -> io::Result<Table> {
    for version in [4, 3, 2] {
        let message = ask(&Call::dump(version))?;
        match reply::read(XID, &message) {
            Some(Reply::Success(results)) => {
                let registrations = Registrations::read(version, results).ok_or_else(|| {
                    io::Error::new(io::ErrorKind::InvalidData, "its list is malformed")
                })?;
                return Ok(Table {
                    registrations,
                    version,
                });
            }
            Some(Reply::Refused(Refusal::Version { .. })) => {}
            Some(Reply::Refused(refusal)) => return Err(io::Error::other(refusal.to_string())),
            None => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    Err(io::Error::other("it speaks none of the versions 2 to 4"))
}
