//! IPv4 fragments. Only the first has ports; what a later one has in their place is payload.

use rpcguard_tests::packet::{
    Frame,
    numbers::{ACK, ICMP, SYN},
    peers::{FOE_V4, FRIEND_V4, STRANGER_V4},
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, LATER_FRAGMENT, UNDECIDABLE, UNLISTED, case};

/// What a parser that reads ports out of later fragments takes for a datagram to port 111.
const LOOKS_LIKE_111: [u8; 8] = [0x9c, 0x40, 0, 111, 0, 8, 0, 0];

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Frame::ethernet().ipv4(STRANGER_V4);
    vec![
        case("first fragment to 111", UNLISTED, ipv4().first_fragment().dump()),
        case("first fragment to 111, allowed source", ALLOWED,
            Frame::ethernet().ipv4(FRIEND_V4).first_fragment().dump()),
        case("first fragment to 111, denied source", DENIED,
            Frame::ethernet().ipv4(FOE_V4).first_fragment().dump()),
        case("first fragment to another port", IGNORED, ipv4().first_fragment().udp(2049).payload(&[0; 64])),
        case("first fragment with options", UNLISTED, ipv4().options(10).first_fragment().dump()),
        case("first fragment that is just the UDP header", UNLISTED, ipv4().first_fragment().udp(111)),
        case("first fragment of a full Ethernet frame", UNLISTED,
            ipv4().first_fragment().udp(111).payload(&[0; 1472])),
        case("later fragment", LATER_FRAGMENT, ipv4().later_fragment().udp(53).payload(&[0; 64])),
        case("later fragment that looks like port 111", LATER_FRAGMENT,
            ipv4().later_fragment().udp(111).payload(&[0; 64])),
        case("later fragment that looks like port 111, denied source", LATER_FRAGMENT,
            Frame::ethernet().ipv4(FOE_V4).later_fragment().udp(111)),
        case("later fragment with options", LATER_FRAGMENT, ipv4().options(3).later_fragment().udp(111)),
        case("last fragment", LATER_FRAGMENT, ipv4().last_fragment().udp(53)),
        case("last fragment that looks like port 111", LATER_FRAGMENT, ipv4().last_fragment().udp(111)),
        case("last fragment of one byte", LATER_FRAGMENT,
            ipv4().last_fragment().udp(111).ip_length(21)),
        case("later fragment at the smallest offset", LATER_FRAGMENT, ipv4().fragment(1, true).udp(111)),
        case("later fragment at the largest offset", LATER_FRAGMENT,
            ipv4().fragment(0x1fff, false).udp(111)),
        case("later fragment with an offset in the high byte only", LATER_FRAGMENT,
            ipv4().fragment(0x0100, true).udp(111)),
        case("later fragment with don't fragment and the reserved bit", LATER_FRAGMENT,
            ipv4().udp(111).patch(6, &[0xc0, 0x10])),
        case("first fragment with don't fragment", UNLISTED, ipv4().udp(111).patch(6, &[0x60, 0])),
        // A first fragment that ends before the port, with padding that shows another one.
        case("first fragment of four bytes, padding shows port 53", UNDECIDABLE,
            ipv4().first_fragment().udp(53).ip_length(24)),
        case("first fragment of seven bytes", UNDECIDABLE,
            ipv4().first_fragment().udp(53).ip_length(27)),
        case("first fragment of eight bytes", IGNORED,
            ipv4().first_fragment().udp(53).ip_length(28)),
        case("first fragment without payload, padding shows port 111", UNDECIDABLE,
            ipv4().first_fragment().udp(111).ip_length(20)),
        case("first fragment after options, cut inside the port", UNDECIDABLE,
            ipv4().options(1).first_fragment().udp(53).ip_length(27)),
        // Other protocols.
        case("later fragment of TCP that looks like a SYN to 111", IGNORED,
            ipv4().later_fragment().tcp(111, SYN)).guarding_tcp(),
        case("later fragment of TCP at offset 8, where the flags are", IGNORED,
            ipv4().fragment(1, false).tcp(111, SYN)).guarding_tcp(),
        case("first fragment of a SYN", UNLISTED, ipv4().first_fragment().tcp(111, SYN)).guarding_tcp(),
        case("first fragment of a SYN, TCP not guarded", IGNORED, ipv4().first_fragment().tcp(111, SYN)),
        case("first fragment of an ACK", IGNORED, ipv4().first_fragment().tcp(111, ACK)).guarding_tcp(),
        case("first fragment that leaves the TCP flags to the next", UNDECIDABLE,
            ipv4().first_fragment().tcp(111, ACK).ip_length(28)).guarding_tcp(),
        case("first fragment that leaves the TCP flags to the next, padding shows a SYN", UNDECIDABLE,
            ipv4().first_fragment().tcp(111, SYN).ip_length(28)).guarding_tcp(),
        case("first fragment that ends just before the TCP flags", UNDECIDABLE,
            ipv4().first_fragment().tcp(111, ACK).ip_length(33)).guarding_tcp(),
        // Linux keeps whole units of eight bytes: the flags come from the next fragment.
        case("first fragment that ends just after the TCP flags", UNDECIDABLE,
            ipv4().first_fragment().tcp(111, ACK).ip_length(34)).guarding_tcp(),
        case("first fragment that ends a byte before the unit of the TCP flags does", UNDECIDABLE,
            ipv4().first_fragment().tcp(111, ACK).ip_length(35)).guarding_tcp(),
        case("first fragment that ends so behind IPv4 options", UNDECIDABLE,
            ipv4().options(1).first_fragment().tcp(111, ACK).ip_length(39)).guarding_tcp(),
        case("first fragment that ends with the unit of the TCP flags", IGNORED,
            ipv4().first_fragment().tcp(111, ACK).ip_length(36)).guarding_tcp(),
        case("first fragment that ends with the unit of the TCP flags, a SYN", UNLISTED,
            ipv4().first_fragment().tcp(111, SYN).ip_length(36)).guarding_tcp(),
        case("first fragment of fifteen bytes to 111", UNLISTED,
            ipv4().first_fragment().dump().ip_length(35)),
        case("first fragment that leaves the TCP flags to the next, another port", IGNORED,
            ipv4().first_fragment().tcp(80, ACK).ip_length(28)).guarding_tcp(),
        case("first fragment that leaves the TCP flags to the next, TCP not guarded", IGNORED,
            ipv4().first_fragment().tcp(111, ACK).ip_length(28)),
        case("first fragment of ICMP", IGNORED,
            ipv4().first_fragment().protocol(ICMP).payload(&LOOKS_LIKE_111)),
        case("later fragment of ICMP", IGNORED,
            ipv4().later_fragment().protocol(ICMP).payload(&LOOKS_LIKE_111)),
    ]
}
