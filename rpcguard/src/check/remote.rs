//! Asks whether another host's portmapper is exposed.
//!
//! Each probe is a call that changes nothing and that any client may make; how many there are is bounded.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rpcguard_common::parse::Transport;

use super::{Verdict, wire_len};
use crate::{
    error::{Doing as _, Error, Result},
    policy::PORTMAPPER_PORT,
    portmapper::{Asked, Call, Connection, Registrations, Reply, ReplyFrom, ask, read_reply},
    sys::random,
};

/// So many addresses of a host are asked.
pub const MAX_ADDRESSES: usize = 8;

/// So many datagrams are sent to an address, at most: eight probes, each three times.
pub const MAX_DATAGRAMS: usize = (UDP_PROBES.len() + 1) * WAITS.len();

/// So many calls are made over the one TCP connection to an address, at most.
pub const MAX_CALLS: usize = TCP_PROBES.len();

/// How long each datagram is waited for before the next one, which together is how long a probe takes.
const WAITS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_millis(1000),
    Duration::from_millis(1500),
];

/// How long a connection may take. Linux asks for it again after a second; since 6.5, after each.
const CONNECT: Duration = Duration::from_millis(2500);

/// How long a call on it may take.
const CALL: Duration = Duration::from_millis(1500);

/// How long all calls on it may take together.
const CALLS: Duration = Duration::from_millis(4500);

/// What is asked over UDP.
const UDP_PROBES: [Probe; 7] = [
    Probe::Null,
    Probe::Dump(2),
    Probe::Dump(3),
    Probe::Dump(4),
    Probe::Statistics,
    Probe::Address,
    Probe::Relay,
];

/// What is asked over TCP. Calls are relayed for UDP alone (RFC 1833 section 2.2.2).
const TCP_PROBES: [Probe; 6] = [
    Probe::Null,
    Probe::Dump(4),
    Probe::Dump(3),
    Probe::Dump(2),
    Probe::Statistics,
    Probe::Address,
];

/// What ICMP errors become that a router or firewall sends (icmp(7), net/ipv6/icmp.c in Linux).
const REJECTIONS: [i32; 2] = [libc::EHOSTUNREACH, libc::EACCES];

/// Something to ask a portmapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    /// The procedure that does nothing.
    Null,
    /// Everything that is registered, in this version of the protocol.
    Dump(u32),
    /// How often each procedure was called.
    Statistics,
    /// Where the portmapper itself is.
    Address,
    /// To relay a call, of the portmapper's own procedure that does nothing.
    Relay,
    /// As [`Probe::Dump`] of version 2 or 3, of the port that relayed calls are answered from.
    DumpOfRelay,
}

impl Probe {
    /// The procedure's name in RFC 1833.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Dump(_) | Self::DumpOfRelay => "DUMP",
            Self::Statistics => "GETSTAT",
            Self::Address => "GETADDR",
            Self::Relay => "CALLIT",
        }
    }

    fn call(self, transport: Transport, ipv6: bool) -> Call {
        // Version 2 knows of no IPv6.
        let oldest = if ipv6 { 3 } else { 2 };
        match self {
            Self::Null => Call::null(oldest),
            Self::Dump(version) => Call::dump(version),
            Self::DumpOfRelay => Call::dump(oldest),
            Self::Statistics => Call::statistics(),
            Self::Address => {
                let netid = match (transport, ipv6) {
                    (Transport::Udp, false) => "udp",
                    (Transport::Udp, true) => "udp6",
                    (Transport::Tcp, false) => "tcp",
                    (Transport::Tcp, true) => "tcp6",
                };
                Call::address(3, netid)
            }
            Self::Relay => Call::relay_null(oldest),
        }
    }
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its payload, in bytes.
    pub len: usize,
    /// Where it came from.
    pub from: SocketAddr,
    /// How long it took.
    pub took: Duration,
    /// Why the call was refused, if it was.
    pub refused: Option<String>,
    /// What is registered, if that was asked.
    pub registrations: Option<Registrations>,
    /// The beginning of the message.
    pub beginning: Vec<u8>,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A reply.
    Answered(Answered),
    /// Nothing.
    Silent,
    /// Nobody listens: an ICMP error or a reset connection said so.
    Closed,
    /// Something on the way, or a firewall, said that it cannot be reached.
    Rejected(String),
    /// Something else than a reply.
    Garbage(String),
    /// It could not be sent.
    Failed(String),
}

