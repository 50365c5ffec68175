//! On which of its other ports the portmapper answers: each is asked.
//!
//! A port of the portmapper's process need not serve its clients: it may be one from which the
//! process itself asks others, and another program may get the same number later. Only ports on
//! which it was heard are guarded, or named in a hint.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use super::{Call, Connection, Refusal, Reply, ReplyFrom, reply, udp};
use crate::{
    error::Result,
    sockets::{Address, Inventory, Kind, ListeningSocket, Reach},
    sys::random,
};

/// How long each of two attempts waits: a portmapper on this host answers in less than a
/// millisecond.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many sockets are asked at most: rpcbind has two.
const MAX_SOCKETS: usize = 16;

/// When to ask again where nothing answered.
const AGAIN: Duration = Duration::from_secs(15);

/// One socket of one process: numbers of both are used again.
type Key = (u64, u32, u64);

/// The other sockets of the portmapper that were asked. Keep it to ask each only once.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    asked: BTreeMap<Key, (Instant, bool)>,
}

/// The UDP ports on which the portmapper answers other hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UdpPorts {
    /// All of them.
    pub answering: BTreeSet<u16>,
    /// 111, and those that a guard of UDP may have without harm to others.
    pub(crate) of_udp: BTreeSet<u16>,
    /// As these, for a guard of TCP as well.
    pub(crate) of_both: BTreeSet<u16>,
}

impl UdpPorts {
    /// Those that a guard may have without harm to others; `tcp` is whether it guards TCP as well.
    #[must_use]
    pub const fn for_guard(&self, tcp: bool) -> &BTreeSet<u16> {
        if tcp { &self.of_both } else { &self.of_udp }
    }

    /// Those that such a guard leaves alone: others could need them.
    #[must_use]
    pub fn left_alone(&self, tcp: bool) -> BTreeSet<u16> {
        let guarded = self.for_guard(tcp);
        self.answering.difference(guarded).copied().collect()
    }
}

impl Heard {
    /// Returns the UDP ports of this network namespace on which the portmapper can be reached from
    /// outside: 111, and those of its other ports on which it was heard. Asks those that have not
    /// been asked.
    ///
    /// # Errors
    ///
    /// If /proc cannot be read.
    pub fn udp_ports(&mut self) -> Result<UdpPorts> {
        // To look into every process takes long where there are many.
        let inventory = Inventory::of_portmappers()?;
        self.ask(&inventory);
        Ok(self.udp_ports_of(&inventory))
    }

    /// As [`Heard::udp_ports`], of what is known already.
    #[must_use]
    pub fn udp_ports_of(&self, inventory: &Inventory) -> UdpPorts {
        let of_udp = |ports: BTreeSet<(Kind, u16)>| {
            let ports = ports.into_iter().filter(|(kind, _)| *kind == Kind::Udp);
            ports.map(|(_, port)| port).collect()
        };
        UdpPorts {
            answering: of_udp(self.answering(inventory)),
            of_udp: of_udp(self.guardable(inventory, false)),
            of_both: of_udp(self.guardable(inventory, true)),
        }
    }

    /// The ports on which the portmapper answers other hosts, as far as is known.
    #[must_use]
    pub fn answering(&self, inventory: &Inventory) -> BTreeSet<(Kind, u16)> {
        self.ports(inventory, |_| true)
    }

    /// Those of them that can be guarded without harm to others: 111, and those that are the
    /// portmapper's alone. `tcp` is whether TCP is guarded as well.
    #[must_use]
    pub fn guardable(&self, inventory: &Inventory, tcp: bool) -> BTreeSet<(Kind, u16)> {
        self.ports(inventory, |socket| {
            inventory.is_portmappers_alone(socket, tcp)
        })
    }

    /// 111, and others on which the portmapper was heard.
    fn ports(
        &self,
        inventory: &Inventory,
        counts: impl Fn(&ListeningSocket) -> bool,
    ) -> BTreeSet<(Kind, u16)> {
        let others = inventory.portmapper_extra();
        let others = others.filter(|socket| self.has(socket) && counts(socket));
        let sockets = inventory.portmapper().chain(others);
        sockets
            .filter(|socket| socket.reach() == Reach::Outside)
            .filter_map(|socket| Some((socket.kind, socket.port()?)))
            .collect()
    }

