//! IPv6 extension headers, to eight of them, of each kind and in several orders.

use rpcguard_tests::packet::{
    Frame,
    numbers::{
        AUTHENTICATION, DESTINATION_OPTIONS, ESP, EXPERIMENTAL, FRAGMENT, HIP, HOP_BY_HOP, ICMPV6,
        MOBILITY, NO_NEXT_HEADER, ROUTING, SHIM6, SYN,
    },
    peers::{FOE_V6, FRIEND_V6, STRANGER_V6},
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, UNDECIDABLE, UNLISTED, case};

const KINDS: [(u8, &str); 8] = [
    (HOP_BY_HOP, "hop-by-hop options"),
    (ROUTING, "routing header"),
    (FRAGMENT, "atomic fragment header"),
    (DESTINATION_OPTIONS, "destination options"),
    (AUTHENTICATION, "authentication header"),
    (MOBILITY, "mobility header"),
    (HIP, "HIP header"),
    (SHIM6, "shim6 header"),
];

/// A UDP header to port 111, as bytes that no header announces.
const UDP_TO_111: [u8; 8] = [0x9c, 0x40, 0, 111, 0, 8, 0, 0];

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv6 = || Frame::ethernet().ipv6(STRANGER_V6);
    let mut cases = Vec::new();
    for (kind, name) in KINDS {
        cases.push(case(format!("{name}, then 111"), UNLISTED, ipv6().extensions(&[kind]).dump()));
        cases.push(case(format!("{name}, then another port"), IGNORED, ipv6().extensions(&[kind]).udp(53)));
        cases.push(case(format!("{name} eight times"), UNLISTED, ipv6().extensions(&[kind; 8]).dump()));
        cases.push(case(format!("{name} nine times"), UNDECIDABLE, ipv6().extensions(&[kind; 9]).dump()));
        if kind != FRAGMENT {
            cases.push(case(format!("{name} of 24 bytes"), UNLISTED, ipv6().extension(kind, 3).dump()));
        }
    }
    let in_order = [HOP_BY_HOP, DESTINATION_OPTIONS, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS];
    let mixed = [SHIM6, FRAGMENT, HIP, AUTHENTICATION, MOBILITY, DESTINATION_OPTIONS, ROUTING, HOP_BY_HOP];
    cases.extend([
        case("extension, allowed source", ALLOWED,
            Frame::ethernet().ipv6(FRIEND_V6).extensions(&[DESTINATION_OPTIONS]).dump()),
        case("extension, denied source", DENIED,
            Frame::ethernet().ipv6(FOE_V6).extensions(&[DESTINATION_OPTIONS]).dump()),
        case("every extension in the order of RFC 8200", UNLISTED, ipv6().extensions(&in_order).dump()),
        case("every extension in the order of RFC 8200, another port", IGNORED,
            ipv6().extensions(&in_order).udp(53)),
        case("eight kinds of extension, none in its place", UNLISTED, ipv6().extensions(&mixed).dump()),
        case("eight kinds of extension, and one more", UNDECIDABLE,
            ipv6().extensions(&mixed).extensions(&[ROUTING]).dump()),
        case("eight extensions, another port", IGNORED, ipv6().extensions(&mixed).udp(112)),
        case("eight extensions before ICMPv6", IGNORED,
            ipv6().extensions(&mixed).protocol(ICMPV6).payload(&UDP_TO_111)),
        case("eight extensions that announce a ninth, and end", UNDECIDABLE,
            ipv6().extensions(&[ROUTING; 8]).protocol(ROUTING)),
        case("nine extensions, allowed source", UNDECIDABLE,
            Frame::ethernet().ipv6(FRIEND_V6).extensions(&[ROUTING; 9]).dump()),
        case("nine extensions before another port", UNDECIDABLE, ipv6().extensions(&[ROUTING; 9]).udp(53)),
        case("routing before hop-by-hop", UNLISTED, ipv6().extensions(&[ROUTING, HOP_BY_HOP]).dump()),
        case("authentication between destination options", UNLISTED,
            ipv6().extension(DESTINATION_OPTIONS, 2).extension(AUTHENTICATION, 3).extension(DESTINATION_OPTIONS, 1).dump()),
        // The authentication header counts words of four bytes, the others units of eight.
        case("authentication header of 12 bytes, not a multiple of eight", UNLISTED,
            ipv6().protocol(AUTHENTICATION).payload(&[17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]).payload(&UDP_TO_111)),
        case("authentication header of 16 bytes, port 111 where 24 bytes would end", IGNORED,
            ipv6().extension(AUTHENTICATION, 2).udp(53).payload(&UDP_TO_111)),
        case("authentication header of the largest length", UNLISTED,
            ipv6().extension(AUTHENTICATION, 128).dump()),
        // A fragment header has no length field: its second byte is reserved.
        case("atomic fragment header with a reserved byte set", UNLISTED,
            ipv6().extensions(&[FRAGMENT]).patch(41, &[0xff]).dump()),
        case("atomic fragment header with reserved bits set", UNLISTED,
            ipv6().extensions(&[FRAGMENT]).patch(43, &[0x06]).dump()),
        case("options of 1024 bytes", UNLISTED, ipv6().extension(DESTINATION_OPTIONS, 128).dump()),
        case("options of 1400 bytes before another port", IGNORED,
            ipv6().extension(DESTINATION_OPTIONS, 175).udp(53)),
        case("padding that looks like port 111 before another port", IGNORED,
            ipv6().extension(ROUTING, 3).patch(48, &UDP_TO_111).udp(53)),
        case("padding that looks like port 53 before port 111", UNLISTED,
            ipv6().extension(ROUTING, 3).patch(48, &[0x9c, 0x40, 0, 53, 0, 8, 0, 0]).udp(111)),
        // The end of the chain.
        case("extension, then no next header", IGNORED,
            ipv6().extensions(&[ROUTING]).protocol(NO_NEXT_HEADER).payload(&UDP_TO_111)),
        case("extension, then ESP", IGNORED, ipv6().extensions(&[ROUTING]).protocol(ESP).payload(&UDP_TO_111)),
        case("extension, then unknown", IGNORED,
            ipv6().extensions(&[ROUTING]).protocol(EXPERIMENTAL).payload(&UDP_TO_111)),
        case("extension, then TCP", IGNORED, ipv6().extensions(&[ROUTING]).tcp(111, SYN)),
        case("extension, then guarded TCP", UNLISTED, ipv6().extensions(&[ROUTING]).tcp(111, SYN)).guarding_tcp(),
        case("extension that ends the frame", IGNORED, ipv6().extensions(&[ROUTING]).protocol(17)),
        case("extension longer than the frame", IGNORED,
            ipv6().extension(ROUTING, 1).patch(41, &[200]).dump()),
        case("mobile IPv6 routing header, type 2", UNLISTED,
            ipv6().extension(ROUTING, 3).patch(42, &[2, 1]).dump()),
        case("segment routing header, type 4", UNLISTED, ipv6().extension(ROUTING, 3).patch(42, &[4, 0]).dump()),
    ]);
    cases
}
