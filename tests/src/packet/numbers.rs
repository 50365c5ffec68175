//! Protocol numbers, from the registries of IEEE and IANA.

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of an 802.1Q VLAN tag.
pub const DOT1Q: u16 = 0x8100;
/// EtherType of an 802.1ad (QinQ) service tag.
pub const DOT1AD: u16 = 0x88a8;
/// EtherType of QinQ tags before 802.1ad. Linux does not untag it.
pub const OLD_QINQ: u16 = 0x9100;
/// EtherType of MPLS.
pub const MPLS: u16 = 0x8847;
/// EtherType of a PPPoE session.
pub const PPPOE: u16 = 0x8864;
/// EtherType of LLDP.
pub const LLDP: u16 = 0x88cc;

/// IPv6 hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// ICMP.
pub const ICMP: u8 = 1;
/// IGMP.
pub const IGMP: u8 = 2;
/// IPv4 inside IP.
pub const IPIP: u8 = 4;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// IPv6 inside IP.
pub const IPV6_IN_IP: u8 = 41;
/// IPv6 routing header.
pub const ROUTING: u8 = 43;
/// IPv6 fragment header.
pub const FRAGMENT: u8 = 44;
/// GRE.
pub const GRE: u8 = 47;
/// IPsec ESP.
pub const ESP: u8 = 50;
/// IPsec authentication header.
pub const AUTHENTICATION: u8 = 51;
/// ICMPv6.
pub const ICMPV6: u8 = 58;
/// IPv6: nothing follows.
pub const NO_NEXT_HEADER: u8 = 59;
/// IPv6 destination options.
pub const DESTINATION_OPTIONS: u8 = 60;
/// SCTP.
pub const SCTP: u8 = 132;
/// IPv6 mobility header.
pub const MOBILITY: u8 = 135;
/// UDP-Lite.
pub const UDP_LITE: u8 = 136;
/// IPv6 Host Identity Protocol.
pub const HIP: u8 = 139;
/// IPv6 shim6.
pub const SHIM6: u8 = 140;
/// For experiments (RFC 3692): no protocol that anybody implements.
pub const EXPERIMENTAL: u8 = 253;

/// TCP flag FIN.
pub const FIN: u8 = 0x01;
/// TCP flag SYN.
pub const SYN: u8 = 0x02;
/// TCP flag RST.
pub const RST: u8 = 0x04;
/// TCP flag PSH.
pub const PSH: u8 = 0x08;
/// TCP flag ACK.
pub const ACK: u8 = 0x10;
/// TCP flag URG.
pub const URG: u8 = 0x20;
/// TCP flag ECE.
pub const ECE: u8 = 0x40;
/// TCP flag CWR.
pub const CWR: u8 = 0x80;
