//! Frames in several buffers. In this test all that does not fit the first is in others (see
//! [`FIRST_BUFFER`]), so a long extension chain puts headers there too.

use rpcguard_tests::{
    kernel::FIRST_BUFFER,
    packet::{
        Frame,
        numbers::{DESTINATION_OPTIONS, DOT1Q, ROUTING, SYN},
        peers::{FOE_V4, FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
    },
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, LATER_FRAGMENT, UNDECIDABLE, UNLISTED, case};

/// An IPv6 packet whose extension headers end `end` bytes into the frame.
fn ipv6_with_headers_to(end: usize) -> Frame {
    const LONGEST: usize = 256;
    let mut frame = Frame::ethernet().ipv6(STRANGER_V6);
    let mut units = (end - 54) / 8;
    while units > 0 {
        let header = units.min(LONGEST);
        frame = frame.extension(DESTINATION_OPTIONS, header as u16);
        units -= header;
    }
    frame
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let jumbo = [0; 8900];
    vec![
        // Headers in the first buffer.
        case("jumbo: unlisted", UNLISTED, ipv4().udp(111).payload(&jumbo)),
        case("jumbo: allowed", ALLOWED, Frame::ethernet().ipv4(FRIEND_V4).udp(111).payload(&jumbo)),
        case("jumbo: denied", DENIED, Frame::ethernet().ipv4(FOE_V4).udp(111).payload(&jumbo)),
        case("jumbo: another port", IGNORED, ipv4().udp(2049).payload(&jumbo)),
        case("jumbo: IPv6", UNLISTED, Frame::ethernet().ipv6(STRANGER_V6).udp(111).payload(&jumbo)),
        case("jumbo: IPv6, allowed", ALLOWED, Frame::ethernet().ipv6(FRIEND_V6).udp(111).payload(&jumbo)),
        case("jumbo: tags and options", UNLISTED,
            Frame::ethernet().vlan(DOT1Q, 1).vlan(DOT1Q, 2).ipv4(STRANGER_V4).options(10).udp(111).payload(&jumbo)),
        case("jumbo: first fragment", UNLISTED, ipv4().first_fragment().udp(111).payload(&jumbo)),
        case("jumbo: later fragment that looks like port 111", LATER_FRAGMENT,
            ipv4().later_fragment().udp(111).payload(&jumbo)),
        case("jumbo: nine extensions", UNDECIDABLE,
            Frame::ethernet().ipv6(STRANGER_V6).extensions(&[ROUTING; 9]).udp(111).payload(&jumbo)),
        case("jumbo: SYN with data", UNLISTED, ipv4().tcp(111, SYN).payload(&jumbo)).guarding_tcp(),
        case("jumbo: observed", UNLISTED, ipv4().udp(111).payload(&jumbo)).observing(),
        case("frame that just fits the first buffer", UNLISTED,
            ipv4().udp(111).payload(&jumbo[..FIRST_BUFFER - 42])),
        case("frame one byte longer than the first buffer", UNLISTED,
            ipv4().udp(111).payload(&jumbo[..FIRST_BUFFER - 41])),
        case("64 KiB in many buffers", UNLISTED, ipv4().udp(111).payload(&[0; 65_000])),
        // Headers beyond the first buffer.
        case("jumbo: UDP header across the end of the first buffer", UNLISTED,
            ipv6_with_headers_to(3518).udp(111).payload(&jumbo[..1000])),
        case("jumbo: UDP header across the end of the first buffer, another port", IGNORED,
            ipv6_with_headers_to(3518).udp(112).payload(&jumbo[..1000])),
        case("jumbo: UDP header in the second buffer", UNLISTED,
            ipv6_with_headers_to(3526).udp(111).payload(&jumbo[..1000])),
        case("jumbo: extension header in the second buffer", UNLISTED,
            ipv6_with_headers_to(3702).extensions(&[ROUTING]).udp(111).payload(&jumbo[..1000])),
        case("jumbo: SYN in the second buffer", UNLISTED, ipv6_with_headers_to(3702).tcp(111, SYN)).guarding_tcp(),
        case("jumbo: frame ends before the port, in the second buffer", IGNORED,
            ipv6_with_headers_to(3526).udp(111).cut(3529)),
        case("jumbo: later fragment in the second buffer", LATER_FRAGMENT,
            ipv6_with_headers_to(3526).later_fragment().udp(111)),
        case("jumbo: UDP header at the last offset that is followed", UNLISTED,
            ipv6_with_headers_to(4094).udp(111)),
        case("jumbo: UDP header beyond the last offset that is followed", UNDECIDABLE,
            ipv6_with_headers_to(4102).udp(111)),
        case("jumbo: extension header beyond the last offset that is followed", UNDECIDABLE,
            ipv6_with_headers_to(4102).extensions(&[ROUTING]).udp(53)),
    ]
}
