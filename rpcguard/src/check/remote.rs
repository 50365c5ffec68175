//! Asks whether another host's portmapper is exposed.
//!
//! Each probe is a call that changes nothing and that any client may make; how many there are is
//! bounded.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rpcguard_common::parse::Transport;

use super::{
    AddressReport, HostReport, Outcome, Probe, ProbeResult, probe::answered, reachable::reachable,
    unreachable, verdict::Finding,
};
use crate::{
    error::{Doing as _, Error, Result},
    policy::PORTMAPPER_PORT,
    portmapper::{Asked, Call, Connection, ReplyFrom, ask, source_address},
    sys::{own_firewall::lets_out, random},
};

/// The most addresses of a host that are asked.
pub const MAX_ADDRESSES: usize = 8;

/// The most datagrams that are sent to an address without a relay: seven probes, four times each.
pub const MAX_DATAGRAMS: usize = (UDP_PROBES.len() + 1) * ATTEMPTS;

/// The most TCP connections to an address, with a call on each: some servers take one call and go.
pub const MAX_CALLS: usize = TCP_PROBES.len();

/// How long answers are waited for if nothing else is asked for. `rpcinfo` waits a minute.
pub const WAIT: Duration = Duration::from_secs(15);

/// How often each datagram is sent.
const ATTEMPTS: usize = 4;

/// How long mountd and NFS are waited for, at most.
const SERVICE_WAIT: Duration = Duration::from_secs(3);

/// The questions over UDP: those that matter most first, where a host answers but a few. Linux
/// reports a closed port for six datagrams at once, and for no more.
const UDP_PROBES: [Probe; 6] = [
    Probe::Dump(4),
    Probe::Dump(3),
    Probe::Dump(2),
    Probe::Statistics,
    Probe::Null,
    Probe::NullBeside,
];

/// The questions over TCP. Calls are relayed for UDP alone (RFC 1833 section 2.2.2).
const TCP_PROBES: [Probe; 5] = [
    Probe::Dump(4),
    Probe::Dump(3),
    Probe::Dump(2),
    Probe::Statistics,
    Probe::Null,
];

/// How a host is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// How long answers are waited for.
    pub wait: Duration,
    /// Whether to ask for a call to be relayed, which kills rpcbind up to 0.2.1.
    pub relay: bool,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            wait: WAIT,
            relay: false,
        }
    }
}

impl Asking {
    /// How long each datagram is waited for before the next one: a fifteenth of all at first, and
    /// twice as long each time.
    fn waits(self) -> [Duration; ATTEMPTS] {
        [1, 2, 4, 8].map(|part| self.wait * part / 15)
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
    // The C library takes it for octal, and a notice that pads with zeros means decimal.
    let is_padded = |part: &str| part.len() > 1 && part.starts_with('0');
    let is_numeric = bare
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_numeric && bare.split('.').any(is_padded) {
        return Err(failed(
            "numbers that begin with 0 can be read in two ways".to_owned(),
        ));
    }
    let found = (bare, PORTMAPPER_PORT).to_socket_addrs();
    let found = found.map_err(|error| failed(error.to_string()))?;
    let mut seen = BTreeSet::new();
    // `::ffff:192.0.2.1` is an IPv4 address.
    let canonical = found.map(|mut address| {
        address.set_ip(address.ip().to_canonical());
        address
    });
    let addresses: Vec<_> = canonical.filter(|address| seen.insert(*address)).collect();
    if addresses.is_empty() {
        return Err(failed("it has none".to_owned()));
    }
    // Replies are taken from anywhere: each of the group would be asked, and taken for the others.
    if addresses.iter().any(|address| address.ip().is_multicast()) {
        return Err(failed("a multicast address is no host's".to_owned()));
    }
    Ok(addresses)
}

/// Asks the portmapper of a host, at all its addresses at once: at most [`MAX_ADDRESSES`], and at
/// each at most [`MAX_DATAGRAMS`] and [`MAX_CALLS`] connections; then mountd and NFS, if they are
/// registered. It takes as long as [`Asking::wait`], and as long again for each further question.
///
/// # Errors
///
/// If the kernel gives no random numbers.
pub fn remote(host: &str, addresses: &[SocketAddr], asking: Asking) -> Result<HostReport> {
    let started = SystemTime::now();
    let asked = &addresses[..addresses.len().min(MAX_ADDRESSES)];
    let reports: Vec<AddressReport> = thread::scope(|scope| {
        let threads: Vec<_> = asked
            .iter()
            .map(|address| scope.spawn(move || ask_address(*address, asking)))
            .collect();
        threads.into_iter().map(joined).collect::<Result<_>>()
    })?;
    Ok(HostReport {
        host: host.to_owned(),
        asking,
        started,
        finished: SystemTime::now(),
        addresses: reports,
        more_addresses: addresses.len() - asked.len(),
    })
}

/// Returns the result of a thread.
pub(super) fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let finished = thread.join();
    finished.unwrap_or_else(|_| Err("a probe panicked").doing("ask a portmapper"))
}

