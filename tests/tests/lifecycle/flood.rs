//! Changes under a flood: packets of a source that is listed before and after are never lost, and
//! none of a source that is listed never gets through.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rpcguard_common::reason::Reason;
use rpcguard_tests::{
    lab::{Bounds, Flood, Sources},
    site::Site,
};

use crate::lists::file;

/// In all lists, by different prefixes.
const LISTED: &str = "10.0.0.7";
/// In none.
const STRANGER: &str = "198.51.100.7";

/// Slow enough for a wire that drops what it has no room for.
const RATE: u64 = 20_000;

/// Floods the site from both sources while `change` is called again and again; then every packet
/// has been decided about, and rightly.
fn under_flood(site: &Site, mut change: impl FnMut(usize), times: usize) {
    let source = |address: &str| -> IpAddr { address.parse().unwrap() };
    let flood = |address: &str| {
        let frame = site.packet_from(source(address)).dump().build();
        let sources = Sources::any_of(source(address).into());
        Flood::new(&site.neighbour, "eth0", frame, sources).unwrap()
    };
    let floods = [LISTED, STRANGER].map(flood);
    let before = site.guard(|guard| guard.counters().unwrap());
    let stop = AtomicBool::new(false);
    let bounds = Bounds {
        packets: u64::MAX,
        time: Duration::from_secs(60),
        rate: Some(RATE),
    };
    let sent = thread::scope(|scope| {
        let senders = floods
            .each_ref()
            .map(|flood| scope.spawn(|| flood.run(bounds, &stop).unwrap().packets));
        for number in 0..times {
            change(number);
        }
        stop.store(true, Ordering::Relaxed);
        senders.map(|sender| sender.join().unwrap())
    });
    // What is still on the wire.
    thread::sleep(Duration::from_millis(100));
    let after = site.guard(|guard| guard.counters().unwrap());
    let counted = |reason: Reason| after.reason(reason).packets - before.reason(reason).packets;
    eprintln!("{times} changes under {sent:?} packets");
    assert!(sent.iter().all(|sent| *sent > 100), "{sent:?}");
    assert_eq!(
        [counted(Reason::Allowed), counted(Reason::Unlisted)],
        sent,
        "of a listed source and of a stranger"
    );
}

#[test]
fn replacing_a_list_loses_no_packet_and_lets_none_through() {
    const REPLACEMENTS: usize = 60;
    let test = "replacing_a_list_loses_no_packet_and_lets_none_through";
    let Some(site) = Site::or_skip(test) else {
        return;
    };
    if !Flood::is_possible_or_skip(test) {
        return;
    }
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
    under_flood(&site, replace, REPLACEMENTS);
    site.rpcguard("detach eth0");
}

#[test]
fn renewing_the_program_keeps_everything_and_loses_no_packet() {
    const RENEWALS: usize = 8;
    let test = "renewing_the_program_keeps_everything_and_loses_no_packet";
    let Some(site) = Site::or_skip(test) else {
        return;
    };
    if !Flood::is_possible_or_skip(test) {
        return;
    }
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
    under_flood(&site, renew, RENEWALS);
    site.rpcguard("detach eth0");
}
