//! TCP: guarded on request, and then only by the segments that open a connection.

use rpcguard_tests::packet::{
    Frame,
    numbers::{ACK, CWR, ECE, FIN, PSH, RST, SYN, URG},
    peers::{FOE_V4, FOE_V6, FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, UNLISTED, case};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let ipv6 = || Frame::ethernet().ipv6(STRANGER_V6);
    let mut cases = vec![
        case("SYN, TCP not guarded", IGNORED, ipv4().tcp(111, SYN)),
        case("SYN, TCP not guarded, denied source", IGNORED, Frame::ethernet().ipv4(FOE_V4).tcp(111, SYN)),
        case("IPv6 SYN, TCP not guarded", IGNORED, ipv6().tcp(111, SYN)),
    ];
    cases.extend([
        case("SYN", UNLISTED, ipv4().tcp(111, SYN)),
        case("SYN, allowed source", ALLOWED, Frame::ethernet().ipv4(FRIEND_V4).tcp(111, SYN)),
        case("SYN, denied source", DENIED, Frame::ethernet().ipv4(FOE_V4).tcp(111, SYN)),
        case("IPv6 SYN", UNLISTED, ipv6().tcp(111, SYN)),
        case("IPv6 SYN, allowed source", ALLOWED, Frame::ethernet().ipv6(FRIEND_V6).tcp(111, SYN)),
        case("IPv6 SYN, denied source", DENIED, Frame::ethernet().ipv6(FOE_V6).tcp(111, SYN)),
        case("SYN with data (fast open)", UNLISTED, ipv4().tcp(111, SYN).payload(&[0; 64])),
        case("SYN with explicit congestion notification", UNLISTED, ipv4().tcp(111, SYN | ECE | CWR)),
        case("SYN and FIN", UNLISTED, ipv4().tcp(111, SYN | FIN)),
        case("SYN and RST", UNLISTED, ipv4().tcp(111, SYN | RST)),
        case("SYN, PSH and URG", UNLISTED, ipv4().tcp(111, SYN | PSH | URG)),
        case("every flag but ACK", UNLISTED, ipv4().tcp(111, !ACK)),
        case("SYN behind IPv4 options", UNLISTED, ipv4().options(7).tcp(111, SYN)),
        case("SYN and ACK", IGNORED, ipv4().tcp(111, SYN | ACK)),
        case("IPv6 SYN and ACK", IGNORED, ipv6().tcp(111, SYN | ACK)),
        case("every flag", IGNORED, ipv4().tcp(111, 0xff)),
        case("ACK", IGNORED, ipv4().tcp(111, ACK)),
        case("ACK with data, denied source", IGNORED,
            Frame::ethernet().ipv4(FOE_V4).tcp(111, ACK | PSH).payload(&[0; 64])),
        case("FIN and ACK", IGNORED, ipv4().tcp(111, FIN | ACK)),
        case("RST", IGNORED, ipv4().tcp(111, RST)),
        case("IPv6 RST", IGNORED, ipv6().tcp(111, RST)),
        case("no flag", IGNORED, ipv4().tcp(111, 0)),
        case("FIN, PSH and URG", IGNORED, ipv4().tcp(111, FIN | PSH | URG)),
        case("SYN to another port", IGNORED, ipv4().tcp(80, SYN)),
        case("SYN to port 112", IGNORED, ipv4().tcp(112, SYN)),
        case("IPv6 SYN to another port", IGNORED, ipv6().tcp(22, SYN)),
        case("UDP while TCP is guarded too", UNLISTED, ipv4().dump()),
        case("UDP to another port while TCP is guarded too", IGNORED, ipv4().udp(53)),
        // The frame ends inside the TCP header: Linux drops what is not a fragment.
        case("SYN cut off before the flags", IGNORED, ipv4().tcp(111, SYN).cut(14 + 20 + 13)),
        case("SYN cut off after the flags", UNLISTED, ipv4().tcp(111, SYN).cut(14 + 20 + 14)),
        case("SYN cut off inside the port", IGNORED, ipv4().tcp(111, SYN).cut(14 + 20 + 3)),
    ].map(Case::guarding_tcp));
    cases
}
