//! On which of its other ports the portmapper answers: each is asked.
//!
//! A port of the portmapper's process need not serve its clients: it may be one from which the process itself asks
//! others, and another program may get the same number later. Only ports on which it was heard are guarded, or
//! named in a hint.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use super::{Call, Connection, Refusal, Reply, ReplyFrom, reply, udp};
use crate::{
    error::Result,
    sockets::{Address, Inventory, Kind, ListeningSocket, Reach},
    sys::random,
};

/// How long each of two attempts waits: a portmapper on this host answers in less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many sockets are asked at most: rpcbind has two.
const MAX_SOCKETS: usize = 16;

/// When to ask again where nothing answered.
const AGAIN: Duration = Duration::from_mins(1);

/// One socket of one process: numbers of both are used again.
type Key = (u64, u32, u64);

/// The other sockets of the portmapper that were asked. Keep it to ask each only once.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    asked: BTreeMap<Key, (Instant, bool)>,
}

impl Heard {
    /// Returns the UDP ports of this network namespace on which the portmapper can be reached from outside, and that
    /// a guard can drop without harm to others: 111, and those of its other ports that are its alone and on which
    /// it answers, now or before. Asks those that have not been asked.
    ///
    /// # Errors
    ///
    /// If /proc cannot be read.
    pub fn udp_ports(&mut self) -> Result<BTreeSet<u16>> {
        // To look into every process takes long where there are many.
        let quick = Inventory::of_portmappers()?;
        if quick.portmapper_extra().all(|socket| self.is_known(socket)) {
            return Ok(self.udp_ports_of(&quick));
        }
        let inventory = Inventory::read()?;
        self.ask(&inventory);
        Ok(self.udp_ports_of(&inventory))
    }

    /// As [`Heard::udp_ports`], of what is known already.
    #[must_use]
    pub fn udp_ports_of(&self, inventory: &Inventory) -> BTreeSet<u16> {
        let others = inventory
            .portmapper_extra()
            .filter(|socket| self.may_be_guarded(socket, inventory));
        let sockets = inventory.portmapper().chain(others);
        sockets
            .filter(|socket| socket.kind == Kind::Udp && socket.reach() == Reach::Outside)
            .filter_map(ListeningSocket::port)
            .collect()
    }

    /// Asks the other sockets of the portmapper that have not been asked, with NULL over loopback, or at the address
    /// that they are bound to. It takes a second at most.
    pub fn ask(&mut self, inventory: &Inventory) {
        let now = Instant::now();
        let present: BTreeSet<Key> = inventory.portmapper_extra().filter_map(key).collect();
        self.asked.retain(|key, _| present.contains(key));
        let new: Vec<(Key, &ListeningSocket)> = inventory
            .portmapper_extra()
            .filter(|socket| !self.is_known(socket) && inventory.is_portmappers_alone(socket))
            .filter_map(|socket| Some((key(socket)?, socket)))
            .take(MAX_SOCKETS)
            .collect();
        let answers = thread::scope(|scope| {
            let asking: Vec<_> = new
                .iter()
                .map(|(_, socket)| scope.spawn(|| answers(socket)))
                .collect();
            let answers = asking.into_iter().map(|thread| thread.join());
            answers
                .map(|answered| answered.unwrap_or(false))
                .collect::<Vec<_>>()
        });
        for ((key, _), answered) in new.into_iter().zip(answers) {
            self.asked.insert(key, (now, answered));
        }
    }

    /// Whether the portmapper answered at this other socket of its own.
    #[must_use]
    pub fn has(&self, socket: &ListeningSocket) -> bool {
        key(socket)
            .and_then(|key| self.asked.get(&key))
            .is_some_and(|(_, answered)| *answered)
    }

    /// Whether a guard may drop what comes to the port of this other socket of the portmapper: it answers there, and
    /// nobody else has the port.
    #[must_use]
    pub fn may_be_guarded(&self, socket: &ListeningSocket, inventory: &Inventory) -> bool {
        self.has(socket) && inventory.is_portmappers_alone(socket)
    }

    /// Whether there is no need to ask this one now.
    fn is_known(&self, socket: &ListeningSocket) -> bool {
        key(socket)
            .and_then(|key| self.asked.get(&key))
            .is_some_and(|(at, answered)| *answered || at.elapsed() < AGAIN)
    }
}

fn key(socket: &ListeningSocket) -> Option<Key> {
    let process = socket.processes.first()?;
    Some((socket.inode, process.pid, process.started))
}

/// Where to ask a socket that listens at this address.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Whether a portmapper answers at a socket.
fn answers(socket: &ListeningSocket) -> bool {
    let Address::Ip(address) = socket.address else {
        return false;
    };
    let asked = random::seed().map_err(io::Error::other).and_then(|seed| {
        let (address, xid) = (reachable(address), seed as u32);
        null(socket.kind, address, xid).map(|message| (xid, message))
    });
    match asked {
        Ok((xid, message)) => matches!(
            reply::read(xid, &message),
            Some(Reply::Success(_) | Reply::Refused(Refusal::Version { .. }))
        ),
        Err(error) => {
            log::debug!("no portmapper answers at {address}: {error}");
            false
        }
    }
}

/// Calls the procedure that does nothing.
fn null(kind: Kind, address: SocketAddr, xid: u32) -> io::Result<Vec<u8>> {
    let call = Call::null(2);
    if kind == Kind::Udp {
        let asked = udp::ask(address, &call, xid, ReplyFrom::There, &[PATIENCE; 2]);
        asked.result.map(|answer| answer.message)
    } else {
        Connection::tcp(address, PATIENCE)?.ask(&call, xid, PATIENCE)
    }
}
