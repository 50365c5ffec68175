//! What an attacker would send gets no answer, and listed clients who send the same do.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use rpcguard_tests::{
    lab::{Host, PacketSocket},
    packet::{Frame, rpc},
    site::PATIENCE,
};

use super::{
    procedures::AMPLE,
    town::{Town, ask},
};
use crate::{
    in_both_modes,
    segment::{FRIEND, HOST, STRANGER, Segment, assert_ignored, assert_served},
    shapes::split,
};
use rpcguard_common::parse::Transport::Udp;

/// How long to wait for what must not come.
const IMPATIENCE: Duration = Duration::from_millis(400);

const NULL: u32 = 0;
const DUMP: u32 = 4;

/// Guards the host under a rate policy, and allows the friend.
fn attach(segment: &Segment, mode: &str) {
    let [v4, v6] = FRIEND;
    segment.attach(mode, &format!("{AMPLE} --allow {v4} --allow {v6}"));
}

fn socket(client: &Host, address: IpAddr) -> UdpSocket {
    client.enter(|| UdpSocket::bind((address, 0))).unwrap()
}

#[test]
fn the_list_of_services_is_for_listed_clients() {
    let test = "the_list_of_services_is_for_listed_clients";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        attach(segment, mode);
        for server in HOST {
            assert_served(&segment.friend, Udp, server);
            assert_ignored(&segment.stranger, Udp, server);
        }
        assert!(segment.packets("amplifier") >= 2);
        segment.rpcguard("detach eth0");
    });
}

/// libtirpc decodes what is left in its buffer from the call before, where the reply was no longer.
#[test]
fn a_dump_of_24_bytes_is_for_listed_clients_even_after_a_whole_call() {
    let test = "a_dump_of_24_bytes_is_for_listed_clients_even_after_a_whole_call";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        attach(segment, mode);
        let friend = socket(&segment.friend, FRIEND[0]);
        let stranger = socket(&segment.stranger, STRANGER[0]);
        let (harmless, dump) = (rpc::call(2, NULL), rpc::call(2, DUMP));
        let short = &dump[..24];

        assert!(ask(&friend, HOST[0], &harmless, PATIENCE).is_some());
        let list = ask(&friend, HOST[0], short, PATIENCE).expect("a list");
        assert_eq!(ask(&friend, HOST[0], &dump, PATIENCE), Some(list));

        assert_eq!(ask(&stranger, HOST[0], short, IMPATIENCE), None);
        assert!(ask(&stranger, HOST[0], &harmless, PATIENCE).is_some());
        assert_eq!(ask(&stranger, HOST[0], short, IMPATIENCE), None);
        assert_eq!(segment.packets("malformed"), 2);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn a_dump_behind_fragmentation_is_for_listed_clients() {
    let test = "a_dump_behind_fragmentation_is_for_listed_clients";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        attach(segment, mode);
        let friend = Fragmenter::new(segment, &segment.friend, FRIEND);
        let stranger = Fragmenter::new(segment, &segment.stranger, STRANGER);
        // The RPC header is in the first fragment, or begins in the second; all of it is, or only the
        // padding that an attacker adds.
        for (piece, padding) in [(1_400, 3_000), (24, 0), (8, 0)] {
            for family in [0, 1] {
                assert!(friend.dump(family, piece, padding, PATIENCE), "{piece}");
                assert!(
                    !stranger.dump(family, piece, padding, IMPATIENCE),
                    "{piece}"
                );
            }
        }
        assert_eq!(segment.packets("fragment"), 6);
        assert!(segment.packets("later_fragment") >= 6);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn calls_are_passed_on_for_listed_clients_only() {
    let test = "calls_are_passed_on_for_listed_clients_only";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        attach(segment, mode);
        let friend = socket(&segment.friend, FRIEND[0]);
        let stranger = socket(&segment.stranger, STRANGER[0]);
        let relaying = [(2, 5), (3, 5), (4, 5), (4, 10)];
        for (version, procedure) in relaying {
            let call = rpc::whole_call(version, procedure);
            assert_eq!(ask(&stranger, HOST[0], &call, IMPATIENCE), None);
            assert_eq!(town.nfs.calls(), 0);
        }
        for (called, (version, procedure)) in (1..).zip(relaying) {
            let call = rpc::whole_call(version, procedure);
            assert!(ask(&friend, HOST[0], &call, PATIENCE).is_some());
            assert_eq!(town.nfs.calls(), called);
        }
        assert_eq!(segment.packets("amplifier"), 4);
        segment.rpcguard("detach eth0");
    });
}

/// A client that sends its datagrams in fragments.
struct Fragmenter {
    wire: PacketSocket,
    frame: Frame,
    addresses: [IpAddr; 2],
    sockets: [UdpSocket; 2],
}

impl Fragmenter {
    fn new(segment: &Segment, client: &Host, addresses: [IpAddr; 2]) -> Self {
        Self {
            wire: PacketSocket::open(client, "eth0").unwrap(),
            frame: Frame::ethernet().to_mac(segment.host.mac("eth0").unwrap()),
            addresses,
            sockets: addresses.map(|address| socket(client, address)),
        }
    }

    /// Asks for a list, in pieces of so many bytes; tells whether it came.
    fn dump(&self, family: usize, piece: usize, padding: usize, patience: Duration) -> bool {
        let socket = &self.sockets[family];
        let frame = self.frame.clone();
        let packet = || match (self.addresses[family], HOST[family]) {
            (IpAddr::V4(source), IpAddr::V4(host)) => frame.clone().ipv4(source).to_v4(host),
            (IpAddr::V6(source), IpAddr::V6(host)) => frame.clone().ipv6(source).to_v6(host),
            _ => unreachable!("one family"),
        };
        let mut call = rpc::call(3, DUMP).to_vec();
        call.resize(call.len() + padding, 0);
        let ports = (socket.local_addr().unwrap().port(), 111);
        let id = (padding + piece) as u16;
        for fragment in split(packet, ports, &call, id, piece) {
            self.wire.send(&fragment).unwrap();
        }
        socket.set_read_timeout(Some(patience)).unwrap();
        let (from, mut reply) = (SocketAddr::new(HOST[family], 111), [0; 65_536]);
        match socket.recv_from(&mut reply) {
            Ok((length, sender)) => sender == from && length > 200,
            Err(_) => false,
        }
    }
}
