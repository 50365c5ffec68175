//! Whether anything still has port 111.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use super::{DisableError, Machine};
use crate::policy::PORTMAPPER_PORT;

/// How long what was ended may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often to look whether it is.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long a probe over loopback is waited for: it is refused at once, or a filter swallows it.
const SILENCE: Duration = Duration::from_millis(500);

/// What a probe was sent over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

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
        write!(f, "{} {}", self.transport, self.address)
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

/// An empty datagram, which no portmapper answers: it is about the ICMP error of a port without a socket.
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

/// The sockets of this network namespace that are bound to port 111, whatever their address.
#[must_use]
pub fn listeners(machine: &Machine) -> Vec<Listener> {
    listeners_on(machine, PORTMAPPER_PORT)
}

fn listeners_on(machine: &Machine, port: u16) -> Vec<Listener> {
    [
        ("tcp", Transport::Tcp),
        ("tcp6", Transport::Tcp),
        ("udp", Transport::Udp),
        ("udp6", Transport::Udp),
    ]
    .into_iter()
    .flat_map(|(file, transport)| {
        let text = machine.text(format!("proc/net/{file}"));
        let lines: Vec<_> = text
            .lines()
            .skip(1)
            .filter_map(|line| bound(line, transport))
            .collect();
        lines
    })
    .filter(|listener| listener.address.port() == port)
    .collect()
}

/// A line of proc_net_tcp(5): number, local address, remote address, state. Addresses are words of the
/// machine's byte order in hexadecimal.
fn bound(line: &str, transport: Transport) -> Option<Listener> {
    const TCP_LISTEN: &str = "0A";
    let mut fields = line.split_whitespace().skip(1);
    let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
    if transport == Transport::Tcp && state != TCP_LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let words: Option<Vec<_>> = address
        .as_bytes()
        .chunks(8)
        .map(|digits| {
            let digits = str::from_utf8(digits).ok()?;
            (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok())?
        })
        .collect();
    let bytes: Vec<_> = words?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => IpAddr::from(bytes),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?),
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener {
        transport,
        address: SocketAddr::new(address, port),
    })
}

/// Waits for the port to be nobody's, and tries to reach it.
pub(super) fn closed(machine: &Machine) -> Result<Vec<Probe>, DisableError> {
    let begun = Instant::now();
    loop {
        let mut open = listeners(machine);
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
            return Err(DisableError::StillOpen(open));
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
        let machine = Machine::new("/");
        let expected = Listener {
            transport: Transport::Udp,
            address: udp.local_addr().unwrap(),
        };
        assert_eq!(listeners_on(&machine, port), [expected]);
        drop(udp);
        assert_eq!(answer(Transport::Udp), Some(Answer::Refused));
        if let Ok(tcp) = TcpListener::bind(("127.0.0.1", port)) {
            assert_eq!(answer(Transport::Tcp), Some(Answer::Open));
            let found = listeners_on(&machine, port);
            assert!(
                found
                    .iter()
                    .any(|found| found.address == tcp.local_addr().unwrap()),
                "{found:?}"
            );
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn sockets_are_read_from_proc() {
        let shown = |line: &str, transport| bound(line, transport).map(|found| found.to_string());
        for (line, transport, expected) in [
            (
                "   0: 00000000:006F 00000000:0000 0A 00000000:00000000 00:00000000",
                Transport::Tcp,
                Some("TCP 0.0.0.0:111"),
            ),
            (
                "   1: 0100007F:006F 0100007F:D431 01 00000000:00000000 02:000AF",
                Transport::Tcp,
                None,
            ),
            (
                "  12: 00000000000000000000000001000000:006F 0:0000 07 00000000:00000000",
                Transport::Udp,
                Some("UDP [::1]:111"),
            ),
            ("  12: 0000:006F 0:0000 07", Transport::Udp, None),
            ("  12: é0000000:006F 0:0000 07", Transport::Udp, None),
            ("", Transport::Udp, None),
        ] {
            assert_eq!(shown(line, transport).as_deref(), expected, "{line}");
        }
    }
}
