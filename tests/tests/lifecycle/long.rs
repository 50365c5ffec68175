//! Lists that become long, and short again.

use std::net::IpAddr;

use aya::maps::{Array, Map, MapData, MapInfo};
use rpcguard::{
    guard::{Change, Registry, Verdict},
    prefix::Prefix,
};
use rpcguard_common::{
    abi::{FINE_FROM, FineBlock, map},
    reason::Action,
};
use rpcguard_tests::site::Site;

use crate::lists::{address, file, hosts};

/// Of each length that matters to how blocks are noted.
const NESTED: [&str; 8] = [
    "192.0.0.0/10",
    "198.51.100.0/23",
    "203.0.113.0/24",
    "203.0.114.7",
    "2001:db8::/32",
    "2001:db9:1::/48",
    "2001:dba:1:2::/64",
    "2001:dbb::1",
];

/// An address within each of them, and one that is beside it.
const SAMPLES: [(&str, &str); 8] = [
    ("192.63.255.1", "192.64.0.1"),
    ("198.51.101.1", "198.51.102.1"),
    ("203.0.113.1", "203.0.112.1"),
    ("203.0.114.7", "203.0.114.8"),
    ("2001:db8:ffff::1", "2001:db7::1"),
    ("2001:db9:1::1", "2001:db9:2::1"),
    ("2001:dba:1:2::1", "2001:dba:1:3::1"),
    ("2001:dbb::1", "2001:dbb::2"),
];

fn is_asked_finely(site: &Site) -> bool {
    let pin = site.pins().join(map::BLOCKS);
    let info = site.host.enter(|| MapInfo::from_pin(&pin)).unwrap();
    info.max_entries() > 1
}

/// Whether the block of an IPv4 address is noted as one that a prefix touches.
fn is_noted(site: &Site, address: std::net::Ipv4Addr) -> bool {
    let pin = site.pins().join(map::BLOCKS);
    let data = site.host.enter(|| MapData::from_pin(&pin)).unwrap();
    let blocks: Array<_, u64> = Map::Array(data).try_into().unwrap();
    let block = FineBlock::v4(address.to_bits());
    blocks.get(&block.word, 0).unwrap() & block.bit != 0
}

/// Everything within, and nothing beside, whatever the length of the rest of the list.
fn check(site: &Site, about: &str) {
    let parse = |text: &str| -> IpAddr { text.parse().unwrap() };
    let [within, beside] = [
        SAMPLES.map(|(within, _)| parse(within)),
        SAMPLES.map(|(_, beside)| parse(beside)),
    ];
    assert_eq!(site.verdicts(&within), [Action::Pass; 8], "{about}");
    assert_eq!(site.verdicts(&beside), [Action::Drop; 8], "{about}");
}

#[test]
fn a_list_that_becomes_long_says_what_it_said() {
    let Some(site) = Site::or_skip("a_list_that_becomes_long_says_what_it_said") else {
        return;
    };
    let nested: Vec<Prefix> = NESTED.map(|prefix| prefix.parse().unwrap()).to_vec();
    let short = file(&nested);
    let long = file(&[nested, hosts(0..FINE_FROM as u32)].concat());
    let path = |file: &tempfile::NamedTempFile| file.path().display().to_string();
    site.rpcguard(&format!("attach eth0 --allow-file {}", path(&short)));
    check(&site, "short");
    assert!(!is_asked_finely(&site));
    site.rpcguard(&format!("allow replace {}", path(&long)));
    assert!(is_asked_finely(&site));
    check(&site, "become long");
    assert!(is_noted(&site, address(0)));
    site.rpcguard("allow add 100.64.0.0/10 2001:dbc::/40");
    site.rpcguard("allow remove 2001:dbb::1");
    site.rpcguard("allow add 2001:dbb::1");
    check(&site, "changed");
    let added = ["100.127.1.1", "2001:dbc:1::1"].map(|address| address.parse().unwrap());
    assert_eq!(site.verdicts(&added), [Action::Pass; 2]);
    site.rpcguard(&format!("allow replace {}", path(&short)));
    check(&site, "short again");
    // Or sooner or later every source would be looked up.
    assert!(!is_noted(&site, address(0)));
    assert_eq!(site.verdicts(&added), [Action::Drop; 2]);
    site.rpcguard("attach eth0 --replace");
    check(&site, "renewed");
    site.rpcguard("detach eth0");

    site.rpcguard(&format!("attach eth0 --allow-file {}", path(&long)));
    assert!(is_asked_finely(&site));
    check(&site, "long from the beginning");
    site.rpcguard("detach eth0");
}

#[test]
fn who_had_a_guard_open_while_a_list_became_long_sees_and_changes_what_is_in_force() {
    let test = "who_had_a_guard_open_while_a_list_became_long_sees_and_changes_what_is_in_force";
    let Some(site) = Site::or_skip(test) else {
        return;
    };
    site.rpcguard("attach eth0 --allow 203.0.113.7");
    site.registry(|registry: &Registry| {
        let lock = registry.lock().unwrap();
        let [mut early, mut late] = ["eth0"; 2].map(|name| registry.guard(name).unwrap());
        assert_eq!(early.prefixes().unwrap().len(), 1);
        for others in [500, 6000] {
            let mut change = Change::default();
            change.replace(Verdict::Allow, hosts(0..others));
            late.commit(&lock, &change).unwrap();
            assert_eq!(early.prefixes().unwrap().len(), others as usize);

            let host = "203.0.113.7".parse().unwrap();
            let mut change = Change::default();
            change.add(Verdict::Allow, host).unwrap();
            early.commit(&lock, &change).unwrap();
            let decided = late.decide(host.address()).unwrap().by;
            assert_eq!(decided, Some((host, Verdict::Allow)), "{others}");
        }
    });
    let addresses = ["203.0.113.7", "10.0.0.7", "203.0.113.8"];
    let addresses = addresses.map(|address| address.parse().unwrap());
    let expected = [Action::Pass, Action::Pass, Action::Drop];
    assert_eq!(site.verdicts(&addresses), expected);
    site.rpcguard("detach eth0");
}
