//! Tunnels, whose packets have no Ethernet header.

use std::io::Write as _;

use rpcguard_tests::{
    lab::{Lab, Listener, TunTap, skip},
    packet::{
        Frame,
        peers::{HOST_V4, HOST_V6, STRANGER_V4, STRANGER_V6},
    },
    site::{CleanLab, PATIENCE},
};

use crate::town::foresees;

#[test]
fn a_device_without_ethernet_headers_is_filtered() {
    let test = "a_device_without_ethernet_headers_is_filtered";
    let Some(lab) = Lab::or_skip(test) else {
        return;
    };
    let lab = CleanLab::new(lab);
    let host = lab.host();
    let Ok(mut device) = TunTap::Tun.create(&host, "tun0") else {
        return skip(test, "tun devices cannot be made here (/dev/net/tun)");
    };
    host.ip("link set tun0 up").unwrap();
    host.add_address("tun0", &format!("{HOST_V4}/24")).unwrap();
    host.add_address("tun0", &format!("{HOST_V6}/64")).unwrap();
    host.ip("-4 route add default dev tun0").unwrap();
    host.ip("-6 route add default dev tun0").unwrap();
    let listener = Listener::bind(&host, "[::]:111").unwrap();
    let mut strangers_delivered = || {
        for frame in [
            Frame::layer3().ipv4(STRANGER_V4).dump(),
            Frame::layer3().ipv6(STRANGER_V6).dump(),
            Frame::layer3()
                .ipv4([192, 0, 2, 1].into())
                .udp(111)
                .payload(b"last"),
        ] {
            device.write_all(&frame.build()).unwrap();
        }
        listener.until(b"last", PATIENCE).unwrap().len()
    };
    let run = |arguments: &str| host.rpcguard(arguments.split(' ')).succeeded();
    assert_eq!(strangers_delivered(), 2);
    foresees(&host, "tun0", "generic");
    let native = host.rpcguard(["attach", "tun0", "--mode", "native"]);
    let _ = native.exited_with(1);
    for mode in ["auto", "generic"] {
        run(&format!("attach tun0 --mode {mode} --allow 192.0.2.1"));
        assert_eq!(strangers_delivered(), 0, "in {mode} mode");
        let status = run("status --json").json();
        let counters = &status["interfaces"][0]["counters"];
        assert_eq!(counters["unlisted"]["packets"], 2);
        assert_eq!(counters["unlisted"]["bytes"], 20 + 40 + 2 * (8 + 40));
        assert_eq!(counters["allowed"]["bytes"], 20 + 8 + 4);
        run("detach tun0");
        assert_eq!(strangers_delivered(), 2);
    }
}
