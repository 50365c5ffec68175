//! Who sends to whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fastrand::Rng;

use super::{one_of, percent};
use crate::{
    hunt::{
        shot::{Feature, Features},
        twin::{GROUP_V4, GROUP_V6},
    },
    packet::peers::{
        BROADCAST_MAC, HOST_MAC, HOST_V4, HOST_V6, MULTICAST_MAC, MULTICAST_MAC_V6, PEER_MAC,
    },
};

/// Source and destination, of one family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) mac: [u8; 6],
}

impl Addresses {
    pub(super) fn any(random: &mut Rng, features: &mut Features) -> Self {
        let (source, destination) = if random.bool() {
            features.insert(Feature::Ipv4);
            (
                IpAddr::V4(source_v4(random)),
                IpAddr::V4(destination_v4(random, features)),
            )
        } else {
            features.insert(Feature::Ipv6);
            (
                IpAddr::V6(source_v6(random)),
                IpAddr::V6(destination_v6(random, features)),
            )
        };
        let mac = match random.u8(..100) {
            0..80 => HOST_MAC,
            80..90 => BROADCAST_MAC,
            90..94 => MULTICAST_MAC,
            94..98 => MULTICAST_MAC_V6,
            _ => PEER_MAC,
        };
        Self {
            source,
            destination,
            mac,
        }
    }
}

fn source_v4(random: &mut Rng) -> Ipv4Addr {
    let [a, b, c, d] = random.u32(..).to_be_bytes();
    match random.u8(..100) {
        // Allowed, denied inside it, allowed inside that.
        0..30 => Ipv4Addr::new(10, b, c, d),
        30..38 => Ipv4Addr::new(10, 66, c, d),
        38..42 => Ipv4Addr::new(10, 66, 6, d),
        42..48 => Ipv4Addr::new(192, 0, 2, d),
        // The neighbourhood of a prefix, and the world.
        48..55 => Ipv4Addr::new(one_of(random, &[9, 11, 192]), b, c, d),
        55..96 => Ipv4Addr::new(a, b, c, d),
        _ => one_of(
            random,
            &[
                Ipv4Addr::UNSPECIFIED,
                Ipv4Addr::BROADCAST,
                Ipv4Addr::LOCALHOST,
                HOST_V4,
                Ipv4Addr::new(203, 0, 113, 255),
                Ipv4Addr::new(224, 0, 0, 1),
            ],
        ),
    }
}

fn destination_v4(random: &mut Rng, features: &mut Features) -> Ipv4Addr {
    match random.u8(..100) {
        0..82 => HOST_V4,
        82..90 => {
            features.insert(Feature::Broadcast);
            one_of(
                random,
                &[Ipv4Addr::BROADCAST, Ipv4Addr::new(203, 0, 113, 255)],
            )
        }
        90..97 => {
            features.insert(Feature::Multicast);
            one_of(random, &[Ipv4Addr::new(224, 0, 0, 1), GROUP_V4])
        }
        _ => one_of(
            random,
            &[
                Ipv4Addr::LOCALHOST,
                Ipv4Addr::UNSPECIFIED,
                Ipv4Addr::new(203, 0, 113, 77),
            ],
        ),
    }
}

fn source_v6(random: &mut Rng) -> Ipv6Addr {
    let any = random.u128(..);
    let [a, b, c] = [any as u16, (any >> 16) as u16, (any >> 32) as u16];
    match random.u8(..100) {
        0..30 => Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, a, b, c, 1),
        30..38 => Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0x66, a, b, c, 1),
        38..42 => Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0x66, 6, a, b, c),
        42..50 => Ipv6Addr::new(0x2001, 0xdb8, one_of(random, &[9, 0xb, a]), a, b, c, 0, 1),
        // A global unicast address, then anything at all.
        50..85 => Ipv6Addr::from_bits(any >> 3 | 1 << 125),
        85..90 => Ipv6Addr::new(0xfe80, 0, 0, 0, a, b, c, 1),
        90..96 => Ipv6Addr::from_bits(any),
        _ => one_of(
            random,
            &[
                Ipv6Addr::UNSPECIFIED,
                Ipv6Addr::LOCALHOST,
                HOST_V6,
                // An allowed IPv4 address in IPv6's clothes.
                Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped(),
                Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
            ],
        ),
    }
}

fn destination_v6(random: &mut Rng, features: &mut Features) -> Ipv6Addr {
    if percent(random, 82) {
        return HOST_V6;
    }
    if percent(random, 75) {
        features.insert(Feature::Multicast);
        return one_of(
            random,
            &[Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), GROUP_V6],
        );
    }
    one_of(
        random,
        &[
            Ipv6Addr::LOCALHOST,
            Ipv6Addr::UNSPECIFIED,
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77),
            HOST_V4.to_ipv6_mapped(),
        ],
    )
}
