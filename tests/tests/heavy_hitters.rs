//! Whom a flood claims to come from: the estimates of each source that has at least a hundredth of the
//! dropped packets are within a tenth of what was sent, whoever else there is.

use std::{collections::BTreeMap, net::IpAddr};

use rpcguard::{
    guard::{Aggregate, SourceEstimate},
    prefix::Prefix,
};
use rpcguard_common::reason::Reason;
use rpcguard_tests::{
    lab::{Flood, Sources},
    packet::peers::{STRANGER_V4, STRANGER_V6},
    site::Site,
};

/// Packets of a flood: some seconds of a large one, of which so many are looked at that chance moves no
/// estimate by a tenth.
const PACKETS: u32 = 10_000_000;

/// Part of a flood: so many hundredths of it claim to come from any address of a prefix.
struct Part {
    prefix: &'static str,
    hundredths: u32,
}

const fn part(prefix: &'static str, hundredths: u32) -> Part {
    Part { prefix, hundredths }
}

/// A family: its flood, and by what it is added up.
struct Family {
    stranger: IpAddr,
    parts: [Part; 8],
    host: Aggregate,
    neighbourhood: Aggregate,
}

/// Hosts and neighbourhoods of 20, 5, 2 and 1 percent; two of the hosts are neighbours.
const V4: Family = Family {
    stranger: IpAddr::V4(STRANGER_V4),
    parts: [
        part("198.51.100.7/32", 20),
        part("203.0.113.99/32", 5),
        part("192.0.2.1/32", 2),
        part("192.0.2.200/32", 1),
        part("100.64.7.0/24", 5),
        part("100.65.8.0/24", 2),
        part("100.66.9.0/24", 1),
        part("0.0.0.0/0", 64),
    ],
    host: Aggregate::HostV4,
    neighbourhood: Aggregate::NeighbourhoodV4,
};

/// The same; a host is a /64, and a neighbourhood a /48.
const V6: Family = Family {
    stranger: IpAddr::V6(STRANGER_V6),
    parts: [
        part("2001:db8:1::7/128", 20),
        part("2001:db8:2:3::/64", 5),
        part("2001:db8:3:1::/64", 2),
        part("2001:db8:3:2::9/128", 1),
        part("2001:db8:4::/48", 5),
        part("2001:db8:5::/48", 2),
        part("2001:db8:6::/48", 1),
        part("::/0", 64),
    ],
    host: Aggregate::HostV6,
    neighbourhood: Aggregate::NeighbourhoodV6,
};

impl Family {
    /// How many packets of a hundred each source of an aggregate sends, those aside that all send
    /// together.
    fn hundredths(&self, aggregate: Aggregate) -> BTreeMap<Prefix, u32> {
        let mut hundredths = BTreeMap::new();
        for part in &self.parts {
            let prefix: Prefix = part.prefix.parse().unwrap();
            if prefix.length() >= aggregate.length() {
                let prefix = Prefix::new(prefix.address(), aggregate.length()).unwrap();
                *hundredths.entry(prefix).or_default() += part.hundredths;
            }
        }
        hundredths
    }

    /// Sends the flood, and returns the bytes of each frame.
    fn flood(&self, site: &Site) -> u64 {
        let frame = site.packet_from(self.stranger).dump().build();
        let length = frame.len() as u64;
        let parts = self
            .parts
            .each_ref()
            .map(|part| (part.prefix.parse().unwrap(), part.hundredths));
        let flood = Flood::new(&site.neighbour, "eth0", frame, Sources::mixed(&parts)).unwrap();
        flood.send(PACKETS).unwrap();
        length
    }
}

fn estimates(site: &Site, aggregate: Aggregate) -> Vec<SourceEstimate> {
    site.guard(|guard| guard.sources(aggregate).unwrap())
}

#[test]
fn each_source_of_a_hundredth_is_estimated_to_within_a_tenth() {
    let Some(site) = Site::or_skip("each_source_of_a_hundredth_is_estimated_to_within_a_tenth")
    else {
        return;
    };
    site.rpcguard("attach eth0");
    let mut before = 0;
    for family in [V4, V6] {
        let length = family.flood(&site);
        let counters = site.guard(|guard| guard.counters().unwrap());
        let dropped = counters.reason(Reason::Unlisted).packets - before;
        before += dropped;
        println!("{dropped} dropped of {PACKETS} sent");
        // What the wire had no room for is not known of any source.
        assert!(dropped * 100 >= u64::from(PACKETS) * 99, "{dropped}");
        for aggregate in [family.host, family.neighbourhood] {
            let estimates = estimates(&site, aggregate);
            let heavy = family.hundredths(aggregate);
            for (prefix, hundredths) in &heavy {
                let sent = f64::from(PACKETS / 100 * hundredths);
                let estimate = estimates.iter().find(|estimate| estimate.prefix == *prefix);
                let estimate = estimate.unwrap_or_else(|| panic!("{prefix} is not known"));
                let error = estimate.packets as f64 / sent - 1.0;
                println!(
                    "  {prefix} sent {hundredths}%: {:+.1}%, unnoticed at most {:.1}%",
                    100.0 * error,
                    100.0 * estimate.unnoticed as f64 / sent
                );
                assert!(error.abs() < 0.1, "{prefix}: {error:+.3}");
                assert_eq!(estimate.bytes, estimate.packets * length);
            }
            // They come first, and nobody is made up who has not sent as much.
            let first: Vec<_> = estimates
                .iter()
                .take(heavy.len())
                .map(|e| e.prefix)
                .collect();
            assert!(
                first.iter().all(|prefix| heavy.contains_key(prefix)),
                "{first:?}"
            );
            let next = &estimates[heavy.len()];
            println!("  then {} with {}", next.prefix, next.packets);
            assert!(next.packets < u64::from(PACKETS / 100) / 2, "{next:?}");
        }
    }
    site.rpcguard("detach eth0");
}
