//! Who shares a limit with whom.

use std::collections::HashSet;

use rpcguard_common::{hash::hash, policy::Address};

use super::{HostMemory, Limiter, limit, no_limit, v4, v6};

/// How many of these sources are served, one call each, if each limit is one packet.
fn served(limiter: &Limiter, sources: impl IntoIterator<Item = Address>) -> u32 {
    sources
        .into_iter()
        .map(|source| limiter.admitted(source, 1))
        .sum()
}

fn one_a_source() -> Limiter {
    Limiter::of_sources(limit(1, 3600, 1))
}

fn one_a_neighbourhood() -> Limiter {
    Limiter::new(no_limit(), limit(1, 3600, 1), no_limit())
}

const NETWORK: u64 = 0x2001_0db8_000b_0000;

#[test]
fn ipv4_sources_are_addresses_and_neighbours_share_24_bits() {
    let near = (0..=255).map(|host| v4(0xc633_6400 | host));
    assert_eq!(served(&one_a_source(), near.clone()), 256);
    assert_eq!(served(&one_a_neighbourhood(), near), 1);
    let far = (0..=255).map(|net| v4(0xc633_0007 | net << 8));
    assert_eq!(served(&one_a_neighbourhood(), far), 256);
}

#[test]
fn ipv6_sources_are_64_bits_and_neighbours_share_48() {
    let hosts = (0..64).map(|bit| v6(NETWORK, 1 << bit));
    assert_eq!(served(&one_a_source(), hosts), 1);
    let near = (0..16).map(|bit| v6(NETWORK | 1 << bit, 7));
    assert_eq!(served(&one_a_source(), near.clone()), 16);
    assert_eq!(served(&one_a_neighbourhood(), near), 1);
    let far = (16..64).map(|bit| v6(NETWORK ^ 1 << bit, 7));
    assert_eq!(served(&one_a_neighbourhood(), far), 48);
}

#[test]
fn an_ipv4_address_shares_nothing_with_an_ipv6_network_of_its_number() {
    let both = |number: u32| [v4(number), v6(number.into(), 0)];
    assert_eq!(served(&one_a_source(), both(0xc633_6407)), 2);
    assert_eq!(served(&one_a_neighbourhood(), both(0xc633_6407)), 2);
    assert_eq!(served(&one_a_neighbourhood(), both(0)), 2);
}

/// The sources that are refused because others took their cells.
fn collisions(seed: u64) -> HashSet<u32> {
    let mut limiter = one_a_source();
    limiter.memory = HostMemory::new(seed);
    (0..20_000)
        .map(|number| hash(number, 3) as u32)
        .filter(|address| !limiter.admits(v4(*address)))
        .collect()
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn who_does_not_know_the_seed_cannot_choose_whom_to_share_with() {
    let [one, other] = [1, 2].map(collisions);
    println!(
        "{} and {} of 20,000 find their cell taken",
        one.len(),
        other.len()
    );
    // As many as chance has it: 20,000 sources in 65,536 cells.
    for collisions in [&one, &other] {
        assert!((2_500..3_100).contains(&collisions.len()));
    }
    // Those that share with another under one seed do not under the next, but by chance.
    let both = one.intersection(&other).count();
    assert!(both < one.len() / 4, "{both}");
}
