//! Which destinations are guarded, where not all are.

use std::net::{Ipv4Addr, Ipv6Addr};

use rpcguard_tests::packet::{
    Frame,
    numbers::{ACK, DESTINATION_OPTIONS, DOT1Q, ROUTING, SYN},
    peers::{FOE_V4, FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
};

use crate::case::{
    ALLOWED, Case, DENIED, IGNORED, LATER_FRAGMENT, UNDECIDABLE, UNLISTED, WITHIN_RATE, case,
};

/// The guests that are guarded here.
const GUARDED: [&str; 3] = ["203.0.113.1", "198.51.100.128/25", "2001:db8::1"];
const GUEST_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const GUEST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    // By default to the guarded host.
    let ipv4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let ipv6 = || Frame::ethernet().ipv6(STRANGER_V6);
    let tagged = || Frame::ethernet().vlan(DOT1Q, 7).ipv4(STRANGER_V4);
    let five_tags = || (0..5).fold(Frame::ethernet(), |frame, id| frame.vlan(DOT1Q, id));
    let inside: Ipv4Addr = [198, 51, 100, 128].into();
    let below: Ipv4Addr = [198, 51, 100, 127].into();
    let cases = vec![
        case("to a guarded destination", UNLISTED, ipv4().dump()),
        case("to another destination", IGNORED, ipv4().to_v4(GUEST_V4).dump()),
        case("to the first address of a guarded prefix", UNLISTED, ipv4().to_v4(inside).dump()),
        case("to the address before a guarded prefix", IGNORED, ipv4().to_v4(below).dump()),
        case("to a guarded destination, another port", IGNORED, ipv4().udp(53)),
        case("to a guarded destination, allowed source", ALLOWED, Frame::ethernet().ipv4(FRIEND_V4).dump()),
        case("to a guarded destination, denied source", DENIED, Frame::ethernet().ipv4(FOE_V4).dump()),
        case("to another destination, denied source", IGNORED,
            Frame::ethernet().ipv4(FOE_V4).to_v4(GUEST_V4).dump()),
        case("to another destination, allowed source", IGNORED,
            Frame::ethernet().ipv6(FRIEND_V6).to_v6(GUEST_V6).dump()),
        case("to a guarded IPv6 destination", UNLISTED, ipv6().dump()),
        case("to another IPv6 destination", IGNORED, ipv6().to_v6(GUEST_V6).dump()),
        case("to another destination behind a tag", IGNORED, tagged().to_v4(GUEST_V4).dump()),
        case("to a guarded destination behind a tag", UNLISTED, tagged().dump()),
        case("first fragment to a guarded destination", UNLISTED, ipv4().first_fragment().udp(111)),
        case("first fragment to another destination", IGNORED,
            ipv4().to_v4(GUEST_V4).first_fragment().udp(111)),
        case("later fragment to another destination", IGNORED,
            ipv4().to_v4(GUEST_V4).later_fragment().udp(111)),
        case("later fragment to another destination, with options", LATER_FRAGMENT,
            ipv4().to_v4(GUEST_V4).options(1).later_fragment().udp(111)),
        case("later fragment to a guarded destination", LATER_FRAGMENT, ipv4().later_fragment().udp(111)),
        case("IPv6 later fragment to another destination", IGNORED,
            ipv6().to_v6(GUEST_V6).later_fragment().udp(111)),
        case("IPv6 later fragment behind a routing header", LATER_FRAGMENT,
            ipv6().to_v6(GUEST_V6).extensions(&[ROUTING]).later_fragment().udp(111)),
        case("first fragment of four bytes to another destination", IGNORED,
            ipv4().to_v4(GUEST_V4).first_fragment().udp(111).ip_length(24)),
        case("first fragment of four bytes to a guarded destination", UNDECIDABLE,
            ipv4().first_fragment().udp(111).ip_length(24)),
        case("first fragment of a SYN that leaves the flags to the next, to another destination", IGNORED,
            ipv4().to_v4(GUEST_V4).first_fragment().tcp(111, SYN).ip_length(28)).guarding_tcp(),
        case("five tags before what is to another destination", UNDECIDABLE,
            five_tags().ipv4(STRANGER_V4).to_v4(GUEST_V4).udp(53)),
        // The destination address may be a stop on the way to a guarded one.
        case("to another destination, with options", UNLISTED, ipv4().to_v4(GUEST_V4).options(1).dump()),
        case("to another destination, with a routing header", UNLISTED,
            ipv6().to_v6(GUEST_V6).extensions(&[ROUTING]).dump()),
        case("to another destination, with a routing header before another extension", UNLISTED,
            ipv6().to_v6(GUEST_V6).extensions(&[ROUTING, DESTINATION_OPTIONS]).dump()),
        case("to another destination, with destination options", IGNORED,
            ipv6().to_v6(GUEST_V6).extensions(&[DESTINATION_OPTIONS]).dump()),
        case("to another destination, with nine extensions", IGNORED,
            ipv6().to_v6(GUEST_V6).extensions(&[DESTINATION_OPTIONS; 9]).dump()),
        case("to a guarded destination, with nine extensions", UNDECIDABLE,
            ipv6().extensions(&[DESTINATION_OPTIONS; 9]).dump()),
        case("to another destination, with nine extensions, one of them for routing", UNDECIDABLE,
            ipv6().to_v6(GUEST_V6).extensions(&[ROUTING]).extensions(&[DESTINATION_OPTIONS; 8]).dump()),
        case("SYN to another destination", IGNORED, ipv4().to_v4(GUEST_V4).tcp(111, SYN)).guarding_tcp(),
        case("SYN to a guarded destination", UNLISTED, ipv4().tcp(111, SYN)).guarding_tcp(),
        case("ACK to a guarded destination", IGNORED, ipv4().tcp(111, ACK)).guarding_tcp(),
        case("under a rate policy, to another destination", IGNORED,
            ipv4().to_v4(GUEST_V4).dump()).limiting_rate(),
        case("under an exhausted rate policy, to another destination", IGNORED,
            ipv4().to_v4(GUEST_V4).dump()).exhausted(),
        case("under a rate policy, SYN to a guarded destination", WITHIN_RATE,
            ipv4().tcp(111, SYN)).guarding_tcp().limiting_rate(),
        case("without link layer, to another destination", IGNORED,
            Frame::layer3().ipv4(STRANGER_V4).to_v4(GUEST_V4).dump()).on_layer3(),
        case("without link layer, to a guarded destination", UNLISTED,
            Frame::layer3().ipv4(STRANGER_V4).dump()).on_layer3(),
    ];
    let mut cases: Vec<Case> = cases.into_iter().map(|case| case.only_to(&GUARDED)).collect();
    cases.push(case("to IPv6 where only IPv4 destinations are guarded", IGNORED, ipv6().dump())
        .only_to(&["203.0.113.1", "32.1.13.184"]));
    cases.push(case("to IPv4 where all of IPv6 is guarded", IGNORED, ipv4().dump()).only_to(&["::/0"]));
    cases.push(case("to IPv4 where all of IPv4 is guarded", UNLISTED, ipv4().dump()).only_to(&["0.0.0.0/0"]));
    cases
}
