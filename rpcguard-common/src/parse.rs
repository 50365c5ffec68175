//! Headers to [`Flow`], or why not.
//!
//! The parser follows what Linux does with the same bytes, because the question is never "what is
//! this packet" but "to which socket would Linux deliver it". Where Linux would not deliver, the
//! packet is [`Parsed::Other`] and passes: it is not the filter's business.

use network_types::{
    eth::EtherType,
    ip::{IpProto, Ipv4Hdr, Ipv6Hdr},
    udp::UdpHdr,
};

use crate::packet::{MAX_HEADER_OFFSET, PacketReader};

/// How many VLAN tags (802.1Q or 802.1ad) are followed.
pub const MAX_VLAN_TAGS: usize = 4;

/// How many IPv6 extension headers are followed.
pub const MAX_EXTENSION_HEADERS: usize = 8;

pub(crate) const ETHERTYPE_OFFSET: usize = 12;
pub(crate) const ETHERNET_HEADER_LEN: usize = 14;
const VLAN_TAG_LEN: usize = 4;

const IPV4_MORE_FRAGMENTS: u16 = 0x2000;
const IPV4_FRAGMENT_OFFSET: u16 = 0x1fff;

const IPV6_MORE_FRAGMENTS: u16 = 0x0001;
const IPV6_FRAGMENT_OFFSET: u16 = 0xfff8;

// RFC 8200, RFC 4302, RFC 6275, RFC 7401, RFC 5533, in that order of appearance.
const HOP_BY_HOP: u8 = IpProto::HopOpt as u8;
const ROUTING: u8 = IpProto::Ipv6Route as u8;
const FRAGMENT: u8 = IpProto::Ipv6Frag as u8;
const DESTINATION_OPTIONS: u8 = IpProto::Ipv6Opts as u8;
const AUTHENTICATION: u8 = IpProto::Ah as u8;
const MOBILITY: u8 = IpProto::MobilityHeader as u8;
const HIP: u8 = IpProto::Hip as u8;
const SHIM6: u8 = IpProto::Shim6 as u8;

pub(crate) const TCP: u8 = IpProto::Tcp as u8;
pub(crate) const UDP: u8 = IpProto::Udp as u8;

/// Offset of the flag byte in a TCP header (RFC 9293 section 3.1).
pub(crate) const TCP_FLAGS_OFFSET: usize = 13;

/// What a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    /// An Ethernet header.
    Ethernet,
    /// The IP header itself, as on tun, WireGuard, PPP and venet devices.
    None,
}

/// The address family and place of the network header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// An IPv4 header at this offset from the start of the frame, in bytes.
    V4(usize),
    /// An IPv6 header at this offset from the start of the frame, in bytes.
    V6(usize),
}

/// The transport protocol of a [`Flow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP (RFC 768).
    Udp,
    /// TCP (RFC 9293).
    Tcp,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where the addresses are.
    pub network: Network,
    /// Whether the destination address may be that of a stop on the way (RFC 791 section 3.1, RFC
    /// 8200 section 4.4): there are IPv4 options, or an IPv6 routing header. Also if there are no
    /// addresses.
    pub detours: bool,
}

impl Route {
    /// That of a packet whose network header is out of reach.
    const UNKNOWN: Self = Self {
        network: Network::V4(0),
        detours: true,
    };
}

/// A packet whose ports can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where it goes.
    pub route: Route,
    /// Which protocol the header at `offset` is of.
    pub transport: Transport,
    /// Where the transport header begins, in bytes from the start of the frame.
    pub offset: usize,
    /// Where Linux cuts the packet off, in bytes from the start of the frame.
    pub end: usize,
    /// Whether this is the first fragment of several.
    pub first_fragment: bool,
    /// A first fragment that ends before the TCP flags: the next one brings them.
    pub flags_cut_off: bool,
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Neither UDP nor TCP, or nothing that Linux would deliver to a socket.
    Other,
    /// UDP or TCP, with ports.
    Flow(Flow),
    /// A non-first UDP fragment, which has no ports.
    LaterFragment(Route),
    /// The header chain is longer than the parser follows, or a first fragment ends inside it, so
    /// that only reassembly would tell the ports.
    Undecidable(Route),
}

