//! Which destination ports are guarded.

use rpcguard_tests::packet::{
    Frame,
    numbers::SYN,
    peers::{FRIEND_V4, STRANGER_V4, STRANGER_V6},
};

use crate::case::{ALLOWED, Case, IGNORED, UNLISTED, case};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let ipv6 = || Frame::ethernet().ipv6(STRANGER_V6);
    vec![
        case("port 110", IGNORED, ipv4().udp(110)),
        case("port 112", IGNORED, ipv4().udp(112)),
        case("port 111 byte-swapped", IGNORED, ipv4().udp(0x6f00)),
        case("port 0x016f, low byte of 111", IGNORED, ipv4().udp(0x016f)),
        case("port 111 + 64, the same bit of the next word", IGNORED, ipv4().udp(111 + 64)),
        case("port 47, the same bit of the word before", IGNORED, ipv4().udp(111 - 64)),
        case("port 53", IGNORED, ipv4().udp(53)),
        case("port 0", IGNORED, ipv4().udp(0)),
        case("port 65535", IGNORED, ipv4().udp(65535)),
        case("IPv6 port 110", IGNORED, ipv6().udp(110)),
        case("IPv6 port 112", IGNORED, ipv6().udp(112)),
        case("IPv6 port 111 byte-swapped", IGNORED, ipv6().udp(0x6f00)),
        // Answers of somebody else's portmapper.
        case("source port 111, another destination", IGNORED, ipv4().udp_from(111, 40_000)),
        case("IPv6 source port 111, another destination", IGNORED, ipv6().udp_from(111, 40_000)),
        case("source and destination port 111", UNLISTED, ipv4().udp_from(111, 111)),
        case("source port 0", UNLISTED, ipv4().udp_from(0, 111)),
        case("payload that contains port 111", IGNORED, ipv4().udp(53).payload(&[0, 111, 0, 111])),
        // Other sets.
        case("no port guarded", IGNORED, ipv4().dump()).guarding(&[]),
        case("port 0 guarded", UNLISTED, ipv4().udp(0)).guarding(&[0]),
        case("port 0 guarded, port 1", IGNORED, ipv4().udp(1)).guarding(&[0]),
        case("port 0 guarded, port 111", IGNORED, ipv4().udp(111)).guarding(&[0]),
        case("port 65535 guarded", UNLISTED, ipv4().udp(65535)).guarding(&[65535]),
        case("port 65535 guarded, port 65534", IGNORED, ipv4().udp(65534)).guarding(&[65535]),
        case("port 65535 guarded, IPv6", UNLISTED, ipv6().udp(65535)).guarding(&[65535]),
        case("last port of a word guarded", UNLISTED, ipv4().udp(63)).guarding(&[63, 64]),
        case("first port of a word guarded", UNLISTED, ipv4().udp(64)).guarding(&[63, 64]),
        case("several ports guarded, the first", UNLISTED, ipv4().udp(69)).guarding(&[69, 111, 2049]),
        case("several ports guarded, 111", UNLISTED, ipv4().udp(111)).guarding(&[69, 111, 2049]),
        case("several ports guarded, the last", UNLISTED, ipv4().udp(2049)).guarding(&[69, 111, 2049]),
        case("several ports guarded, between them", IGNORED, ipv4().udp(1000)).guarding(&[69, 111, 2049]),
        case("several ports guarded, allowed source", ALLOWED,
            Frame::ethernet().ipv4(FRIEND_V4).udp(2049)).guarding(&[69, 111, 2049]),
        case("every port guarded", UNLISTED, ipv4().udp(12_345)).guarding(&(0..=65535).collect::<Vec<_>>()),
        case("several ports guarded, TCP too", UNLISTED, ipv4().tcp(2049, SYN))
            .guarding(&[111, 2049]).guarding_tcp(),
    ]
}