impl Outcome {
    /// The word for it in tables and JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Silent => "silent",
            Self::Closed => "closed",
            Self::Rejected(_) => "rejected",
            Self::Garbage(_) => "garbage",
            Self::Failed(_) => "failed",
        }
    }

    fn of_error(error: &io::Error, sent: bool) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::TimedOut => Self::Silent,
            Kind::ConnectionRefused => Self::Closed,
            Kind::InvalidData => Self::Garbage(error.to_string()),
            // As a server does that consults hosts.deny.
            Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe => {
                Self::Rejected("the connection was ended".to_owned())
            }
            // EPERM is what this host's own firewall says.
            _ if sent && REJECTIONS.contains(&error.raw_os_error().unwrap_or_default()) => {
                Self::Rejected(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// A probe, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// What was asked.
    pub probe: Probe,
    /// In which version of the protocol.
    pub version: u32,
    /// How.
    pub transport: Transport,
    /// Which port.
    pub port: u16,
    /// When it was sent first.
    pub started: SystemTime,
    /// How often it was sent.
    pub attempts: u32,
    /// Its payload, in bytes.
    pub request_len: usize,
    /// What came of it.
    pub outcome: Outcome,
}

impl ProbeResult {
    /// The reply, if there is one.
    #[must_use]
    pub const fn answer(&self) -> Option<&Answered> {
        match &self.outcome {
            Outcome::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    /// How many times larger than the request the reply is, of payload and on the wire. Connections do not
    /// amplify: their addresses cannot be forged.
    #[must_use]
    pub fn factors(&self, ipv6: bool) -> Option<[f64; 2]> {
        let answer = self.answer()?;
        (self.transport == Transport::Udp).then(|| {
            let ratio = |reply: usize, request: usize| reply as f64 / request as f64;
            [
                ratio(answer.len, self.request_len),
                ratio(wire_len(answer.len, ipv6), wire_len(self.request_len, ipv6)),
            ]
        })
    }
}

/// What an address answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressReport {
    /// The address.
    pub address: IpAddr,
    /// The address that it was asked from, if it could be asked.
    pub vantage: Option<IpAddr>,
    /// All probes.
    pub probes: Vec<ProbeResult>,
}

impl AddressReport {
    /// Whether the address is one of this host: what it answers over loopback, no guard or firewall sees.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.vantage == Some(self.address)
    }

    /// The most complete list of what is registered.
    #[must_use]
    pub fn registrations(&self) -> Option<&Registrations> {
        let lists = self
            .probes
            .iter()
            .filter_map(|probe| Some((probe, probe.answer()?.registrations.as_ref()?)));
        lists
            .max_by_key(|(probe, list)| (list.entries.len(), probe.version))
            .map(|(_, list)| list)
    }

    /// The probe over UDP whose reply is largest beside its request, and how many times it is, of payload
    /// and on the wire.
    #[must_use]
    pub fn amplification(&self) -> Option<(&ProbeResult, [f64; 2])> {
        self.probes
            .iter()
            .filter_map(|probe| Some((probe, probe.factors(self.address.is_ipv6())?)))
            .max_by(|(_, [a, _]), (_, [b, _])| a.total_cmp(b))
    }

    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let answered: Vec<&ProbeResult> = self
            .probes
            .iter()
            .filter(|probe| probe.answer().is_some())
            .collect();
        if answered.is_empty() {
            let failed = |probe: &ProbeResult| {
                matches!(probe.outcome, Outcome::Failed(_) | Outcome::Garbage(_))
            };
            return if self.probes.is_empty() || self.probes.iter().any(failed) {
                Verdict::Unknown
            } else {
                Verdict::NotExposed
            };
        }
        let listed = self.registrations().is_some();
        let relayed = answered.iter().any(|probe| probe.probe == Probe::Relay);
        let over_tcp = answered
            .iter()
            .any(|probe| probe.transport == Transport::Tcp);
        let amplified = self
            .amplification()
            .is_some_and(|(_, [payload, wire])| payload > 1.0 || wire > 1.0);
        if listed || relayed || over_tcp || amplified {
            Verdict::Exposed
        } else {
            Verdict::Limited
        }
    }
}