/// Finds the transport header of a frame.
#[inline(always)]
pub fn parse<P: PacketReader>(packet: &P, link: LinkLayer) -> Parsed {
    match link {
        LinkLayer::Ethernet => parse_ethernet(packet),
        LinkLayer::None => match packet.read::<2>(0) {
            Some([first, _]) if first >> 4 == 4 => parse_ipv4(packet, 0),
            Some([first, _]) if first >> 4 == 6 => parse_ipv6(packet, 0),
            _ => Parsed::Other,
        },
    }
}

#[inline(always)]
fn parse_ethernet<P: PacketReader>(packet: &P) -> Parsed {
    const IPV4: u16 = EtherType::Ipv4 as u16;
    const IPV6: u16 = EtherType::Ipv6 as u16;
    // Linux untags these two and no other (eth_type_vlan in include/linux/if_vlan.h).
    const DOT1Q: u16 = EtherType::Ieee8021q as u16;
    const DOT1AD: u16 = EtherType::Ieee8021ad as u16;

    let Some(bytes) = packet.read::<2>(ETHERTYPE_OFFSET) else {
        return Parsed::Other;
    };
    // network-types keeps EtherType in wire order.
    let mut ether_type = u16::from_ne_bytes(bytes);
    let mut offset = ETHERNET_HEADER_LEN;
    let mut tags = 0;
    while ether_type == DOT1Q || ether_type == DOT1AD {
        if tags == MAX_VLAN_TAGS {
            return Parsed::Undecidable(Route::UNKNOWN);
        }
        let Some(bytes) = packet.read::<2>(offset + 2) else {
            return Parsed::Other;
        };
        ether_type = u16::from_ne_bytes(bytes);
        offset += VLAN_TAG_LEN;
        tags += 1;
    }
    if tags != 0 {
        offset = packet.widen(offset);
    }
    match ether_type {
        IPV4 => parse_ipv4(packet, offset),
        IPV6 => parse_ipv6(packet, offset),
        _ => Parsed::Other,
    }
}

/// RFC 791.
#[inline(always)]
fn parse_ipv4<P: PacketReader>(packet: &P, start: usize) -> Parsed {
    let Some(header) = packet.read::<{ Ipv4Hdr::LEN }>(start) else {
        return Parsed::Other;
    };
    let header_len = usize::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || header_len < Ipv4Hdr::LEN {
        return Parsed::Other;
    }
    let transport = match header[9] {
        UDP => Transport::Udp,
        TCP => Transport::Tcp,
        _ => return Parsed::Other,
    };
    let route = Route {
        network: Network::V4(start),
        detours: header_len != Ipv4Hdr::LEN,
    };
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    if fragment & IPV4_FRAGMENT_OFFSET != 0 {
        return later_fragment(transport, route);
    }
    let first_fragment = fragment & IPV4_MORE_FRAGMENTS != 0;
    // Linux cuts the packet at its total length: what follows is padding, and must not stand in
    // for header bytes that the next fragment brings.
    let end = start + usize::from(u16::from_be_bytes([header[2], header[3]]));
    let offset = start + header_len;
    flow(
        route,
        transport,
        offset,
        first_fragment,
        end_of_fragment(offset, end, first_fragment),
    )
}

/// Where Linux cuts a fragment off whose payload begins at `offset` and ends at `end`.
///
/// If more follow, it keeps whole units of eight bytes (`ip_frag_queue` in net/ipv4/ip_fragment.c):
/// the bytes behind them come from the next fragment. For IPv6 it refuses any others
/// (`ip6_frag_queue`).
#[inline(always)]
const fn end_of_fragment(offset: usize, end: usize, more_fragments: bool) -> usize {
    // The difference wraps in a packet that is shorter than its header, which Linux discards.
    let rest = end.wrapping_sub(offset) & 7;
    end.saturating_sub(rest * more_fragments as usize)
}

/// RFC 8200.
#[inline(always)]
fn parse_ipv6<P: PacketReader>(packet: &P, start: usize) -> Parsed {
    let Some(header) = packet.read::<{ Ipv6Hdr::LEN }>(start) else {
        return Parsed::Other;
    };
    if header[0] >> 4 != 6 {
        return Parsed::Other;
    }
    // Linux cuts the packet at its payload length, as it does for IPv4. Zero announces a jumbogram
    // (RFC 2675), for which it takes the frame as it is.
    let payload_len = payload_len([header[4], header[5]]);
    let offset = start + Ipv6Hdr::LEN;
    let route = Route {
        network: Network::V6(start),
        detours: false,
    };
    match header[6] {
        UDP => flow(route, Transport::Udp, offset, false, offset + payload_len),
        TCP => flow(route, Transport::Tcp, offset, false, offset + payload_len),
        next => parse_extensions(packet, route.network, next, offset, payload_len),
    }
}