fn ask_address(address: SocketAddr, asking: Asking) -> Result<AddressReport> {
    let mut report = AddressReport {
        address: address.ip(),
        vantage: None,
        probes: Vec::new(),
        services: Vec::new(),
    };
    match source_address(address) {
        Ok(vantage) => report.vantage = Some(vantage),
        Err(error) => {
            let outcome = Outcome::Failed(error.to_string());
            report.probes = not_asked(address, &outcome, asking);
            return Ok(report);
        }
    }
    let over_udp = |probe, port| {
        let mut there = address;
        there.set_port(port);
        ask_over_udp(there, probe, report.vantage, &asking.waits())
    };
    let (udp, tcp) = thread::scope(|scope| {
        let tcp = scope.spawn(|| ask_over_tcp(address, asking.wait));
        let udp: Vec<_> = UDP_PROBES
            .into_iter()
            .map(|probe| scope.spawn(move || over_udp(probe, address.port())))
            .collect();
        let udp = udp.into_iter().map(joined).collect::<Result<Vec<_>>>();
        (udp, joined(tcp))
    });
    let (mut probes, mut tcp) = (udp?, tcp?);
    // It is asked only if all others showed nothing, since rpcbind makes a note of it.
    let seen: Vec<_> = probes
        .iter()
        .map(|probe| probe.seen(address.is_ipv6()))
        .collect();
    if Finding::of(&seen) < Finding::Tells && probes.iter().any(|probe| probe.answer().is_some()) {
        probes.push(over_udp(Probe::AddressList, address.port())?);
    }
    // It comes last: a portmapper that dies of it has answered everything else.
    if asking.relay {
        probes.push(over_udp(Probe::Relay, address.port())?);
    }
    // rpcbind answers on the port that it relays calls from as it does on its own.
    let relay = probes.iter().find_map(|probe| {
        let port = probe.answer()?.from.port();
        (probe.probe == Probe::Relay && port != address.port()).then_some(port)
    });
    if let Some(port) = relay {
        probes.push(over_udp(Probe::DumpOfRelay, port)?);
    }
    // Why a connection cannot be made, the kernel says by an error number alone, its own errors
    // included.
    if let Some(own) = probes.iter().find(|probe| is_failed(probe)) {
        for probe in &mut tcp {
            if matches!(probe.outcome, Outcome::Rejected(_)) && !connected(probe) {
                probe.outcome = own.outcome.clone();
            }
        }
    }
    probes.append(&mut tcp);
    report.probes = probes;
    if let Some(list) = report.registrations() {
        let wait = asking.wait.min(SERVICE_WAIT);
        report.services = reachable(address, &list.entries, wait)?;
    }
    Ok(report)
}

fn udp_probes(asking: Asking) -> impl Iterator<Item = Probe> {
    let relay = asking.relay.then_some(Probe::Relay);
    UDP_PROBES.into_iter().chain(relay)
}

const fn is_failed(probe: &ProbeResult) -> bool {
    matches!(probe.outcome, Outcome::Failed(_))
}

/// Whether the call was sent over the connection.
const fn connected(probe: &ProbeResult) -> bool {
    probe.attempts != 0
}

/// All probes of an address to which there is no way.
fn not_asked(address: SocketAddr, outcome: &Outcome, asking: Asking) -> Vec<ProbeResult> {
    let result = |transport| {
        move |probe: Probe| {
            let call = probe.call(address.is_ipv6());
            ProbeResult {
                probe,
                version: call.version(),
                transport,
                port: address.port(),
                started: SystemTime::now(),
                attempts: 0,
                request_len: Connection::request_len(&call),
                outcome: outcome.clone(),
            }
        }
    };
    udp_probes(asking)
        .map(result(Transport::Udp))
        .chain(TCP_PROBES.into_iter().map(result(Transport::Tcp)))
        .collect()
}

/// A question that was sent.
pub(super) struct Sent<'a> {
    pub(super) probe: Probe,
    pub(super) call: &'a Call,
    pub(super) xid: u32,
}

