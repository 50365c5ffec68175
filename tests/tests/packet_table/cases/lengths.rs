//! Length fields that lie. Linux cuts a packet at the length that IP gives, and drops one that is
//! shorter than that; the filter must never pass what is left.
//!
//! Where Linux drops the packet anyway (a total length beyond the frame, a UDP length below eight),
//! the filter judges the ports that it sees: nobody misses such a packet.

use rpcguard_tests::packet::{
    Frame,
    numbers::{DESTINATION_OPTIONS, HOP_BY_HOP, SYN, UDP},
    peers::{FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
};

use crate::case::{ALLOWED, Case, IGNORED, UNDECIDABLE, UNLISTED, case};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let ipv6 = || Frame::ethernet().ipv6(STRANGER_V6);
    // A jumbo payload option of 64 bytes (RFC 2675), in hop-by-hop options.
    let jumbo_payload = [0xc2, 4, 0, 0, 0, 64];
    vec![
        // The UDP length.
        case("UDP length 0", UNLISTED, ipv4().dump().udp_length(0)),
        case("UDP length 7", UNLISTED, ipv4().dump().udp_length(7)),
        case("UDP length 8 before a payload", UNLISTED, ipv4().dump().udp_length(8)),
        case("UDP length shorter than the packet", UNLISTED, ipv4().dump().udp_length(20)),
        case("UDP length longer than the packet", UNLISTED, ipv4().dump().udp_length(49)),
        case("UDP length 65535", UNLISTED, ipv4().dump().udp_length(65535)),
        case("UDP length 0, allowed source", ALLOWED, Frame::ethernet().ipv4(FRIEND_V4).dump().udp_length(0)),
        case("IPv6 UDP length 0, which means all that is there", UNLISTED, ipv6().dump().udp_length(0)),
        case("IPv6 UDP length 7", UNLISTED, ipv6().dump().udp_length(7)),
        case("IPv6 UDP length 65535", UNLISTED, ipv6().dump().udp_length(65535)),
        case("UDP length 111, another port", IGNORED, ipv4().udp(53).udp_length(111)),
        // The IPv4 total length.
        case("total length 0", UNLISTED, ipv4().dump().ip_length(0)),
        case("total length less than the header", UNLISTED, ipv4().dump().ip_length(19)),
        case("total length of the header alone", UNLISTED, ipv4().dump().ip_length(20)),
        case("total length that ends inside the UDP header", UNLISTED, ipv4().dump().ip_length(24)),
        case("total length that ends after the UDP header", UNLISTED, ipv4().dump().ip_length(28)),
        case("total length shorter than the packet", UNLISTED, ipv4().dump().ip_length(40)),
        case("total length one more than the packet", UNLISTED, ipv4().dump().ip_length(69)),
        case("total length 65535", UNLISTED, ipv4().dump().ip_length(65535)),
        case("total length 0, another port", IGNORED, ipv4().udp(53).ip_length(0)),
        case("total length 65535, another port", IGNORED, ipv4().udp(53).ip_length(65535)),
        case("padding after another port shows port 111", IGNORED,
            ipv4().udp(53).padding(&[0x9c, 0x40, 0, 111, 0, 8, 0, 0])),
        case("first fragment of total length 0", UNDECIDABLE, ipv4().first_fragment().dump().ip_length(0)),
        case("first fragment of total length 65535", UNLISTED,
            ipv4().first_fragment().dump().ip_length(65535)),
        case("guarded SYN of total length 20", UNLISTED, ipv4().tcp(111, SYN).ip_length(20)).guarding_tcp(),
        // The IPv6 payload length.
        case("payload length shorter than the packet", UNLISTED, ipv6().dump().ip_length(20)),
        case("payload length that ends inside the UDP header", UNLISTED, ipv6().dump().ip_length(4)),
        case("payload length one more than the packet", UNLISTED, ipv6().dump().ip_length(49)),
        case("payload length 65535", UNLISTED, ipv6().dump().ip_length(65535)),
        case("payload length 0 without hop-by-hop options", UNLISTED, ipv6().dump().ip_length(0)),
        case("payload length 65535, another port", IGNORED, ipv6().udp(53).ip_length(65535)),
        case("extension beyond the payload length", IGNORED,
            ipv6().extensions(&[DESTINATION_OPTIONS]).dump().ip_length(4)),
        case("second extension beyond the payload length", IGNORED,
            ipv6().extensions(&[DESTINATION_OPTIONS; 2]).dump().ip_length(12)),
        // With hop-by-hop options, a payload length of zero makes Linux take the frame as it is.
        case("payload length 0 with hop-by-hop options", UNLISTED,
            ipv6().extensions(&[HOP_BY_HOP]).dump().ip_length(0)),
        case("payload length 0 with hop-by-hop options, allowed source", ALLOWED,
            Frame::ethernet().ipv6(FRIEND_V6).extensions(&[HOP_BY_HOP]).dump().ip_length(0)),
        case("payload length 0 with hop-by-hop options, another port", IGNORED,
            ipv6().extensions(&[HOP_BY_HOP]).udp(53).ip_length(0)),
        case("payload length 0 with hop-by-hop and destination options", UNLISTED,
            ipv6().extensions(&[HOP_BY_HOP, DESTINATION_OPTIONS]).dump().ip_length(0)),
        case("payload length 0 with a jumbo payload option", UNLISTED,
            ipv6().extensions(&[HOP_BY_HOP]).patch(42, &jumbo_payload).dump().ip_length(0)),
        case("payload length 0 with hop-by-hop options and a first fragment", UNLISTED,
            ipv6().extensions(&[HOP_BY_HOP]).first_fragment().dump().ip_length(0)),
        // Linux does not reassemble a packet without payload length any more; it once did.
        case("payload length 0 with hop-by-hop options and a first fragment that ends", UNDECIDABLE,
            ipv6().extensions(&[HOP_BY_HOP]).first_fragment().protocol(UDP).ip_length(0)),
    ]
}