    /// Asks the other sockets of the portmapper that have not been asked, with NULL, at an address
    /// of this host. It takes a second at most.
    pub fn ask(&mut self, inventory: &Inventory) {
        let now = Instant::now();
        let present: BTreeSet<Key> = inventory.portmapper_extra().filter_map(key).collect();
        self.asked.retain(|key, _| present.contains(key));
        let new: Vec<(Key, &ListeningSocket)> = inventory
            .portmapper_extra()
            .filter(|socket| !self.is_known(socket))
            .filter_map(|socket| Some((key(socket)?, socket)))
            .take(MAX_SOCKETS)
            .collect();
        let answers = thread::scope(|scope| {
            let asking: Vec<_> = new
                .iter()
                .map(|(_, socket)| scope.spawn(|| answers(socket)))
                .collect();
            let answers = asking.into_iter().map(ScopedJoinHandle::join);
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

    /// Whether there is no need to ask this one now.
    fn is_known(&self, socket: &ListeningSocket) -> bool {
        key(socket)
            .and_then(|key| self.asked.get(&key))
            .is_some_and(|(at, answered)| *answered || at.elapsed() < AGAIN)
    }
}

fn key(socket: &ListeningSocket) -> Option<Key> {
    let mut processes = socket.processes.iter();
    let process = processes.find(|process| process.runs_portmapper)?;
    Some((socket.inode, process.pid, process.started))
}

/// Where to ask another socket of the portmapper.
///
/// rpcbind relays calls from that socket, and sends what it relays from the address that the socket
/// was last asked at. After a question over loopback, clients elsewhere would get no reply: it is
/// asked at an address that they may use, as long as there is one. The packet stays on this host.
fn outward(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let ip = source_of_default_route(address.is_ipv6()).or_else(|| own_address(address.is_ipv6()));
    ip.map_or_else(
        || reachable(address),
        |ip| SocketAddr::new(ip, address.port()),
    )
}

/// The address that packets to hosts far away are sent from. Nothing is sent.
fn source_of_default_route(ipv6: bool) -> Option<IpAddr> {
    // Of the networks for documentation (RFC 5737, RFC 3849).
    let (any, far) = if ipv6 {
        ("[::]:0", "[2001:db8::]:9")
    } else {
        ("0.0.0.0:0", "198.51.100.1:9")
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(far).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Some address that hosts elsewhere may know.
fn own_address(ipv6: bool) -> Option<IpAddr> {
    let mut addresses = if_addrs::get_if_addrs().ok()?.into_iter();
    addresses
        .find(|found| {
            !found.is_loopback() && !found.is_link_local() && found.ip().is_ipv6() == ipv6
        })
        .map(|found| found.ip())
}

/// Where to ask a socket that listens at this address, over loopback.
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
        let (address, xid) = (outward(address), seed as u32);
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

#[cfg(test)]
mod tests {
    use std::{
        net::UdpSocket,
        thread::{self, JoinHandle},
        time::{Duration, Instant},
    };

    use super::{Heard, PATIENCE};
    use crate::{
        portmapper::xdr::words,
        sockets::{Address, Inventory, Kind, ListeningSocket, Process},
    };

    fn portmapper() -> Process {
        Process {
            pid: 50,
            started: 1000,
            runs_portmapper: true,
            ..Process::default()
        }
    }

    fn udp(address: &str, inode: u64) -> ListeningSocket {
        ListeningSocket {
            kind: Kind::Udp,
            address: Address::Ip(address.parse().unwrap()),
            inode,
            processes: vec![portmapper()],
        }
    }

    fn inventory(sockets: Vec<ListeningSocket>) -> Inventory {
        Inventory {
            sockets,
            complete: true,
            ..Inventory::default()
        }
    }

    /// Answers one call with an accepted reply whose id is so far off, and says whether another
    /// came.
    fn server(off: u32, status: u32) -> (String, JoinHandle<bool>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        socket.set_read_timeout(Some(4 * PATIENCE)).unwrap();
        let served = thread::spawn(move || {
            let mut call = [0; 64];
            let (_, client) = socket.recv_from(&mut call).unwrap();
            let xid = u32::from_be_bytes(*call.first_chunk().unwrap());
            let reply = words(&[xid.wrapping_add(off), 1, 0, 0, 0, status]);
            socket.send_to(&reply, client).unwrap();
            socket.recv_from(&mut call).is_ok()
        });
        (address, served)
    }

    #[test]
    fn a_port_counts_once_the_portmapper_was_heard_there() {
        const NO_SUCH_PROGRAM: u32 = 1;
        let (portmapper, served) = server(0, 0);
        let (other, _) = server(0, NO_SUCH_PROGRAM);
        let (liar, _) = server(1, 0);
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent = silent.local_addr().unwrap().to_string();
        let found = inventory(vec![
            udp("0.0.0.0:111", 1),
            udp(&portmapper, 2),
            udp(&other, 3),
            udp(&liar, 4),
            udp(&silent, 5),
        ]);
        let heard_at = |heard: &Heard| -> Vec<u64> {
            let heard = found.portmapper_extra().filter(|socket| heard.has(socket));
            heard.map(|socket| socket.inode).collect()
        };
        let mut heard = Heard::default();
        let started = Instant::now();
        heard.ask(&found);
        assert!(started.elapsed() < 3 * PATIENCE);
        assert_eq!(heard_at(&heard), [2]);
        // Not asked again.
        let started = Instant::now();
        heard.ask(&found);
        assert!(started.elapsed() < Duration::from_millis(100));
        assert!(!served.join().unwrap());
        // Another process, or another socket of this one, was not heard.
        let mut other = found.clone();
        other.sockets[1].processes[0].started += 1;
        assert!(!heard.has(&other.sockets[1]));
        other = found.clone();
        other.sockets[1].inode += 100;
        assert!(!heard.has(&other.sockets[1]));
    }

    #[test]
    fn ports_of_others_and_below_1024_are_left_alone_though_it_was_heard_there() {
        let mut heard = Heard::default();
        let mut found = inventory(vec![
            udp("0.0.0.0:111", 1),
            udp("0.0.0.0:836", 2),
            udp("0.0.0.0:50000", 3),
            udp("0.0.0.0:50001", 4),
            udp("127.0.0.1:50002", 5),
            udp("0.0.0.0:50003", 6),
        ]);
        for socket in &found.sockets[1..5] {
            let key = super::key(socket).unwrap();
            heard.asked.insert(key, (Instant::now(), true));
        }
        let mut theirs = udp("[::1]:50001", 7);
        theirs.processes[0] = Process::default();
        found.sockets.push(theirs);
        let ports = heard.udp_ports_of(&found);
        assert_eq!(ports.answering, [111, 836, 50_000, 50_001].into());
        assert_eq!(*ports.for_guard(false), [111, 50_000].into());
        assert_eq!(ports.left_alone(false), [836, 50_001].into());
        // Who listens there in TCP keeps it only from a guard of TCP.
        let mut theirs = udp("127.0.0.1:50000", 8);
        (theirs.kind, theirs.processes) = (Kind::Tcp, Vec::new());
        found.sockets.push(theirs);
        let ports = heard.udp_ports_of(&found);
        assert_eq!(*ports.for_guard(false), [111, 50_000].into());
        assert_eq!(ports.left_alone(true), [836, 50_000, 50_001].into());
    }

    #[test]
    fn a_port_bound_to_no_address_is_asked_where_clients_would_ask_it() {
        let asked = |address: &str| super::outward(address.parse().unwrap());
        assert_eq!(asked("192.0.2.1:5"), "192.0.2.1:5".parse().unwrap());
        let own = asked("0.0.0.0:5");
        assert!(!own.ip().is_unspecified() && own.port() == 5);
        assert!(UdpSocket::bind((own.ip(), 0)).is_ok(), "{own}");
    }
}
