//! What is neither UDP nor TCP, with bytes that look like port 111 where those would have it.

use rpcguard_tests::packet::{
    Frame,
    numbers::{
        ARP, AUTHENTICATION, ESP, GRE, ICMP, ICMPV6, IGMP, IPV6_IN_IP, LLDP, MPLS, PPPOE, SCTP,
        TCP, UDP, UDP_LITE,
    },
    peers::{BROADCAST_MAC, FOE_V4, FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
};

use crate::case::{Case, IGNORED, case};

/// A UDP header to port 111, as bytes that no header announces.
const UDP_TO_111: [u8; 8] = [0x9c, 0x40, 0, 111, 0, 8, 0, 0];

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let eth = Frame::ethernet;
    let ipv4 = |number| eth().ipv4(STRANGER_V4).protocol(number).payload(&UDP_TO_111);
    let ipv6 = |number| eth().ipv6(STRANGER_V6).protocol(number).payload(&UDP_TO_111);
    let datagram = Frame::layer3().ipv4(STRANGER_V4).dump().build();
    let who_has = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 198, 51, 100, 7, 0, 0, 0, 0, 0, 0, 203, 0, 113, 1];
    vec![
        case("ARP request", IGNORED, eth().ether_type(ARP).payload(&who_has).to_mac(BROADCAST_MAC)),
        case("ARP with a datagram as its content", IGNORED, eth().ether_type(ARP).payload(&datagram)),
        case("LLDP", IGNORED, eth().ether_type(LLDP).payload(&[2, 7, 4, 2, 0, 0, 0, 0, 2]).payload(&[0; 40])),
        case("MPLS", IGNORED, eth().ether_type(MPLS).payload(&[0, 1, 1, 64]).payload(&datagram)),
        case("PPPoE", IGNORED,
            eth().ether_type(PPPOE).payload(&[0x11, 0, 0, 1, 0, 70, 0, 0x21]).payload(&datagram)),
        case("802.3 frame with LLC and SNAP, which Linux has no IP handler for", IGNORED,
            eth().ether_type(76).payload(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]).payload(&datagram)),
        case("802.3 length 0", IGNORED, eth().ether_type(0).payload(&datagram)),
        case("byte-swapped EtherType of IPv4", IGNORED, eth().ether_type(0x0008).payload(&datagram)),
        case("byte-swapped EtherType of IPv6", IGNORED,
            eth().ether_type(0xdd86).payload(&Frame::layer3().ipv6(STRANGER_V6).dump().build())),
        case("ICMP", IGNORED, ipv4(ICMP)),
        case("ICMP error that quotes a call from the host", IGNORED,
            eth().ipv4(STRANGER_V4).protocol(ICMP).payload(&[3, 3, 0, 0, 0, 0, 0, 0]).payload(&datagram)),
        case("IGMP", IGNORED, ipv4(IGMP)),
        case("GRE", IGNORED, ipv4(GRE)),
        case("ESP", IGNORED, ipv4(ESP)),
        case("IPv4 authentication header, which only IPsec removes", IGNORED, ipv4(AUTHENTICATION)),
        case("SCTP to port 111", IGNORED, ipv4(SCTP)),
        case("SCTP to port 111, denied source", IGNORED,
            eth().ipv4(FOE_V4).protocol(SCTP).payload(&UDP_TO_111)),
        case("UDP-Lite to port 111", IGNORED, ipv4(UDP_LITE)),
        case("protocol 0", IGNORED, ipv4(0)),
        case("protocol 255", IGNORED, ipv4(255)),
        case("ICMPv6", IGNORED, ipv6(ICMPV6)),
        case("ICMPv6 neighbour solicitation", IGNORED,
            eth().ipv6(STRANGER_V6).protocol(ICMPV6).payload(&[135, 0, 0, 111]).payload(&[0; 20])),
        case("SCTP over IPv6", IGNORED, ipv6(SCTP)),
        case("UDP-Lite over IPv6", IGNORED, ipv6(UDP_LITE)),
        case("GRE over IPv6", IGNORED, ipv6(GRE)),
        case("ICMP, TCP guarded", IGNORED, ipv4(ICMP)).guarding_tcp(),
        case("SCTP, TCP guarded", IGNORED, ipv4(SCTP)).guarding_tcp(),
        // Tunnels are the business of the filter on the tunnel's own device.
        case("IPv4 in IPv4", IGNORED, eth().ipv4(FRIEND_V4).ipv4(STRANGER_V4).dump()),
        case("IPv6 in IPv4", IGNORED, eth().ipv4(FRIEND_V4).ipv6(STRANGER_V6).dump()),
        case("IPv4 in IPv6", IGNORED, eth().ipv6(FRIEND_V6).ipv4(STRANGER_V4).dump()),
        case("IPv6 in IPv6", IGNORED, eth().ipv6(FRIEND_V6).ipv6(STRANGER_V6).dump()),
        case("VXLAN", IGNORED,
            eth().ipv4(STRANGER_V4).udp(4789).payload(&[8, 0, 0, 0, 0, 0, 1, 0])
                .payload(&eth().ipv4(STRANGER_V4).dump().build())),
        // The registry's neighbours of UDP and TCP.
        case("protocol 16", IGNORED, ipv4(UDP - 1)),
        case("protocol 18", IGNORED, ipv4(UDP + 1)),
        case("protocol 5", IGNORED, ipv4(TCP - 1)).guarding_tcp(),
        case("protocol 7", IGNORED, ipv4(TCP + 1)).guarding_tcp(),
        case("IPv6 as an IPv4 payload that is none", IGNORED, ipv4(IPV6_IN_IP)),
    ]
}
