//! The IPv6 header: its version, its destinations, what follows it directly.

use std::net::{Ipv4Addr, Ipv6Addr};

use rpcguard_tests::packet::{
    Frame,
    numbers::{ESP, EXPERIMENTAL, NO_NEXT_HEADER},
    peers::{FOE_V6, FRIEND_V6, HOST_V6, MULTICAST_MAC_V6, STRANGER_V6},
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, UNLISTED, case};

/// A UDP header to port 111, as bytes that no header announces.
const UDP_TO_111: [u8; 8] = [0x9c, 0x40, 0, 111, 0, 8, 0, 0];

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv6 = || Frame::ethernet().ipv6(STRANGER_V6);
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mapped = Ipv4Addr::new(192, 0, 2, 10).to_ipv6_mapped();
    vec![
        case("IPv6, unlisted", UNLISTED, ipv6().dump()),
        case("IPv6, allowed", ALLOWED, Frame::ethernet().ipv6(FRIEND_V6).dump()),
        case("IPv6, denied", DENIED, Frame::ethernet().ipv6(FOE_V6).dump()),
        case("IPv6, another port", IGNORED, ipv6().udp(547)),
        case("IPv6 without payload", UNLISTED, ipv6().udp(111)),
        case("IPv6, full Ethernet frame", UNLISTED, ipv6().udp(111).payload(&[0; 1452])),
        case("IPv6 version 4 under the EtherType of IPv6", IGNORED, ipv6().dump().patch(0, &[0x45])),
        case("IPv6 version 0", IGNORED, ipv6().dump().patch(0, &[0])),
        case("IPv6 version 7", IGNORED, ipv6().dump().patch(0, &[0x70])),
        case("IPv6 version 14", IGNORED, ipv6().dump().patch(0, &[0xe0])),
        case("IPv6 traffic class and flow label", UNLISTED, ipv6().dump().patch(0, &[0x6f, 0xff, 0xff, 0xff])),
        case("IPv6 hop limit 0", UNLISTED, ipv6().dump().patch(7, &[0])),
        case("IPv6 multicast", UNLISTED, ipv6().to_v6(all_nodes).dump().to_mac(MULTICAST_MAC_V6)),
        case("IPv6 multicast, allowed source", ALLOWED,
            Frame::ethernet().ipv6(FRIEND_V6).to_v6(all_nodes).dump().to_mac(MULTICAST_MAC_V6)),
        case("IPv6 source ::", UNLISTED, Frame::ethernet().ipv6(Ipv6Addr::UNSPECIFIED).dump()),
        case("IPv6 source ::1", UNLISTED, Frame::ethernet().ipv6(Ipv6Addr::LOCALHOST).dump()),
        case("IPv6 link-local source", UNLISTED,
            Frame::ethernet().ipv6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9)).dump()),
        case("IPv6 source is the host's own", UNLISTED, Frame::ethernet().ipv6(HOST_V6).dump()),
        case("IPv4-mapped source is not the IPv4 address", UNLISTED, Frame::ethernet().ipv6(mapped).dump()),
        case("IPv6 without next header", IGNORED, ipv6().protocol(NO_NEXT_HEADER).payload(&UDP_TO_111)),
        case("IPv6 with ESP", IGNORED, ipv6().protocol(ESP).payload(&UDP_TO_111)),
        case("IPv6 with an unknown next header", IGNORED, ipv6().protocol(EXPERIMENTAL).payload(&UDP_TO_111)),
        case("IPv6 with reserved next header 255", IGNORED, ipv6().protocol(255).payload(&UDP_TO_111)),
    ]
}
