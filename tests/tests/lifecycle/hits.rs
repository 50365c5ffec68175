//! Hits belong to a prefix as long as it is listed, and to no other.

use std::net::IpAddr;

use rpcguard::{guard::ListedPrefix, prefix::Prefix};
use rpcguard_common::{
    abi::{Counter, HIT_SLOTS},
    reason::Action,
};
use rpcguard_tests::{packet::rpc, site::Site};

use crate::{
    effort::amount,
    lists::{address, file, hosts},
};

/// A DUMP call in an IPv4 packet in an Ethernet frame.
const FRAME: u64 = 14 + 20 + 8 + rpc::DUMP.len() as u64;

fn send(site: &Site, source: u32, packets: u64) {
    for _ in 0..packets {
        site.send_datagram(address(source).into(), 111, &rpc::DUMP);
    }
    site.settle();
}

fn prefix(number: u32) -> Prefix {
    IpAddr::from(address(number)).into()
}

/// The hits of a listed prefix.
fn hits(site: &Site, number: u32) -> Option<Counter> {
    let listed = site.guard(|guard| guard.prefixes().unwrap());
    let of = |listed: &&ListedPrefix| listed.prefix == prefix(number);
    listed.iter().find(of).expect("a listed prefix").hits
}

fn packets(packets: u64) -> Option<Counter> {
    let bytes = packets * FRAME;
    Some(Counter { packets, bytes })
}

#[test]
fn hits_of_shared_prefixes_survive_replacements_of_list_and_program() {
    let Some(site) = Site::or_skip("hits_of_shared_prefixes_survive_replacements") else {
        return;
    };
    let other = file(&hosts(2..6));
    site.rpcguard("attach eth0 --allow 10.0.0.1 --allow 10.0.0.2 --allow 10.0.0.3");
    send(&site, 1, 2);
    send(&site, 2, 3);
    site.rpcguard("attach eth0 --replace");
    send(&site, 3, 1);
    site.rpcguard(&format!("allow replace {}", other.path().display()));
    send(&site, 2, 4);
    send(&site, 5, 1);
    assert_eq!(hits(&site, 2), packets(7));
    assert_eq!(hits(&site, 3), packets(1));
    assert_eq!(hits(&site, 4), packets(0));
    assert_eq!(hits(&site, 5), packets(1));
    // Listed again, it begins again.
    site.rpcguard("allow add 10.0.0.1");
    assert_eq!(hits(&site, 1), packets(0));
    site.rpcguard("detach eth0");
}

#[test]
fn prefixes_beyond_the_hit_slots_are_decided_about_and_not_counted() {
    let Some(site) = Site::or_skip("prefixes_beyond_the_hit_slots") else {
        return;
    };
    let list = file(&hosts(0..HIT_SLOTS + 4));
    site.rpcguard(&format!(
        "attach eth0 --allow-file {}",
        list.path().display()
    ));
    let counted = |site: &Site| {
        let listed = site.guard(|guard| guard.prefixes().unwrap());
        listed.iter().filter(|listed| listed.hits.is_some()).count() as u32
    };
    assert_eq!(counted(&site), HIT_SLOTS);
    let last = HIT_SLOTS + 3;
    let verdicts = site.verdicts(&[0, last, last + 1].map(|number| address(number).into()));
    assert_eq!(verdicts, [Action::Pass, Action::Pass, Action::Drop]);
    assert_eq!(hits(&site, last), None);

    // A slot that is given to another prefix is empty.
    send(&site, 7, 5);
    assert_eq!(hits(&site, 7), packets(5));
    let number = |number: u32| address(number).to_string();
    let five: Vec<String> = (7..12).map(number).collect();
    site.rpcguard(&format!("allow remove {}", five.join(" ")));
    site.rpcguard("allow add 10.255.0.1");
    let added = 0x00ff_0001;
    assert_eq!(hits(&site, added), packets(0));
    send(&site, added, 1);
    assert_eq!(hits(&site, added), packets(1));
    site.rpcguard("detach eth0");
}

#[test]
fn every_prefix_of_a_long_list_is_counted_after_another_long_list() {
    let Some(site) = Site::or_skip("every_prefix_of_a_long_list_is_counted") else {
        return;
    };
    let length: u32 = amount(40_000, 4_000);
    let (one, other) = (file(&hosts(0..length)), file(&hosts(length..2 * length)));
    site.rpcguard(&format!(
        "attach eth0 --allow-file {}",
        one.path().display()
    ));
    for number in [0, length - 1] {
        send(&site, number, 1);
    }
    site.rpcguard(&format!("allow replace {}", other.path().display()));
    let listed = site.guard(|guard| guard.prefixes().unwrap());
    assert_eq!(listed.len() as u32, length);
    assert!(listed.iter().all(|listed| listed.hits == packets(0)));
    for number in [length, 2 * length - 1] {
        send(&site, number, 2);
        assert_eq!(hits(&site, number), packets(2));
    }
    site.rpcguard("detach eth0");
}
