//! A guest behind a bridge, as a virtual machine of this host would be: its network card is a file of
//! this process.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, UdpSocket},
    sync::mpsc::{self, Receiver},
    thread,
};

use rpcguard_tests::{
    lab::{Host, Lab, Listener, TunTap, connect, skip},
    packet::{Frame, rpc},
    release::{Version, kernel_version},
    site::{CleanLab, PATIENCE},
};

use crate::town::{HOST, NEIGHBOUR, foresees};

/// The first kernel that lets no program below another.
const NONE_BELOW: Version = (5, 15);

const GUEST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const GUEST_MAC: &str = "02:00:00:00:00:09";

/// Of the neighbour's addresses, one that is allowed and one that is not.
const FRIEND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const STRANGER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 3);

/// A host with a bridge, whose ports are `wan`, with a neighbour behind, and `tap0`, with a guest.
struct Bridge {
    host: Host,
    neighbour: Host,
    guest: File,
    _lab: CleanLab,
}

impl Bridge {
    fn or_skip(test: &str) -> Option<Self> {
        let lab = CleanLab::new(Lab::or_skip(test)?);
        let (host, neighbour) = (lab.host(), lab.host());
        let guest = match TunTap::Tap.create(&host, "tap0") {
            Ok(guest) => guest,
            Err(why) => {
                skip(test, &format!("no tap devices here: {why}"));
                return None;
            }
        };
        connect((&host, ("wan", &[])), (&neighbour, ("eth0", &NEIGHBOUR))).unwrap();
        host.ip("link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0")
            .unwrap();
        for port in ["wan", "tap0"] {
            host.ip(&format!("link set {port} up master br0")).unwrap();
        }
        host.ip("link set br0 up").unwrap();
        host.add_address("br0", HOST[0]).unwrap();
        neighbour
            .ip(&format!(
                "neighbour add {GUEST} lladdr {GUEST_MAC} dev eth0 nud permanent"
            ))
            .unwrap();
        Some(Self {
            host,
            neighbour,
            guest,
            _lab: lab,
        })
    }

    fn rpcguard(&self, arguments: &str) {
        let run = self.host.rpcguard(arguments.split(' '));
        let _ = run.succeeded();
    }

    /// What reaches the guest.
    fn frames(&self) -> Receiver<Vec<u8>> {
        let (sender, frames) = mpsc::channel();
        let mut guest = self.guest.try_clone().unwrap();
        // Ends with the device, by an error.
        thread::spawn(move || {
            let mut buffer = vec![0; 2048];
            while let Ok(len) = guest.read(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    break;
                }
            }
        });
        frames
    }

    fn mode(&self, interface: &str) -> String {
        let status = self.host.rpcguard(["status", interface, "--json"]);
        let status = status.succeeded().json();
        status["interfaces"][0]["mode"].as_str().unwrap().to_owned()
    }
}

/// Where a datagram over IPv4 to port 111 comes from.
fn caller(frame: &[u8]) -> Option<Ipv4Addr> {
    const IPV4: [u8; 2] = [8, 0];
    let (ip, udp) = (frame.get(14..34)?, frame.get(34..42)?);
    let is_call = frame[12..14] == IPV4 && ip[9] == 17 && udp[2..4] == 111_u16.to_be_bytes();
    is_call.then(|| Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]))
}

#[test]
fn a_guest_is_guarded_at_the_port_that_faces_the_world() {
    let test = "a_guest_is_guarded_at_the_port_that_faces_the_world";
    let Some(bridge) = Bridge::or_skip(test) else {
        return;
    };
    let frames = bridge.frames();
    let callers = || {
        for source in [STRANGER, FRIEND] {
            let socket = bridge
                .neighbour
                .enter(|| UdpSocket::bind((source, 0)))
                .unwrap();
            socket.send_to(&rpc::DUMP, (GUEST, 111)).unwrap();
        }
        let mut callers = Vec::new();
        while callers.last() != Some(&FRIEND) {
            let frame = frames.recv_timeout(PATIENCE).expect("the friend's call");
            callers.extend(caller(&frame));
        }
        callers
    };
    assert_eq!(callers(), [STRANGER, FRIEND]);
    foresees(&bridge.host, "wan", "native");
    foresees(&bridge.host, "tap0", "native");
    for mode in ["native", "generic"] {
        bridge.rpcguard(&format!("attach wan --mode {mode} --allow {FRIEND}"));
        assert_eq!(bridge.mode("wan"), mode);
        assert_eq!(callers(), [FRIEND], "in {mode} mode");
        bridge.rpcguard("detach wan");
        assert_eq!(callers(), [STRANGER, FRIEND]);
    }
    bridge.host.ip("link delete tap0").unwrap();
}