fn ask_over_udp(
    address: SocketAddr,
    probe: Probe,
    vantage: Option<IpAddr>,
    waits: &[Duration],
) -> Result<ProbeResult> {
    let call = probe.call(address.is_ipv6());
    let xid = random::seed()? as u32;
    let started = SystemTime::now();
    let asked = ask(address, &call, xid, ReplyFrom::Anywhere, waits);
    let sent = Sent {
        probe,
        call: &call,
        xid,
    };
    Ok(ProbeResult {
        probe,
        version: call.version(),
        transport: Transport::Udp,
        port: address.port(),
        started,
        attempts: asked.attempts,
        request_len: asked.request_len,
        outcome: datagram_outcome(&sent, asked, address.ip(), vantage),
    })
}

/// Returns the outcome of a question over UDP to `address`, asked from `vantage`.
pub(super) fn datagram_outcome(
    sent: &Sent<'_>,
    asked: Asked,
    address: IpAddr,
    vantage: Option<IpAddr>,
) -> Outcome {
    use std::io::ErrorKind as Kind;
    match (asked.result, asked.reported) {
        (Ok(answer), _) => answered(
            sent.probe,
            sent.call,
            sent.xid,
            &answer.message,
            answer.from,
            answer.took,
        ),
        (Err(_), Some(reported)) => unreachable::outcome(&reported, address, vantage),
        (Err(error), None) => match error.kind() {
            Kind::TimedOut => Outcome::Silent,
            Kind::InvalidData => Outcome::Garbage(error.to_string()),
            // An error of this host itself: EPERM is what its own firewall says.
            _ => Outcome::Failed(error.to_string()),
        },
    }
}

/// Asks each question on a connection of its own, if there is a first one: nothing else would come
/// of the others.
fn ask_over_tcp(address: SocketAddr, wait: Duration) -> Result<Vec<ProbeResult>> {
    let deadline = Instant::now() + wait;
    let (mut first, failed) = match Connection::tcp(address, wait) {
        Ok(connection) => (Some(connection), None),
        Err(error) => (None, Some(not_connected(address, &error))),
    };
    thread::scope(|scope| {
        let threads = TCP_PROBES.map(|probe| {
            let (connection, failed) = (first.take(), failed.clone());
            scope.spawn(move || match failed {
                Some(outcome) => ask_on_connection(address, probe, |_, _| (0, outcome)),
                None => ask_on_connection(address, probe, |call, xid| {
                    ask_once(address, (probe, call, xid), connection, deadline)
                }),
            })
        });
        threads.into_iter().map(joined).collect()
    })
}

/// Returns the outcome where no connection is made. This host itself may be why.
fn not_connected(address: SocketAddr, error: &io::Error) -> Outcome {
    let outcome = Outcome::of_error(error);
    if matches!(outcome, Outcome::Failed(_)) {
        return outcome;
    }
    match lets_out(address) {
        Ok(Some(true) | None) => outcome,
        Ok(Some(false)) => {
            Outcome::Failed("TCP to there does not leave this host: its own firewall".to_owned())
        }
        // Its own routes, if it comes before anything is sent.
        Err(error) => Outcome::Failed(format!("{error}, says this host itself")),
    }
}

fn ask_on_connection(
    address: SocketAddr,
    probe: Probe,
    ask: impl FnOnce(&Call, u32) -> (u32, Outcome),
) -> Result<ProbeResult> {
    let call = probe.call(address.is_ipv6());
    let xid = random::seed()? as u32;
    let started = SystemTime::now();
    let (attempts, outcome) = ask(&call, xid);
    Ok(ProbeResult {
        probe,
        version: call.version(),
        transport: Transport::Tcp,
        port: address.port(),
        started,
        attempts,
        request_len: Connection::request_len(&call),
        outcome,
    })
}

/// Asks on this connection, or on a new one; returns how often the question was sent, and the
/// outcome.
fn ask_once(
    address: SocketAddr,
    (probe, call, xid): (Probe, &Call, u32),
    connection: Option<Connection>,
    deadline: Instant,
) -> (u32, Outcome) {
    // A time of nought is no time-out.
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        left.max(Duration::from_millis(1))
    };
    let connection = connection.map_or_else(|| Connection::tcp(address, left()), Ok);
    let mut connection = match connection {
        Ok(connection) => connection,
        Err(error) => return (0, Outcome::of_error(&error)),
    };
    let begun = Instant::now();
    let outcome = match connection.ask(call, xid, left()) {
        Ok(message) => answered(probe, call, xid, &message, address, begun.elapsed()),
        Err(error) => Outcome::of_error(&error),
    };
    (1, outcome)
}
