//! Asks whether another host's portmapper is exposed.
//!
//! Each probe is a call that changes nothing and that any client may make; how many there are is bounded.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rpcguard_common::parse::Transport;

use super::{AddressReport, HostReport, Outcome, Probe, ProbeResult, probe::answered};
use crate::{
    error::{Doing as _, Error, Result},
    policy::PORTMAPPER_PORT,
    portmapper::{Asked, Connection, ReplyFrom, ask},
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