#[test]
fn a_guest_the_host_or_both_are_guarded_at_the_port_that_faces_the_world() {
    let test = "a_guest_the_host_or_both_are_guarded_at_the_port_that_faces_the_world";
    let Some(bridge) = Bridge::or_skip(test) else {
        return;
    };
    let frames = bridge.frames();
    let listener = Listener::bind(&bridge.host, "0.0.0.0:111").unwrap();
    let host = HOST[0].split('/').next().unwrap();
    let call = |source: Ipv4Addr, destination: &str, payload: &[u8]| {
        let socket = bridge.neighbour.enter(|| UdpSocket::bind((source, 0)));
        let socket = socket.unwrap();
        socket.set_broadcast(true).unwrap();
        socket.send_to(payload, (destination, 111)).unwrap();
    };
    // Whether the stranger is heard by the guest and by the host.
    let heard = || {
        let guest = GUEST.to_string();
        for source in [STRANGER, FRIEND] {
            call(source, &guest, &rpc::DUMP);
        }
        let mut callers = Vec::new();
        while callers.last() != Some(&FRIEND) {
            let frame = frames.recv_timeout(PATIENCE).expect("the friend's call");
            callers.extend(caller(&frame));
        }
        call(STRANGER, host, &rpc::DUMP);
        call(FRIEND, host, b"last");
        let delivered = listener.until(b"last", PATIENCE).unwrap();
        (callers.len() == 2, !delivered.is_empty())
    };
    assert_eq!(heard(), (true, true));
    for mode in ["native", "generic"] {
        bridge.rpcguard(&format!(
            "attach wan --mode {mode} --allow {FRIEND} --only-to {host}"
        ));
        assert_eq!(heard(), (true, false), "the host, in {mode} mode");
        bridge.rpcguard(&format!("set wan --only-to {GUEST}"));
        assert_eq!(heard(), (false, true), "the guest, in {mode} mode");
        bridge.rpcguard(&format!("set wan --only-to {GUEST} --only-to {host}/31"));
        assert_eq!(heard(), (false, false), "both, in {mode} mode");
        bridge.rpcguard("set wan --only-to 192.0.2.1");
        assert_eq!(heard(), (true, true), "neither, in {mode} mode");
        // What all hosts receive is for those that are guarded too; the guest does not hear what is left.
        call(STRANGER, "255.255.255.255", &rpc::DUMP);
        call(FRIEND, host, b"last");
        assert!(listener.until(b"last", PATIENCE).unwrap().is_empty());
        bridge.rpcguard("set wan --only-to all");
        assert_eq!(heard(), (false, false), "all, in {mode} mode");
        bridge.rpcguard("detach wan");
    }
    bridge.host.ip("link delete tap0").unwrap();
}

#[test]
fn a_bridge_itself_is_guarded_in_generic_mode_as_foreseen() {
    let test = "a_bridge_itself_is_guarded_in_generic_mode_as_foreseen";
    let Some(bridge) = Bridge::or_skip(test) else {
        return;
    };
    foresees(&bridge.host, "br0", "generic");
    let native = bridge.host.rpcguard(["attach", "br0", "--mode", "native"]);
    let _ = native.exited_with(1);
    bridge.rpcguard("attach br0");
    assert_eq!(bridge.mode("br0"), "generic");
    foresees(&bridge.host, "br0", "guarded");
    if kernel_version() >= NONE_BELOW {
        let doctor = bridge.host.rpcguard(["doctor", "wan"]).exited_with(1);
        assert!(
            doctor.stdout.ends_with("next: rpcguard detach br0\n"),
            "{doctor}"
        );
        let refused = bridge.host.rpcguard(["attach", "wan"]).exited_with(1);
        assert!(refused.stderr.contains("an upper device"), "{refused}");
    }
    bridge.rpcguard("detach br0");
    bridge.host.ip("link delete tap0").unwrap();
}

#[test]
fn what_a_guest_sends_to_its_host_is_guarded_at_the_guests_port() {
    let test = "what_a_guest_sends_to_its_host_is_guarded_at_the_guests_port";
    let Some(bridge) = Bridge::or_skip(test) else {
        return;
    };
    let listener = Listener::bind(&bridge.host, "0.0.0.0:111").unwrap();
    let mac = bridge.host.mac("br0").unwrap();
    let delivered = || -> Vec<IpAddr> {
        let mut guest = &bridge.guest;
        for (source, payload) in [(STRANGER, &rpc::DUMP[..]), (GUEST, b"last")] {
            let frame = Frame::ethernet().to_mac(mac).ipv4(source);
            guest
                .write_all(&frame.udp(111).payload(payload).build())
                .unwrap();
        }
        let datagrams = listener.until(b"last", PATIENCE).unwrap();
        datagrams
            .iter()
            .map(|datagram| datagram.source.ip())
            .collect()
    };
    assert_eq!(delivered(), [STRANGER]);
    for mode in ["native", "generic"] {
        bridge.rpcguard(&format!("attach tap0 --mode {mode} --allow {GUEST}"));
        assert_eq!(bridge.mode("tap0"), mode);
        assert!(delivered().is_empty(), "in {mode} mode");
        bridge.rpcguard("detach tap0");
        assert_eq!(delivered(), [STRANGER]);
    }
}
