//! Whether anything still has port 111.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use rpcguard_common::parse::Transport;

use super::{DisableError, Holders, Machine};
use crate::{
    check::transport_name,
    error::Result,
    policy::PORTMAPPER_PORT,
    sockets::{Address, Inventory, Kind},
};

/// How long what was ended may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often to look whether it is.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long a probe over loopback is waited for: it is refused at once, or a filter swallows it.
const SILENCE: Duration = Duration::from_millis(500);

/// A socket that is bound to the portmapper's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its protocol.
    pub transport: Transport,
    /// Where it listens.
    pub address: SocketAddr,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", transport_name(self.transport), self.address)
    }
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing is there.
    Refused,
    /// Something is.
    Open,
    /// There is no such address here: the protocol is switched off.
    NoAddress,
    /// Nothing came back.
    Silent,
}

impl Answer {
    /// It in one word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Open => "open",
            Self::NoAddress => "no_address",
            Self::Silent => "silent",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Open => "open",
            Self::NoAddress => "no such address here",
            Self::Silent => "no answer",
        })
    }
}

/// A probe, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What it was sent over.
    pub transport: Transport,
    /// Where to.
    pub address: SocketAddr,
    /// What came back.
    pub answer: Answer,
}

/// Tries to reach port 111 over loopback: over UDP and TCP, over IPv4 and IPv6.
#[must_use]
pub fn probe() -> Vec<Probe> {
    probe_port(PORTMAPPER_PORT)
}

fn probe_port(port: u16) -> Vec<Probe> {
    let addresses = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    [Transport::Udp, Transport::Tcp]
        .into_iter()
        .flat_map(|transport| addresses.map(|address| (transport, address)))
        .map(|(transport, address)| {
            let address = SocketAddr::new(address, port);
            let result = match transport {
                Transport::Udp => over_udp(address),
                Transport::Tcp => TcpStream::connect_timeout(&address, SILENCE).map(drop),
            };
            Probe {
                transport,
                address,
                answer: answer(result),
            }
        })
        .collect()
}

/// An empty datagram, which no portmapper answers: it is about the ICMP error of a port without a
/// socket.
fn over_udp(address: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind((unspecified(address), 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(SILENCE))?;
    socket.send(&[])?;
    socket.recv(&mut [0; 16]).map(drop)
}

fn unspecified(address: SocketAddr) -> IpAddr {
    if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    }
}

fn answer(result: io::Result<()>) -> Answer {
    match result {
        Ok(()) => Answer::Open,
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Answer::Refused,
            io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::Unsupported => Answer::NoAddress,
            // Of a kind without a name: the kernel has no IPv6.
            _ if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => Answer::NoAddress,
            _ => Answer::Silent,
        },
    }
}

/// The sockets of this network namespace that wait on port 111, whatever their address.
///
/// # Errors
///
/// If /proc cannot be read.
pub fn listeners() -> Result<Vec<Listener>> {
    listeners_on(PORTMAPPER_PORT)
}

fn listeners_on(port: u16) -> Result<Vec<Listener>> {
    // Which processes have them is for [`Holders`] to tell.
    let sockets = Inventory::of_portmappers()?.sockets.into_iter();
    Ok(sockets
        .filter_map(|socket| listener(socket.kind, &socket.address))
        .filter(|listener| listener.address.port() == port)
        .collect())
}

/// A socket as a listener; `None` for one of the file system.
pub(super) const fn listener(kind: Kind, address: &Address) -> Option<Listener> {
    let (transport, address) = match (kind, address) {
        (Kind::Udp, Address::Ip(address)) => (Transport::Udp, *address),
        (Kind::Tcp, Address::Ip(address)) => (Transport::Tcp, *address),
        _ => return None,
    };
    Some(Listener { transport, address })
}

/// Waits for the port to be nobody's, and tries to reach it; `shared` are socket units that have
/// other ports as well.
pub(super) fn closed(machine: &Machine, shared: &[String]) -> Result<Vec<Probe>> {
    let begun = Instant::now();
    loop {
        let mut open = listeners()?;
        if open.is_empty() {
            let probes = probe();
            let reached = probes.iter().filter(|probe| probe.answer == Answer::Open);
            open.extend(reached.map(|probe| Listener {
                transport: probe.transport,
                address: probe.address,
            }));
            if open.is_empty() {
                return Ok(probes);
            }
        }
        if begun.elapsed() >= PATIENCE {
            let mut holders = Holders::find(machine)?;
            if holders.is_empty() {
                // No socket here, and yet an answer: it is forwarded elsewhere.
                holders.unseen = open;
            }
            return Err(DisableError::StillOpen(holders.described(shared)).into());
        }
        thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_refused_unless_something_is_there() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        let answer = |transport| {
            let probes = probe_port(port).into_iter();
            probes
                .filter(|probe| probe.address.is_ipv4())
                .find(|probe| probe.transport == transport)
                .map(|probe| probe.answer)
        };
        assert_eq!(answer(Transport::Udp), Some(Answer::Silent));
        assert_eq!(answer(Transport::Tcp), Some(Answer::Refused));
        let expected = Listener {
            transport: Transport::Udp,
            address: udp.local_addr().unwrap(),
        };
        assert_eq!(listeners_on(port).unwrap(), [expected]);
        drop(udp);
        assert_eq!(answer(Transport::Udp), Some(Answer::Refused));
        if let Ok(tcp) = TcpListener::bind(("127.0.0.1", port)) {
            assert_eq!(answer(Transport::Tcp), Some(Answer::Open));
            let found = listeners_on(port).unwrap();
            assert!(
                found
                    .iter()
                    .any(|found| found.address == tcp.local_addr().unwrap()),
                "{found:?}"
            );
        }
    }
}
