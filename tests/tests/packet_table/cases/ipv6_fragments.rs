//! IPv6 fragments. The header chain belongs into the first one (RFC 7112); where it does not fit,
//! only reassembly would tell.

use rpcguard_tests::packet::{
    Frame,
    numbers::{
        ACK, AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ICMPV6, ROUTING, SYN, UDP,
    },
    peers::{FOE_V6, FRIEND_V6, STRANGER_V6},
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, LATER_FRAGMENT, UNDECIDABLE, UNLISTED, case};

/// A UDP header to port 53, for padding to show.
const UDP_TO_53: [u8; 8] = [0x9c, 0x40, 0, 53, 0, 8, 0, 0];

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv6 = || Frame::ethernet().ipv6(STRANGER_V6);
    let first = || ipv6().first_fragment();
    vec![
        case("IPv6 first fragment to 111", UNLISTED, first().dump()),
        case("IPv6 first fragment to 111, allowed source", ALLOWED,
            Frame::ethernet().ipv6(FRIEND_V6).first_fragment().dump()),
        case("IPv6 first fragment to 111, denied source", DENIED,
            Frame::ethernet().ipv6(FOE_V6).first_fragment().dump()),
        case("IPv6 first fragment to another port", IGNORED, first().udp(2049).payload(&[0; 64])),
        case("IPv6 first fragment that is just the UDP header", UNLISTED, first().udp(111)),
        case("IPv6 later fragment", LATER_FRAGMENT, ipv6().later_fragment().udp(53).payload(&[0; 64])),
        case("IPv6 later fragment that looks like port 111", LATER_FRAGMENT, ipv6().later_fragment().dump()),
        case("IPv6 later fragment that looks like port 111, denied source", LATER_FRAGMENT,
            Frame::ethernet().ipv6(FOE_V6).later_fragment().dump()),
        case("IPv6 last fragment that looks like port 111", LATER_FRAGMENT, ipv6().last_fragment().udp(111)),
        case("IPv6 last fragment of one byte", LATER_FRAGMENT,
            ipv6().last_fragment().protocol(UDP).payload(&[0])),
        case("IPv6 last fragment without payload", LATER_FRAGMENT, ipv6().last_fragment().protocol(UDP)),
        case("IPv6 later fragment at the smallest offset", LATER_FRAGMENT, ipv6().fragment(1, true).udp(111)),
        case("IPv6 later fragment at the largest offset", LATER_FRAGMENT,
            ipv6().fragment(0x1fff, false).udp(111)),
        case("IPv6 later fragment with reserved bits", LATER_FRAGMENT,
            ipv6().fragment(1, false).patch(43, &[0x0e]).udp(111)),
        case("IPv6 later fragment after other headers", LATER_FRAGMENT,
            ipv6().extensions(&[HOP_BY_HOP, ROUTING]).later_fragment().udp(111)),
        case("IPv6 later fragment as the eighth header", LATER_FRAGMENT,
            ipv6().extensions(&[ROUTING; 7]).later_fragment().udp(111)),
        case("IPv6 later fragment as the ninth header", UNDECIDABLE,
            ipv6().extensions(&[ROUTING; 8]).later_fragment().udp(111)),
        case("IPv6 later fragment whose chain goes on, as payload", IGNORED,
            ipv6().later_fragment().extensions(&[DESTINATION_OPTIONS]).dump()),
        case("IPv6 later fragment of TCP", IGNORED, ipv6().later_fragment().tcp(111, SYN)).guarding_tcp(),
        case("IPv6 later fragment of ICMPv6", IGNORED,
            ipv6().later_fragment().protocol(ICMPV6).payload(&[0, 0, 0, 111])),
        case("IPv6 atomic fragment", UNLISTED, ipv6().fragment(0, false).dump()),
        case("IPv6 atomic fragment, allowed source", ALLOWED,
            Frame::ethernet().ipv6(FRIEND_V6).fragment(0, false).dump()),
        case("IPv6 atomic fragment to another port", IGNORED, ipv6().fragment(0, false).udp(53)),
        // Headers before and after the fragment header.
        case("IPv6 hop-by-hop, first fragment, destination options, 111", UNLISTED,
            ipv6().extensions(&[HOP_BY_HOP]).first_fragment().extensions(&[DESTINATION_OPTIONS]).dump()),
        case("IPv6 first fragment, authentication, destination options, 111", UNLISTED,
            first().extension(AUTHENTICATION, 2).extensions(&[DESTINATION_OPTIONS]).dump()),
        case("IPv6 first fragment, seven more headers, 111", UNLISTED, first().extensions(&[ROUTING; 7]).dump()),
        case("IPv6 first fragment, eight more headers", UNDECIDABLE, first().extensions(&[ROUTING; 8]).dump()),
        case("IPv6 fragment header inside a first fragment", UNLISTED, first().extensions(&[FRAGMENT]).dump()),
        case("IPv6 later fragment inside an atomic one", LATER_FRAGMENT,
            ipv6().extensions(&[FRAGMENT]).later_fragment().dump()),
        // A first fragment that ends inside the chain, at the end of the frame ...
        case("IPv6 first fragment that ends after its own header", UNDECIDABLE, first().protocol(UDP)),
        case("IPv6 first fragment that ends after its own header, options announced", UNDECIDABLE,
            first().protocol(DESTINATION_OPTIONS)),
        case("IPv6 first fragment that ends inside its options", UNDECIDABLE,
            first().extension(DESTINATION_OPTIONS, 4).cut(14 + 40 + 8 + 16)),
        case("IPv6 first fragment that ends after its options", UNDECIDABLE,
            first().extensions(&[DESTINATION_OPTIONS]).protocol(UDP)),
        case("IPv6 first fragment that ends inside the UDP header", UNDECIDABLE,
            first().protocol(UDP).payload(&UDP_TO_53[..4])),
        case("IPv6 first fragment that ends before a second extension", UNDECIDABLE,
            first().extensions(&[DESTINATION_OPTIONS]).protocol(ROUTING)),
        case("IPv6 first fragment, allowed source, that ends inside the chain", UNDECIDABLE,
            Frame::ethernet().ipv6(FRIEND_V6).first_fragment().protocol(DESTINATION_OPTIONS)),
        // ... and by its payload length, with padding that shows what is not there.
        case("IPv6 first fragment of no payload, padding shows port 53", UNDECIDABLE,
            first().protocol(UDP).padding(&UDP_TO_53)),
        case("IPv6 first fragment of four bytes, padding shows port 53", UNDECIDABLE,
            first().protocol(UDP).payload(&UDP_TO_53[..4]).padding(&UDP_TO_53[4..])),
        case("IPv6 first fragment of seven bytes, padding ends the header", UNDECIDABLE,
            first().udp(53).ip_length(8 + 7)),
        case("IPv6 first fragment of eight bytes and padding", IGNORED, first().udp(53).padding(&[0; 10])),
        case("IPv6 first fragment that ends after its options, padding shows port 53", UNDECIDABLE,
            first().extensions(&[DESTINATION_OPTIONS]).protocol(UDP).padding(&UDP_TO_53)),
        case("IPv6 first fragment that ends inside its options, padding shows port 53", UNDECIDABLE,
            first().extension(DESTINATION_OPTIONS, 3).udp(53).ip_length(8 + 16)),
        case("IPv6 first fragment that ends before options, padding shows options and port 53", UNDECIDABLE,
            first().extensions(&[DESTINATION_OPTIONS]).udp(53).ip_length(8)),
        case("IPv6 fragment header itself beyond the payload length", IGNORED,
            first().udp(111).ip_length(4)),
        // TCP.
        case("IPv6 first fragment of a SYN", UNLISTED, first().tcp(111, SYN)).guarding_tcp(),
        case("IPv6 first fragment of an ACK", IGNORED, first().tcp(111, ACK)).guarding_tcp(),
        case("IPv6 first fragment that leaves the TCP flags to the next", UNDECIDABLE,
            first().tcp(111, ACK).ip_length(8 + 8)).guarding_tcp(),
        case("IPv6 first fragment that ends just before the TCP flags", UNDECIDABLE,
            first().tcp(111, ACK).ip_length(8 + 13)).guarding_tcp(),
        case("IPv6 first fragment that ends just after the TCP flags", IGNORED,
            first().tcp(111, ACK).ip_length(8 + 14)).guarding_tcp(),
        case("IPv6 first fragment that leaves the TCP flags to the next, another port", IGNORED,
            first().tcp(80, ACK).ip_length(8 + 8)).guarding_tcp(),
    ]
}
