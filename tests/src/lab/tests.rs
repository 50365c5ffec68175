//! The lab does what its users take for granted.

use std::{
    fs,
    net::{IpAddr, UdpSocket},
    path::Path,
    sync::atomic::AtomicBool,
    time::Duration,
};

use rpcguard_common::parse::Transport;

use super::{
    Bounds, Flood, Host, Lab, LabProgram, Listener, PacketSocket, Query, ReflectionCounter,
    Rpcbind, Sources, Switch, connect, missing_tools, rpcinfo, skip,
};
use crate::packet::{Frame, rpc};

const PATIENCE: Duration = Duration::from_secs(5);

const HOST_V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const HOST_V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// A host and its neighbour, both with an interface `eth0`.
fn neighbours(lab: &Lab) -> (Host, Host) {
    let (host, neighbour) = (lab.host().unwrap(), lab.host().unwrap());
    connect(
        (&host, ("eth0", &["192.0.2.1/24", "2001:db8::1/64"])),
        (&neighbour, ("eth0", &["192.0.2.2/24", "2001:db8::2/64"])),
    )
    .unwrap();
    (host, neighbour)
}

/// A frame to `host` that Linux will take as its own.
fn frame_to(host: &Host) -> Frame {
    Frame::ethernet().to_mac(host.mac("eth0").unwrap())
}

#[test]
fn hosts_of_a_lab_share_pinned_objects_and_nobody_else_sees_them() {
    const PINNED: &str = "/sys/fs/bpf/of-the-lab";
    let Some(lab) = Lab::or_skip("hosts_of_a_lab_share_pinned_objects") else {
        return;
    };
    let (first, second) = (lab.host().unwrap(), lab.host().unwrap());
    first.run("mkdir", &[PINNED]).unwrap();
    assert!(second.enter(|| Path::new(PINNED).is_dir()));
    assert!(!Path::new(PINNED).exists());
    let other = Lab::new().unwrap().host().unwrap();
    assert!(!other.enter(|| Path::new(PINNED).exists()));
}

#[test]
fn interfaces_and_run_belong_to_one_host() {
    let Some(lab) = Lab::or_skip("interfaces_and_run_belong_to_one_host") else {
        return;
    };
    let (host, neighbour) = neighbours(&lab);
    host.run("touch", &["/run/here"]).unwrap();
    assert!(!neighbour.enter(|| Path::new("/run/here").exists()));
    host.ip("link add br0 type bridge").unwrap();
    assert!(host.ifindex("br0").is_ok());
    assert!(neighbour.ifindex("br0").is_err());
    assert_ne!(host.mac("eth0").unwrap(), neighbour.mac("eth0").unwrap());
}

#[test]
fn a_command_starts_in_the_callers_directory() {
    let Some(lab) = Lab::or_skip("a_command_starts_in_the_callers_directory") else {
        return;
    };
    let host = lab.host().unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!(Path::new(host.run("pwd", &[]).unwrap().trim()), here);
    assert_eq!(host.enter(|| std::env::current_dir().unwrap()), here);
}

#[test]
fn a_failed_command_says_why() {
    let Some(lab) = Lab::or_skip("a_failed_command_says_why") else {
        return;
    };
    let error = lab.host().unwrap().ip("link show nowhere").unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn rpcbind_answers_rpcinfo_over_each_transport_and_is_silent_once_stopped() {
    const TEST: &str = "rpcbind_answers_rpcinfo_over_each_transport";
    let missing = missing_tools(&["rpcbind", "rpcinfo"]);
    if !missing.is_empty() {
        return skip(TEST, &format!("not installed: {}", missing.join(", ")));
    }
    let Some(lab) = Lab::or_skip(TEST) else {
        return;
    };
    let (host, client) = neighbours(&lab);
    let rpcbind = Rpcbind::start(&host).unwrap();
    for server in [HOST_V4, HOST_V6] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let before = client.statistics("eth0").unwrap();
            let services = rpcinfo(&client, Query::Services, transport, server, PATIENCE);
            assert!(services.succeeded().stdout.contains("portmapper"));
            let _ = rpcinfo(&client, Query::Ping, transport, server, PATIENCE).succeeded();
            assert!(client.statistics("eth0").unwrap().rx_packets > before.rx_packets);
        }
    }
    drop(rpcbind);
    let limit = Duration::from_millis(300);
    assert!(!rpcinfo(&client, Query::Services, Transport::Udp, HOST_V4, limit).is_success());
}

