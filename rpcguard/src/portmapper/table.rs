//! What is registered with the portmapper of this host.

use std::{io, time::Duration};

use super::{
    Call, Connection, Refusal, Registrations, Reply, ReplyFrom, heard::reachable, reply, udp,
};
use crate::{
    sockets::{Address, Inventory, Kind, ListeningSocket},
    sys::random,
};

/// A portmapper on this host answers in less than a millisecond, unless it is busy being abused.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many places are asked at most, each for as long.
const MAX_PLACES: usize = 8;

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
/// It is asked on loopback, or else on the addresses that it listens on; its socket in the file
/// system is the last resort, and only root's own is asked. `None` if nothing listens. Each place
/// is asked for a second in each version at most.
///
/// # Errors
///
/// What was in the way of the last attempt.
pub fn table(inventory: &Inventory) -> io::Result<Option<Table>> {
    let xid = random::seed().map_err(io::Error::other)? as u32;
    let mut error = None;
    for (kind, address) in places(inventory) {
        let asked = match &address {
            Address::Ip(address) if kind == Kind::Udp => dump(xid, |call| {
                let asked = udp::ask(*address, call, xid, ReplyFrom::There, &[PATIENCE]);
                asked.result.map(|answer| answer.message)
            }),
            Address::Ip(address) => Connection::tcp(*address, PATIENCE)
                .and_then(|mut connection| dump(xid, |call| connection.ask(call, xid, PATIENCE))),
            Address::Path(path) => Connection::unix(path)
                .and_then(|mut connection| dump(xid, |call| connection.ask(call, xid, PATIENCE))),
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

/// Where the portmapper can be asked, the best place first: a connection, which takes replies of
/// any length, before a datagram, and loopback before other addresses, which a firewall may guard.
fn places(inventory: &Inventory) -> Vec<(Kind, Address)> {
    let mut sockets: Vec<&ListeningSocket> = inventory.portmapper().collect();
    sockets.sort_by_key(|socket| {
        let proven = socket
            .processes
            .iter()
            .any(|process| process.runs_portmapper);
        let order = match socket.address {
            Address::Ip(address) => {
                let address = reachable(address);
                (
                    !address.ip().is_loopback(),
                    socket.kind == Kind::Udp,
                    address.is_ipv6(),
                )
            }
            Address::Path(_) => (true, true, true),
        };
        (!proven, order)
    });
    let places = sockets.into_iter().map(|socket| {
        let address = match &socket.address {
            Address::Ip(address) => Address::Ip(reachable(*address)),
            Address::Path(path) => Address::Path(path.clone()),
        };
        (socket.kind, address)
    });
    places.take(MAX_PLACES).collect()
}

/// Asks for everything, in the newest version that is spoken.
fn dump(xid: u32, mut ask: impl FnMut(&Call) -> io::Result<Vec<u8>>) -> io::Result<Table> {
    for version in [4, 3, 2] {
        let message = ask(&Call::dump(version))?;
        match reply::read(xid, &message) {
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
