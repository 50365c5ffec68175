//! Devices other than Ethernet of the usual size.

use std::net::{IpAddr, UdpSocket};

use aya::programs::loaded_programs;
use rpcguard_common::abi::program;
use rpcguard_tests::{
    lab::{Lab, Listener},
    packet::rpc,
    site::{CleanLab, PATIENCE, Site},
};
use serde_json::Value;

use crate::in_both_modes;

#[test]
fn jumbo_frames_are_filtered_and_counted_whole() {
    let test = "jumbo_frames_are_filtered_and_counted_whole";
    in_both_modes(test, |mode| {
        let Some(site) = Site::or_skip(test) else {
            return;
        };
        for host in [&site.host, &site.neighbour] {
            host.ip("link set eth0 mtu 9000").unwrap();
        }
        let listener = site.listen(111);
        site.rpcguard(&format!(
            "attach eth0 --mode {mode} --allow 192.0.2.0/24 --allow 2001:db8:a::/48"
        ));
        let id = site.guard(|guard| guard.program_id());
        let program = loaded_programs()
            .flatten()
            .find(|program| program.id() == id);
        let name = program.unwrap().name_as_str().unwrap().to_owned();
        assert_eq!(name == program::FRAGS, mode == "native", "{name}");

        let mut payload = rpc::DUMP.to_vec();
        payload.resize(8_900, 0x5a);
        for (stranger, friend) in [
            ("198.51.100.7", "192.0.2.7"),
            ("2001:db8:b::7", "2001:db8:a::7"),
        ] {
            let [stranger, friend] = [stranger, friend].map(|a| a.parse::<IpAddr>().unwrap());
            for _ in 0..3 {
                site.send_datagram(stranger, 111, &payload);
            }
            site.send_datagram(friend, 111, &payload);
            let datagram = listener.next(PATIENCE).unwrap().expect("a datagram");
            assert_eq!(datagram.source.ip(), friend);
            assert!(datagram.payload == payload);
        }
        let headers = [14 + 20 + 8, 14 + 40 + 8];
        let bytes: usize = headers.iter().map(|headers| headers + payload.len()).sum();
        let status: Value = serde_json::from_str(&site.rpcguard("status --json")).unwrap();
        let counters = &status["interfaces"][0]["counters"];
        assert_eq!(counters["unlisted"]["packets"], 6);
        assert_eq!(counters["unlisted"]["bytes"], 3 * bytes);
        assert_eq!(counters["allowed"]["bytes"], bytes);
        site.rpcguard("detach eth0");
    });
}

#[test]
fn loopback_is_filtered_in_generic_mode() {
    let Some(lab) = Lab::or_skip("loopback_is_filtered_in_generic_mode") else {
        return;
    };
    let lab = CleanLab::new(lab);
    let host = lab.host();
    let listener = Listener::bind(&host, "127.0.0.1:111").unwrap();
    let run = |arguments: &str| host.rpcguard(arguments.split(' ')).succeeded();
    let attached = run("attach lo --allow 127.0.0.2");
    assert!(attached.stderr.contains("generic"), "{attached}");
    let send = |source: &str, payload: &[u8]| {
        let socket = host.enter(|| UdpSocket::bind((source, 0))).unwrap();
        socket.send_to(payload, "127.0.0.1:111").unwrap();
    };
    let strangers_delivered = || {
        send("127.0.0.1", &rpc::DUMP);
        send("127.0.0.2", b"last");
        listener.until(b"last", PATIENCE).unwrap().len()
    };
    assert_eq!(strangers_delivered(), 0);
    run("detach lo");
    assert_eq!(strangers_delivered(), 1);
}
