//! Lists that become long, and short again.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use aya::maps::{Array, Map, MapData, MapInfo};
use rpcguard::{
    guard::{Change, Registry, Verdict},
    prefix::Prefix,
};
use rpcguard_common::{
    abi::{BloomKey, LONG_FROM, State, host_hash_v4, host_hash_v6, map},
    reason::Action,
};
use rpcguard_tests::site::Site;

use crate::{
    effort::amount,
    lists::{address, file, hosts},
    snapshot::entries,
};

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

fn has_filter(site: &Site) -> bool {
    let pin = site.pins().join(map::BLOOM);
    let info = site.host.enter(|| MapInfo::from_pin(&pin)).unwrap();
    info.max_entries() > 1
}

/// Whether a host is in the filter.
fn is_noted(site: &Site, address: Ipv4Addr) -> bool {
    let open = |name| {
        let pin = site.pins().join(name);
        let data = site.host.enter(|| MapData::from_pin(&pin)).unwrap();
        Map::Array(data)
    };
    let state: Array<_, State> = open(map::STATE).try_into().unwrap();
    let filter: Array<_, u64> = open(map::BLOOM).try_into().unwrap();
    let seed = state.get(&0, 0).unwrap().seed;
    let key = BloomKey::host_v4(address.to_bits(), seed);
    let word = filter.get(&key.word(filter.len().ilog2()), 0).unwrap();
    word & key.bits() == key.bits()
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
    let long = file(&[nested, hosts(0..LONG_FROM as u32)].concat());
    let path = |file: &tempfile::NamedTempFile| file.path().display().to_string();
    site.rpcguard(&format!("attach eth0 --allow-file {}", path(&short)));
    check(&site, "short");
    assert!(!has_filter(&site));
    site.rpcguard(&format!("allow replace {}", path(&long)));
    assert!(has_filter(&site));
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
    assert!(has_filter(&site));
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
            let host = "203.0.113.7".parse().unwrap();
            let mut change = Change::default();
            change.add(Verdict::Allow, host).unwrap();
            early.commit(&lock, &change).unwrap();
            let decided = late.decide(host.address()).unwrap().by;
            assert_eq!(decided, Some((host, Verdict::Allow)), "{others}");
            assert_eq!(early.prefixes().unwrap().len(), 1 + others as usize);
        }
        // Who only reads sees it, too.
        let mut change = Change::default();
        let host = "203.0.113.7".parse().unwrap();
        let wanted = hosts(0..29_999).into_iter().chain([host]);
        change.replace(Verdict::Allow, wanted);
        late.commit(&lock, &change).unwrap();
        assert_eq!(early.prefixes().unwrap().len(), 30_000);
    });
    let addresses = ["203.0.113.7", "10.0.0.7", "203.0.113.8"];
    let addresses = addresses.map(|address| address.parse().unwrap());
    let expected = [Action::Pass, Action::Pass, Action::Drop];
    assert_eq!(site.verdicts(&addresses), expected);
    site.rpcguard("detach eth0");
}

/// Hosts of one bucket, of which two are in each table.
fn crowd(seed: u64) -> Vec<IpAddr> {
    let v4 = (1..).map(|number| Ipv4Addr::new(203, 0, 113, number));
    let v4 = v4.filter(|address| host_hash_v4(address.to_bits(), seed) & 1 == 0);
    let v6 = (1..).map(|number| [0x2001_0db8_0001_0000, number]);
    let v6 = v6.filter(|halves| host_hash_v6(*halves, seed) & 1 == 0);
    let v6 = v6.map(|[high, low]| Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)));
    let both = v4
        .take(7)
        .map(IpAddr::from)
        .chain(v6.take(7).map(IpAddr::from));
    both.collect()
}

#[test]
fn hosts_that_find_no_room_in_their_bucket_are_as_good_as_others() {
    let Some(site) = Site::or_skip("hosts_that_find_no_room_in_their_bucket_are_as_good_as_others")
    else {
        return;
    };
    // Long, but without a host. Eight of a family are not too many for two buckets.
    let networks = (0..LONG_FROM as u32).map(|number| Prefix::new(address(number << 8).into(), 24));
    let mut list: Vec<_> = networks.flatten().collect();
    list.extend(["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|it| it.parse::<Prefix>().unwrap()));
    list.extend(
        ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|it| it.parse::<Prefix>().unwrap()),
    );
    let attached = file(&list);
    site.rpcguard(&format!(
        "attach eth0 --allow-file {}",
        attached.path().display()
    ));
    let pin = site.pins().join(map::STATE);
    let state = site.host.enter(|| MapData::from_pin(&pin)).unwrap();
    let state: Array<_, State> = Map::Array(state).try_into().unwrap();
    let crowd = crowd(state.get(&0, 0).unwrap().seed);
    list.truncate(LONG_FROM as usize);

    let mut random = fastrand::Rng::with_seed(7);
    for step in 0..amount(60, 8) {
        // All of them first: more than there is room for.
        let many = match step {
            0 => crowd.len(),
            _ => random.usize(0..=crowd.len()),
        };
        let present: Vec<IpAddr> = random
            .choose_multiple(&crowd, many)
            .into_iter()
            .copied()
            .collect();
        let wanted: Vec<Prefix> = list
            .iter()
            .copied()
            .chain(present.iter().map(|it| (*it).into()))
            .collect();
        site.guard(|guard| {
            let lock = Registry::new().unwrap().lock().unwrap();
            let mut change = Change::default();
            change.replace(Verdict::Allow, wanted.iter().copied());
            guard.commit(&lock, &change).unwrap();
            let listed: BTreeSet<_> = guard
                .prefixes()
                .unwrap()
                .iter()
                .map(|it| it.prefix)
                .collect();
            assert_eq!(listed, wanted.iter().copied().collect(), "step {step}");
        });
        assert_eq!(entries(&site), wanted.len(), "step {step}");
        let expected = crowd.iter().map(|it| match present.contains(it) {
            true => Action::Pass,
            false => Action::Drop,
        });
        assert_eq!(
            site.verdicts(&crowd),
            expected.collect::<Vec<_>>(),
            "step {step}"
        );
    }
    let tables = [map::HOSTS_V4, map::HOSTS_V6].map(|name| site.pins().join(name));
    for table in tables {
        let info = site.host.enter(|| MapInfo::from_pin(&table)).unwrap();
        assert_eq!(info.max_entries(), 2);
    }
    site.rpcguard("detach eth0");
}