#[test]
fn frames_and_datagrams_are_delivered_in_both_families() {
    let Some(lab) = Lab::or_skip("frames_and_datagrams_are_delivered_in_both_families") else {
        return;
    };
    let (host, neighbour) = neighbours(&lab);
    let listener = Listener::bind(&host, "[::]:111").unwrap();
    let wire = PacketSocket::open(&neighbour, "eth0").unwrap();
    let v4 = frame_to(&host)
        .ipv4("192.0.2.77".parse().unwrap())
        .to_v4("192.0.2.1".parse().unwrap());
    let v6 = frame_to(&host)
        .ipv6("2001:db8::77".parse().unwrap())
        .to_v6("2001:db8::1".parse().unwrap());
    wire.send(&v4.udp(111).payload(b"four").build()).unwrap();
    wire.send(&v6.udp(111).payload(b"six").build()).unwrap();
    let socket = neighbour.enter(|| UdpSocket::bind("192.0.2.2:0")).unwrap();
    socket.send_to(b"last", "192.0.2.1:111").unwrap();
    let delivered = listener.until(b"last", PATIENCE).unwrap();
    let delivered: Vec<_> = delivered
        .iter()
        .map(|datagram| (datagram.source.ip().to_string(), &datagram.payload[..]))
        .collect();
    assert_eq!(
        delivered,
        [
            ("192.0.2.77".to_owned(), &b"four"[..]),
            ("2001:db8::77".to_owned(), &b"six"[..])
        ]
    );
}

#[test]
fn a_flood_is_valid_packets_from_many_sources() {
    let Some(lab) = Lab::or_skip("a_flood_is_valid_packets_from_many_sources") else {
        return;
    };
    let (host, attacker) = neighbours(&lab);
    host.ethtool("-K eth0 gro on").unwrap();
    let listener = Listener::bind(&host, "[::]:111").unwrap();
    let v4 = frame_to(&host)
        .ipv4("192.0.2.7".parse().unwrap())
        .to_v4("192.0.2.1".parse().unwrap());
    let v6 = frame_to(&host)
        .ipv6("2001:db8::7".parse().unwrap())
        .to_v6("2001:db8::1".parse().unwrap());
    for (frame, prefix) in [(v4, "192.0.2.128/26"), (v6, "2001:db8::/65")] {
        let prefix: rpcguard::prefix::Prefix = prefix.parse().unwrap();
        let flood = Flood::new(
            &attacker,
            "eth0",
            frame.udp(111).payload(&rpc::DUMP).build(),
            Sources::any_of(prefix),
        )
        .unwrap();
        // The kernel verifies the checksums of what it delivers.
        let mut sources = std::collections::HashSet::new();
        // A page for each packet soon fills a socket's buffer.
        for _ in 0..4 {
            flood.send(16).unwrap();
            for _ in 0..16 {
                let datagram = listener.next(PATIENCE).unwrap().expect("16 datagrams");
                assert!(prefix.contains(datagram.source.ip().into()), "{datagram:?}");
                assert_eq!(datagram.payload, rpc::DUMP);
                sources.insert(datagram.source.ip());
            }
        }
        // Of 64 draws from 64 addresses, some 40 are distinct, and hardly ever fewer than half as many.
        assert!(sources.len() > 20, "{sources:?}");
    }
}