/// What a host answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReport {
    /// The host, as it was named.
    pub host: String,
    /// When the first probe was sent.
    pub started: SystemTime,
    /// When the last answer had come, or had been waited for.
    pub finished: SystemTime,
    /// Its addresses.
    pub addresses: Vec<AddressReport>,
    /// How many more there are, which were not asked.
    pub more_addresses: usize,
}

impl HostReport {
    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of_all(self.addresses.iter().map(AddressReport::verdict))
    }
}

/// The addresses of a host, each once.
///
/// # Errors
///
/// If there is none.
pub fn resolve(host: &str) -> Result<Vec<SocketAddr>> {
    let failed = |why: String| Error::NoAddress {
        host: host.to_owned(),
        why,
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let found = (bare, PORTMAPPER_PORT).to_socket_addrs();
    let found = found.map_err(|error| failed(error.to_string()))?;
    let mut seen = BTreeSet::new();
    let addresses: Vec<_> = found.filter(|address| seen.insert(*address)).collect();
    if addresses.is_empty() {
        return Err(failed("it has none".to_owned()));
    }
    Ok(addresses)
}

/// Asks the portmapper of a host, at all its addresses at once: at most [`MAX_ADDRESSES`], and at each at
/// most [`MAX_DATAGRAMS`] and one connection with [`MAX_CALLS`]. It takes at most eight seconds.
///
/// # Errors
///
/// If the kernel gives no random numbers.
pub fn remote(host: &str, addresses: &[SocketAddr]) -> Result<HostReport> {
    let started = SystemTime::now();
    let asked = &addresses[..addresses.len().min(MAX_ADDRESSES)];
    let reports: Vec<AddressReport> = thread::scope(|scope| {
        let threads: Vec<_> = asked
            .iter()
            .map(|address| scope.spawn(|| ask_address(*address)))
            .collect();
        threads.into_iter().map(joined).collect::<Result<_>>()
    })?;
    Ok(HostReport {
        host: host.to_owned(),
        started,
        finished: SystemTime::now(),
        addresses: reports,
        more_addresses: addresses.len() - asked.len(),
    })
}

/// What a thread came to.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let finished = thread.join();
    finished.unwrap_or_else(|_| Err("a probe panicked").doing("ask a portmapper"))
}

fn ask_address(address: SocketAddr) -> Result<AddressReport> {
    let (udp, tcp) = thread::scope(|scope| {
        let tcp = scope.spawn(|| ask_over_tcp(address));
        let udp: Vec<_> = UDP_PROBES
            .into_iter()
            .map(|probe| scope.spawn(move || ask_over_udp(address, probe)))
            .collect();
        let udp = udp.into_iter().map(joined).collect::<Result<Vec<_>>>();
        (udp, joined(tcp))
    });
    let (udp, (tcp, tcp_from)) = (udp?, tcp?);
    let mut vantage = tcp_from;
    let mut probes = Vec::new();
    for (result, from) in udp {
        vantage = vantage.or(from);
        probes.push(result);
    }
    // rpcbind answers on the port that it relays calls from as it does on its own.
    let relay = probes.iter().find_map(|probe| {
        let port = probe.answer()?.from.port();
        (probe.probe == Probe::Relay && port != address.port()).then_some(port)
    });
    if let Some(port) = relay {
        let mut relay = address;
        relay.set_port(port);
        probes.push(ask_over_udp(relay, Probe::DumpOfRelay)?.0);
    }
    probes.extend(tcp);
    Ok(AddressReport {
        address: address.ip(),
        vantage,
        probes,
    })
}

