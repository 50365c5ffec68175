//! Linux itself as the judge: what it delivers to a guarded port must be the filter's business.
//!
//! A host without filter is sent every frame of the table that fits on a wire. Where its socket
//! receives a datagram for it, a table that expects the packet to be ignored is wrong. It is also
//! sent datagrams in fragments: where they are put together and delivered, the filter must have
//! dropped one of them.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use rpcguard_common::{packet::SliceReader, parse::LinkLayer, policy::decide, reason::Action};
use rpcguard_tests::{
    kernel::MIN_FRAME,
    lab::{Host, Lab, Listener, PacketSocket, connect},
    packet::{
        Frame, Setup,
        peers::{FRIEND_V4, HOST_MAC, HOST_V4, HOST_V6},
    },
};

use crate::{
    case::{Case, IGNORED, LATER_FRAGMENT},
    cases, trains,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// The host, the socket of each guarded port, and the wire to it.
struct Target {
    host: Host,
    listeners: BTreeMap<u16, Listener>,
    wire: PacketSocket,
    _peer: Host,
}

impl Target {
    fn new(lab: &Lab) -> Self {
        let [host, peer] = [(); 2].map(|()| lab.host().unwrap());
        let addresses = [format!("{HOST_V4}/24"), format!("{HOST_V6}/64")];
        let addresses = addresses.each_ref().map(String::as_str);
        connect((&host, ("eth0", &addresses)), (&peer, ("eth0", &[]))).unwrap();
        let [a, b, c, d, e, f] = HOST_MAC;
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        host.ip(&format!("link set eth0 address {mac}")).unwrap();
        for host in [&host, &peer] {
            host.ip("link set eth0 mtu 65535").unwrap();
        }
        // Every source is fine, and so is a source route.
        for setting in [
            "net/ipv4/conf/all/rp_filter=0",
            "net/ipv4/conf/eth0/rp_filter=0",
            "net/ipv4/conf/all/accept_source_route=1",
            "net/ipv4/conf/eth0/accept_source_route=1",
            "net/ipv6/conf/eth0/accept_source_route=1",
        ] {
            host.sysctl(setting).unwrap();
        }
        let wire = PacketSocket::open(&peer, "eth0").unwrap();
        Self {
            host,
            listeners: BTreeMap::new(),
            wire,
            _peer: peer,
        }
    }

    /// Whether one of these ports receives anything when the frames arrive.
    fn delivers(&mut self, frames: &[Vec<u8>], ports: &[u16]) -> bool {
        for port in ports {
            self.listeners
                .entry(*port)
                .or_insert_with(|| Listener::bind(&self.host, &format!("[::]:{port}")).unwrap());
        }
        for frame in frames {
            self.wire.send(frame).unwrap();
        }
        let mut delivers = false;
        for port in ports {
            let last = b"no more for this port";
            let frame = Frame::ethernet().ipv4(FRIEND_V4).udp(*port).payload(last);
            self.wire.send(&frame.build()).unwrap();
            let listener = &self.listeners[port];
            delivers |= !listener.until(last, PATIENCE).unwrap().is_empty();
        }
        delivers
    }
}

/// Not on a wire: frames without Ethernet header, and ports that no socket can have, or too many
/// of them.
fn fits(case: &Case) -> bool {
    case.setup.link == LinkLayer::Ethernet
        && case.frame.len() >= MIN_FRAME
        && guards_host(case)
        && !case.setup.ports.contains(&0)
        && case.setup.ports.len() < 10
}

/// Whether packets to the host are guarded, in both families.
fn guards_host(case: &Case) -> bool {
    let guarded = case.setup.destinations.as_ref();
    let guards = |host: IpAddr| {
        guarded.is_none_or(|guarded| guarded.iter().any(|prefix| prefix.contains(host.into())))
    };
    guards(HOST_V4.into()) && guards(HOST_V6.into())
}

#[test]
fn what_linux_delivers_to_a_guarded_port_is_never_ignored() {
    const TEST: &str = "what_linux_delivers_to_a_guarded_port_is_never_ignored";
    let Some(lab) = Lab::or_skip(TEST) else {
        return;
    };
    let mut target = Target::new(&lab);
    let cases: Vec<_> = cases::all().into_iter().filter(fits).collect();
    let delivered: Vec<_> = cases
        .iter()
        .filter(|case| target.delivers(std::slice::from_ref(&case.frame), &case.setup.ports))
        .collect();
    println!(
        "of {} frames, Linux delivers {}",
        cases.len(),
        delivered.len()
    );
    for case in &delivered {
        println!("  {}", case.name);
    }
    let bypasses: Vec<_> = delivered
        .iter()
        .filter(|case| [IGNORED, LATER_FRAGMENT].contains(&case.expected))
        .map(|case| &case.name)
        .collect();
    assert!(
        bypasses.is_empty(),
        "delivered past the filter: {bypasses:#?}"
    );
    // Or the host was not listening at all.
    assert!(
        delivered.len() > 100,
        "Linux delivered only {}",
        delivered.len()
    );
}

#[test]
fn of_every_datagram_that_linux_reassembles_the_filter_drops_a_fragment() {
    const TEST: &str = "of_every_datagram_that_linux_reassembles_the_filter_drops_a_fragment";
    let Some(lab) = Lab::or_skip(TEST) else {
        return;
    };
    let mut target = Target::new(&lab);
    let setup = Setup::default();
    for train in trains::all() {
        let delivered = target.delivers(&train.frames, &setup.ports);
        println!("{}: delivered {delivered}", train.name);
        assert!(
            train.delivered.is_none_or(|expected| expected == delivered),
            "{}: Linux is expected otherwise",
            train.name
        );
        let reasons = train.frames.iter().map(|frame| {
            let outcome = decide(&SliceReader(frame), setup.link, &setup)?;
            Some(outcome.reason)
        });
        let reasons: Vec<_> = reasons.collect();
        let dropped = reasons
            .iter()
            .flatten()
            .any(|reason| reason.action() == Action::Drop);
        assert!(dropped || !delivered, "{}: {reasons:?}", train.name);
    }
}