#[test]
fn calls_of_a_flood_can_be_distinct() {
    const CALLS: u32 = 32;
    let Some(lab) = Lab::or_skip("calls_of_a_flood_can_be_distinct") else {
        return;
    };
    let (host, attacker) = neighbours(&lab);
    host.ethtool("-K eth0 gro on").unwrap();
    let listener = Listener::bind(&host, "[::]:111").unwrap();
    let v4 = frame_to(&host)
        .ipv4("192.0.2.7".parse().unwrap())
        .to_v4("192.0.2.1".parse().unwrap());
    let v6 = frame_to(&host)
        .ipv6("2001:db8::7".parse().unwrap())
        .to_v6("2001:db8::1".parse().unwrap());
    for (frame, source) in [(v4, "192.0.2.7"), (v6, "2001:db8::7")] {
        let frame = frame.udp(111).payload(&rpc::DUMP).build();
        let sources = Sources::any_of(source.parse().unwrap());
        let flood = Flood::of_distinct_calls(&attacker, "eth0", frame, sources).unwrap();
        flood.send(CALLS).unwrap();
        // The kernel verifies the checksums of what it delivers.
        let mut transactions = std::collections::HashSet::new();
        for _ in 0..CALLS {
            let datagram = listener.next(PATIENCE).unwrap().expect("a call");
            let (transaction, rest) = datagram.payload.split_at(4);
            assert_eq!(rest, &rpc::DUMP[4..]);
            transactions.insert(transaction.to_vec());
        }
        assert_eq!(transactions.len(), CALLS as usize);
    }
}

#[test]
fn a_flood_keeps_to_its_bounds() {
    let Some(lab) = Lab::or_skip("a_flood_keeps_to_its_bounds") else {
        return;
    };
    let (host, attacker) = neighbours(&lab);
    LabProgram::load(LabProgram::DROP)
        .unwrap()
        .attach(&host, "eth0")
        .unwrap();
    let frame = frame_to(&host).ipv4("192.0.2.7".parse().unwrap()).dump();
    let sources = Sources::any_of("0.0.0.0/0".parse().unwrap());
    let flood = Flood::new(&attacker, "eth0", frame.build(), sources).unwrap();
    let go_on = AtomicBool::new(false);
    let bounds = Bounds {
        packets: 1000,
        time: PATIENCE,
        rate: None,
    };
    assert_eq!(flood.run(bounds, &go_on).unwrap().packets, 1000);
    let bounds = Bounds {
        packets: u64::MAX,
        time: Duration::from_millis(200),
        rate: Some(10_000),
    };
    let flooded = flood.run(bounds, &go_on).unwrap();
    assert!((1_000..=2_100).contains(&flooded.packets), "{flooded:?}");
    assert_eq!(
        flood.run(bounds, &AtomicBool::new(true)).unwrap().packets,
        0
    );
}

#[test]
fn reflections_are_counted_where_the_victims_are() {
    let Some(lab) = Lab::or_skip("reflections_are_counted_where_the_victims_are") else {
        return;
    };
    let switch = Switch::new(&lab).unwrap();
    let (host, victim) = (lab.host().unwrap(), lab.host().unwrap());
    switch
        .connect("host", &host, ("eth0", &["192.0.2.1/24"]))
        .unwrap();
    switch
        .connect("victim", &victim, ("eth0", &["192.0.2.2/24"]))
        .unwrap();
    let counter = ReflectionCounter::attach(&victim, "eth0").unwrap();
    for port in [111, 112] {
        let socket = host.enter(|| UdpSocket::bind(("192.0.2.1", port))).unwrap();
        socket.send_to(&[0; 100], "192.0.2.2:9").unwrap();
    }
    // The first datagram waits for an ARP reply, which passes.
    std::thread::sleep(Duration::from_millis(200));
    let counted = counter.read().unwrap();
    assert_eq!((counted.packets, counted.bytes), (1, 14 + 20 + 8 + 100));
}

#[test]
fn skipped_tests_are_written_down_one_after_the_other() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for test in ["first", "second"] {
        skip::append(file.path(), &skip::line(test, "because")).unwrap();
    }
    assert_eq!(
        fs::read_to_string(file.path()).unwrap(),
        "SKIPPED first: because\nSKIPPED second: because\n"
    );
}
