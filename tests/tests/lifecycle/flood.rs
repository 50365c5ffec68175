//! Changes under a flood: packets of a source that is listed before and after are never lost, and
//! none of a source that is listed never gets through.

use std::{
    collections::BTreeMap,
    net::{IpAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use rpcguard_common::reason::Reason;
use rpcguard_tests::{lab::PacedWire, site::Site};

use crate::{
    effort::{amount, is_exhaustive},
    lists::file,
};

/// In all lists, by different prefixes.
const LISTED: &str = "10.0.0.7";
/// In none.
const STRANGER: &str = "198.51.100.7";

/// Packets a second, of each: what leaves the changes time to be made.
const RATE: f64 = 20_000.0;

/// How many of each are on the wire at once.
const BURST: u64 = 32;

/// Floods the site from both sources while `change` is called again and again; then every packet
/// has been decided about, and rightly.
fn under_flood(site: &Site, mut change: impl FnMut(usize), times: usize) {
    let frame = |address: &str| site.packet_from(source(address)).dump().build();
    let frames = [frame(LISTED), frame(STRANGER)];
    let (neighbour, host) = ((&site.neighbour, "eth0"), (&site.host, "eth0"));
    let wire = PacedWire::open(neighbour, host).unwrap();
    let portmapper = Portmapper::open(site);
    let before = site.guard(|guard| guard.counters().unwrap());
    let (stop, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (sent, received) = thread::scope(|scope| {
        let receiver = scope.spawn(|| portmapper.receive(&over));
        let sender = scope.spawn(|| {
            let (begun, mut sent) = (Instant::now(), 0);
            while !stop.load(Ordering::Relaxed) {
                if sent as f64 > RATE * begun.elapsed().as_secs_f64() {
                    thread::sleep(Duration::from_micros(200));
                    continue;
                }
                let burst = (0..BURST).flat_map(|_| frames.iter().map(Vec::as_slice));
                wire.send(burst).unwrap();
                sent += BURST;
            }
            sent
        });
        for number in 0..times {
            change(number);
        }
        stop.store(true, Ordering::Relaxed);
        let sent = sender.join().unwrap();
        over.store(true, Ordering::Relaxed);
        (sent, receiver.join().unwrap())
    });
    let after = site.guard(|guard| guard.counters().unwrap());
    let counted = |reason: Reason| after.reason(reason).packets - before.reason(reason).packets;
    eprintln!("{times} changes under {sent} packets from each of a listed source and a stranger");
    assert!(sent > 100, "{sent}");
    assert_eq!(
        [counted(Reason::Allowed), counted(Reason::Unlisted)],
        [sent, sent],
        "of a listed source and of a stranger"
    );
    let expected = BTreeMap::from([(source(LISTED), sent)]);
    assert_eq!(received, expected, "what the portmapper got from whom");
}

fn source(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// What all this is about: it tells what really comes through.
struct Portmapper(UdpSocket);

impl Portmapper {
    fn open(site: &Site) -> Self {
        // More than can come before it is read.
        const BUFFER: usize = 256 << 20;
        let socket = site.host.enter(|| UdpSocket::bind("0.0.0.0:111")).unwrap();
        setsockopt(&socket, RcvBufForce, &BUFFER).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        Self(socket)
    }

    /// Counts what comes from whom, until it is over and nothing comes any more.
    fn receive(&self, over: &AtomicBool) -> BTreeMap<IpAddr, u64> {
        let mut received = BTreeMap::new();
        loop {
            let was_over = over.load(Ordering::Relaxed);
            match self.0.recv_from(&mut [0; 64]) {
                Ok((_, from)) => *received.entry(from.ip()).or_default() += 1,
                Err(_) if was_over => return received,
                Err(_) => {}
            }
        }
    }
}

#[test]
fn replacing_a_list_loses_no_packet_and_lets_none_through() {
    let replacements = if is_exhaustive() {
        1000
    } else {
        amount(100, 10)
    };
    let test = "replacing_a_list_loses_no_packet_and_lets_none_through";
    let Some(site) = Site::or_skip(test) else {
        return;
    };
    let lists = [
        ["10.0.0.0/24", "10.1.0.0/16", "192.0.2.1"],
        ["10.0.0.7", "192.0.2.0/25", "192.0.2.1"],
        ["10.0.0.0/8", "10.0.0.128/25", "192.0.2.0/24"],
    ];
    let files = lists.map(|list| file(&list.map(|prefix| prefix.parse().unwrap())));
    let path = |list: usize| files[list].path().display();
    site.rpcguard(&format!("attach eth0 --allow-file {}", path(0)));
    let replace = |number: usize| {
        site.rpcguard(&format!("allow replace {}", path(number % lists.len())));
    };
    under_flood(&site, replace, replacements);
    site.rpcguard("detach eth0");
}

#[test]
fn renewing_the_program_keeps_everything_and_loses_no_packet() {
    let test = "renewing_the_program_keeps_everything_and_loses_no_packet";
    let Some(site) = Site::or_skip(test) else {
        return;
    };
    let status =
        || site.host.rpcguard(["status", "--json"]).succeeded().json()["interfaces"][0].take();
    site.rpcguard("attach eth0 --allow 10.0.0.0/24 --deny 10.0.0.128/25 --port 111 --port 2049");
    let before = status();
    let mut program = before["program_id"].clone();
    let renew = |_| {
        site.rpcguard("attach eth0 --replace");
        let now = status();
        assert_ne!(now["program_id"], program);
        program = now["program_id"].clone();
        for same in ["link_id", "attached_at", "mode", "policy", "prefixes"] {
            assert_eq!(now[same], before[same]);
        }
    };
    under_flood(&site, renew, amount(8, 3));
    site.rpcguard("detach eth0");
}