/// The result of a probe, and the address that it was sent from.
type Sent<T> = (T, Option<IpAddr>);

fn ask_over_udp(address: SocketAddr, probe: Probe) -> Result<Sent<ProbeResult>> {
    let call = probe.call(Transport::Udp, address.is_ipv6());
    let xid = random::seed()? as u32;
    let from = match probe {
        Probe::Relay => ReplyFrom::Anywhere,
        _ => ReplyFrom::There,
    };
    let started = SystemTime::now();
    let Asked {
        request_len,
        attempts,
        from,
        result,
    } = ask(address, &call, xid, from, &WAITS);
    let outcome = match result {
        Ok(answer) => answered(probe, &call, xid, &answer.message, answer.from, answer.took),
        Err(error) => Outcome::of_error(&error, attempts != 0),
    };
    let result = ProbeResult {
        probe,
        version: call.version(),
        transport: Transport::Udp,
        port: address.port(),
        started,
        attempts,
        request_len,
        outcome,
    };
    Ok((result, from.map(|from| from.ip())))
}

fn ask_over_tcp(address: SocketAddr) -> Result<Sent<Vec<ProbeResult>>> {
    let mut connection = Connection::tcp(address, CONNECT);
    let from = connection
        .as_ref()
        .ok()
        .and_then(|connection| connection.from);
    let deadline = Instant::now() + CALLS;
    let mut results = Vec::new();
    // Once the connection is no more, it is the same for what was still to be asked.
    let mut broken = connection
        .as_ref()
        .err()
        .map(|error| Outcome::of_error(error, true));
    for probe in TCP_PROBES {
        let call = probe.call(Transport::Tcp, address.is_ipv6());
        let xid = random::seed()? as u32;
        let (started, begun) = (SystemTime::now(), Instant::now());
        let left = deadline.saturating_duration_since(begun);
        let (attempts, outcome) = match (&broken, &mut connection) {
            (None, Ok(connection)) => match connection.ask(&call, xid, left.min(CALL)) {
                Ok(message) => {
                    let took = begun.elapsed();
                    (1, answered(probe, &call, xid, &message, address, took))
                }
                Err(error) => {
                    let outcome = Outcome::of_error(&error, true);
                    broken = Some(outcome.clone());
                    (1, outcome)
                }
            },
            (Some(outcome), _) => (0, outcome.clone()),
            (None, Err(error)) => (0, Outcome::of_error(error, true)),
        };
        results.push(ProbeResult {
            probe,
            version: call.version(),
            transport: Transport::Tcp,
            port: address.port(),
            started,
            attempts,
            request_len: Connection::request_len(&call),
            outcome,
        });
    }
    Ok((results, from.map(|from| from.ip())))
}

fn answered(
    probe: Probe,
    call: &Call,
    xid: u32,
    message: &[u8],
    from: SocketAddr,
    took: Duration,
) -> Outcome {
    const BEGINNING: usize = 64;
    let mut answered = Answered {
        len: message.len(),
        from,
        took,
        refused: None,
        registrations: None,
        beginning: message[..message.len().min(BEGINNING)].to_vec(),
    };
    match read_reply(xid, message) {
        Some(Reply::Success(results)) => {
            if let Probe::Dump(_) | Probe::DumpOfRelay = probe {
                answered.registrations = Registrations::read(call.version(), results);
                if answered.registrations.is_none() {
                    answered.refused = Some("the list is malformed".to_owned());
                }
            }
        }
        Some(Reply::Refused(refusal)) => answered.refused = Some(refusal.to_string()),
        None => return Outcome::Garbage("no reply to the call".to_owned()),
    }
    Outcome::Answered(answered)
}