/// The payload length of an IPv6 header, in bytes. Zero becomes 65,536, which is more than a frame
/// has (without a branch, which would double the verifier's states).
#[inline(always)]
pub(crate) const fn payload_len(field: [u8; 2]) -> usize {
    u16::from_be_bytes(field).wrapping_sub(1) as usize + 1
}

/// Follows a chain of IPv6 extension headers, the first of which is announced by `next`.
#[inline(always)]
fn parse_extensions<P: PacketReader>(
    packet: &P,
    network: Network,
    mut next: u8,
    offset: usize,
    payload_len: usize,
) -> Parsed {
    let mut offset = packet.widen(offset);
    let mut end = packet.widen(offset + payload_len);
    // The fragment fields seen so far, all bits together.
    let mut fragment_bits = packet.widen(0);
    // How many routing headers there are.
    let mut detours = packet.widen(0);
    let mut headers = 0;
    loop {
        let transport = match next {
            UDP => Some(Transport::Udp),
            TCP => Some(Transport::Tcp),
            HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS | AUTHENTICATION | MOBILITY
            | HIP | SHIM6 => None,
            _ => return Parsed::Other,
        };
        let route = Route {
            network,
            detours: detours != 0,
        };
        if offset > MAX_HEADER_OFFSET {
            return Parsed::Undecidable(route);
        }
        let first_fragment = fragment_bits & usize::from(IPV6_MORE_FRAGMENTS) != 0;
        if let Some(transport) = transport {
            // Linux 5.10 and 6.1 verify a bound only for the register that was compared. If the
            // compiler knew it, it would read at a copy from before.
            let offset = packet.widen(offset);
            return flow(route, transport, offset, first_fragment, end);
        }
        if headers == MAX_EXTENSION_HEADERS {
            return Parsed::Undecidable(route);
        }
        let extension = match packet.read::<4>(offset) {
            Some(extension) if offset + 8 <= end => extension,
            _ => return cut_off(first_fragment, route),
        };
        if next == FRAGMENT {
            let fragment = u16::from_be_bytes([extension[2], extension[3]]);
            if fragment & IPV6_FRAGMENT_OFFSET != 0 {
                return match extension[0] {
                    UDP => Parsed::LaterFragment(route),
                    _ => Parsed::Other,
                };
            }
            fragment_bits |= usize::from(fragment);
            offset += 8;
            let more_fragments = fragment & IPV6_MORE_FRAGMENTS != 0;
            end = packet.widen(end_of_fragment(offset, end, more_fragments));
        } else if next == AUTHENTICATION {
            // RFC 4302 section 2.2: in 32-bit words, minus two.
            offset += (usize::from(extension[1]) + 2) * 4;
        } else {
            offset += (usize::from(extension[1]) + 1) * 8;
            detours |= usize::from(next == ROUTING);
        }
        offset = packet.widen(offset);
        next = extension[0];
        headers += 1;
    }
}

/// A transport header at `offset` in a packet that Linux cuts at `end`.
#[inline(always)]
const fn flow(
    route: Route,
    transport: Transport,
    offset: usize,
    first_fragment: bool,
    end: usize,
) -> Parsed {
    if first_fragment && end < offset + UdpHdr::LEN {
        return Parsed::Undecidable(route);
    }
    Parsed::Flow(Flow {
        route,
        transport,
        offset,
        end,
        first_fragment,
        flags_cut_off: first_fragment && end <= offset + TCP_FLAGS_OFFSET,
    })
}

/// A non-first fragment of `transport`.
#[inline(always)]
const fn later_fragment(transport: Transport, route: Route) -> Parsed {
    match transport {
        Transport::Udp => Parsed::LaterFragment(route),
        Transport::Tcp => Parsed::Other,
    }
}

/// The packet ends inside its header chain: Linux drops a whole packet like that, but might
/// complete a first fragment.
#[inline(always)]
const fn cut_off(first_fragment: bool, route: Route) -> Parsed {
    if first_fragment {
        Parsed::Undecidable(route)
    } else {
        Parsed::Other
    }
}
