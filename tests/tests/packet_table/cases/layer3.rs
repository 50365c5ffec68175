//! Devices without link layer: tun, WireGuard, PPP, venet.

use std::net::Ipv4Addr;

use rpcguard_tests::packet::{
    Frame,
    numbers::{ACK, DESTINATION_OPTIONS, HOP_BY_HOP, ROUTING, SYN},
    peers::{FOE_V4, FOE_V6, FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, LATER_FRAGMENT, UNDECIDABLE, UNLISTED, case};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Frame::layer3().ipv4(STRANGER_V4);
    let ipv6 = || Frame::layer3().ipv6(STRANGER_V6);
    let ethernet_frame = || Frame::ethernet().ipv4(STRANGER_V4).dump();
    let mut cases: Vec<Case> = vec![
        case("layer 3: IPv4", UNLISTED, ipv4().dump()),
        case("layer 3: IPv4, allowed", ALLOWED, Frame::layer3().ipv4(FRIEND_V4).dump()),
        case("layer 3: IPv4, denied", DENIED, Frame::layer3().ipv4(FOE_V4).dump()),
        case("layer 3: IPv4, another port", IGNORED, ipv4().udp(53)),
        case("layer 3: IPv4 options", UNLISTED, ipv4().options(10).dump()),
        case("layer 3: IPv4 first fragment", UNLISTED, ipv4().first_fragment().dump()),
        case("layer 3: IPv4 later fragment", LATER_FRAGMENT, ipv4().later_fragment().dump()),
        case("layer 3: IPv4 header length 4", IGNORED, 
            ipv4().to_v4(Ipv4Addr::new(203, 0, 0, 111)).dump().patch(0, &[0x44])),
        case("layer 3: IPv6", UNLISTED, ipv6().dump()),
        case("layer 3: IPv6, allowed", ALLOWED, Frame::layer3().ipv6(FRIEND_V6).dump()),
        case("layer 3: IPv6, denied", DENIED, Frame::layer3().ipv6(FOE_V6).dump()),
        case("layer 3: IPv6, another port", IGNORED, ipv6().udp(53)),
        case("layer 3: IPv6 extensions", UNLISTED,
            ipv6().extensions(&[HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS]).dump()),
        case("layer 3: IPv6 nine extensions", UNDECIDABLE, ipv6().extensions(&[ROUTING; 9]).dump()),
        case("layer 3: IPv6 later fragment", LATER_FRAGMENT, ipv6().later_fragment().dump()),
        case("layer 3: SYN, TCP not guarded", IGNORED, ipv4().tcp(111, SYN)),
        case("layer 3: SYN", UNLISTED, ipv4().tcp(111, SYN)).guarding_tcp(),
        case("layer 3: IPv6 SYN", UNLISTED, ipv6().tcp(111, SYN)).guarding_tcp(),
        case("layer 3: ACK", IGNORED, ipv4().tcp(111, ACK)).guarding_tcp(),
        case("layer 3: observed", UNLISTED, ipv4().dump()).observing(),
        case("layer 3: an Ethernet frame, which is no packet here", IGNORED, ethernet_frame()),
        case("layer 3: an Ethernet frame to a MAC address that begins like IPv4", IGNORED,
            ethernet_frame().to_mac([0x45, 0, 0, 0, 0, 0])),
        case("layer 3: only the first byte of IPv4", IGNORED, [0x45].to_vec()),
        case("layer 3: no byte", IGNORED, Vec::new()),
        case("layer 3: IPv4 header less its last byte", IGNORED, ipv4().dump().cut(19)),
        case("layer 3: IPv4 up to inside the port", IGNORED, ipv4().dump().cut(23)),
        case("layer 3: IPv4 up to the port", UNLISTED, ipv4().dump().cut(24)),
        case("layer 3: IPv6 header less its last byte", IGNORED, ipv6().dump().cut(39)),
        case("layer 3: IPv6 up to the port", UNLISTED, ipv6().dump().cut(44)),
    ];
    cases.extend((0..=15).filter(|version| ![4, 6].contains(version)).map(|version: u8| {
        case(format!("layer 3: version {version}"), IGNORED, ipv4().dump().patch(0, &[version << 4 | 5]))
    }));
    cases
        .into_iter()
        .map(Case::on_layer3)
        .chain([case("an Ethernet device is not misread as layer 3", IGNORED, ipv4().dump())])
        .collect()
}
