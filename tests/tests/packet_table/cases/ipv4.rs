//! The IPv4 header: its length, its version, its destinations, and fields that do not matter.

use std::net::Ipv4Addr;

use rpcguard_tests::packet::{
    Frame,
    numbers::{IPV4, IPV6, UDP},
    peers::{BROADCAST_MAC, FOE_V4, FRIEND_V4, HOST_V4, MULTICAST_MAC, PEER_MAC, STRANGER_V4},
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, UNLISTED, case};

/// A whole call behind `words` of options.
fn with_options(words: u8) -> Frame {
    Frame::ethernet().ipv4(STRANGER_V4).options(words).dump()
}

/// A first byte of the IPv4 header that is not what it should be.
fn first_byte(byte: u8) -> Frame {
    Frame::ethernet().ipv4(STRANGER_V4).dump().patch(0, &[byte])
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let mut cases = vec![
        case("IPv4, unlisted", UNLISTED, ipv4().dump()),
        case("IPv4, allowed", ALLOWED, Frame::ethernet().ipv4(FRIEND_V4).dump()),
        case("IPv4, denied", DENIED, Frame::ethernet().ipv4(FOE_V4).dump()),
        case("IPv4 without payload", UNLISTED, ipv4().udp(111)),
        case("IPv4, one byte of payload", UNLISTED, ipv4().udp(111).payload(&[0])),
        case("IPv4, full Ethernet frame", UNLISTED, ipv4().udp(111).payload(&[0; 1472])),
        case("IPv4, minimal Ethernet frame with padding", UNLISTED, ipv4().udp(111).padding(&[0; 18])),
        // Options.
        case("options that hold port 111, and another port", IGNORED,
            ipv4().options(2).patch(20, &[0x9c, 0x40, 0, 111, 0, 8, 0, 0]).udp(53)),
        case("options that hold port 53, and port 111", UNLISTED,
            ipv4().options(2).patch(20, &[0x9c, 0x40, 0, 53, 0, 8, 0, 0]).dump()),
        case("options, allowed source", ALLOWED, Frame::ethernet().ipv4(FRIEND_V4).options(10).dump()),
        case("loose source route", UNLISTED,
            ipv4().options(2).patch(20, &[131, 7, 8, 203, 0, 113, 1, 0]).dump()),
        case("router alert", UNLISTED, ipv4().options(1).patch(20, &[148, 4, 0, 0]).dump()),
        case("invalid options", UNLISTED, ipv4().options(1).patch(20, &[7, 255, 0, 0]).dump()),
        // Header length and version that Linux refuses.
        // What then lies where the ports would be says 111.
        case("header length 0, total length in the port's place", IGNORED,
            first_byte(0x40).ip_length(111)),
        case("header length 1", IGNORED, first_byte(0x41)),
        case("header length 3, source address in the port's place", IGNORED,
            Frame::ethernet().ipv4(Ipv4Addr::new(198, 51, 0, 111)).dump().patch(0, &[0x43])),
        case("header length 4, destination address in the port's place", IGNORED,
            first_byte(0x44).to_v4(Ipv4Addr::new(203, 0, 0, 111))),
        case("version 0", IGNORED, first_byte(0x05)),
        case("version 5", IGNORED, first_byte(0x55)),
        case("version 6 under the EtherType of IPv4", IGNORED, first_byte(0x65)),
        case("version 15", IGNORED, first_byte(0xf5)),
        case("IPv6 header under the EtherType of IPv4", IGNORED,
            Frame::ethernet().ether_type(IPV4).payload(&[0x60, 0, 0, 0, 0, 48, 17, 64]).payload(&[0; 80])),
        case("IPv4 header under the EtherType of IPv6", IGNORED,
            Frame::ethernet().ether_type(IPV6).payload(&Frame::layer3().ipv4(STRANGER_V4).dump().build())),
        case("header as long as the packet", IGNORED, ipv4().options(10).protocol(UDP)),
        case("header longer than the packet", IGNORED, ipv4().options(1).dump().patch(0, &[0x4f]).cut(14 + 52)),
        // Destinations.
        case("broadcast frame", UNLISTED, ipv4().dump().to_mac(BROADCAST_MAC)),
        case("broadcast frame and address", UNLISTED,
            ipv4().to_v4(Ipv4Addr::BROADCAST).dump().to_mac(BROADCAST_MAC)),
        case("subnet broadcast", UNLISTED,
            ipv4().to_v4(Ipv4Addr::new(203, 0, 113, 255)).dump().to_mac(BROADCAST_MAC)),
        case("multicast", UNLISTED,
            ipv4().to_v4(Ipv4Addr::new(224, 0, 0, 1)).dump().to_mac(MULTICAST_MAC)),
        case("broadcast, allowed source", ALLOWED,
            Frame::ethernet().ipv4(FRIEND_V4).to_v4(Ipv4Addr::BROADCAST).dump().to_mac(BROADCAST_MAC)),
        case("multicast to another port", IGNORED,
            ipv4().to_v4(Ipv4Addr::new(224, 0, 0, 251)).udp(5353).to_mac(MULTICAST_MAC)),
        case("another host's address", UNLISTED, ipv4().to_v4(Ipv4Addr::new(203, 0, 113, 200)).dump()),
        case("another host's MAC address", UNLISTED, ipv4().dump().to_mac(PEER_MAC)),
        case("loopback destination", UNLISTED, ipv4().to_v4(Ipv4Addr::LOCALHOST).dump()),
        // Sources that nobody has.
        case("source 0.0.0.0", UNLISTED, Frame::ethernet().ipv4(Ipv4Addr::UNSPECIFIED).dump()),
        case("source 255.255.255.255", UNLISTED, Frame::ethernet().ipv4(Ipv4Addr::BROADCAST).dump()),
        case("source 127.0.0.1", UNLISTED, Frame::ethernet().ipv4(Ipv4Addr::LOCALHOST).dump()),
        case("the host's own address as source", UNLISTED, Frame::ethernet().ipv4(HOST_V4).dump()),
        // Fields that do not matter.
        case("type of service set", UNLISTED, ipv4().dump().patch(1, &[0xff])),
        case("don't fragment", UNLISTED, ipv4().dump().patch(6, &[0x40, 0])),
        case("reserved fragment bit", UNLISTED, ipv4().dump().patch(6, &[0x80, 0])),
        case("TTL 1", UNLISTED, ipv4().dump().patch(8, &[1])),
        case("TTL 0", UNLISTED, ipv4().dump().patch(8, &[0])),
    ];
    cases.extend((1..=10).map(|words| {
        case(format!("IPv4 header of {} words", 5 + words), UNLISTED, with_options(words))
    }));
    cases
}
