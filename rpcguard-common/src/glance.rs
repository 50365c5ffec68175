//! What most packets are can be seen at a glance.
//!
//! [`glance`] is a short cut and nothing else: where it answers, [`decide`](crate::policy::decide)
//! comes to the same. It knows plain packets only (no option, no fragment, no extension header; no tag,
//! or one before what is others'), so that every offset is a constant and most fields are compared several at a time.

use network_types::ip::{Ipv4Hdr, Ipv6Hdr};

use crate::{
    packet::PacketReader,
    parse::{
        ETHERNET_HEADER_LEN, ETHERTYPE_OFFSET, LinkLayer, Network, TCP, TCP_FLAGS_OFFSET, UDP,
        payload_len,
    },
    policy::is_opening,
    rpc::Datagram,
};

/// The length of a VLAN tag (IEEE 802.1Q).
const TAG: usize = 4;

const NETWORK: usize = ETHERNET_HEADER_LEN;
const IPV4_TRANSPORT: usize = NETWORK + Ipv4Hdr::LEN;
const IPV6_TRANSPORT: usize = NETWORK + Ipv6Hdr::LEN;

/// As far as the ports of IPv4 without options.
const IPV4_PORTS: usize = IPV4_TRANSPORT + 4;

/// Four bytes of a header, some of which matter.
struct Pattern {
    mask: u32,
    value: u32,
}

impl Pattern {
    /// In wire order.
    const fn new(mask: [u8; 4], value: [u8; 4]) -> Self {
        Self {
            mask: u32::from_ne_bytes(mask),
            value: u32::from_ne_bytes(value),
        }
    }

    #[inline(always)]
    const fn matches(&self, bytes: [u8; 4]) -> bool {
        u32::from_ne_bytes(bytes) & self.mask == self.value
    }
}

/// EtherType, version and header length of IPv4 without options.
const IPV4: Pattern = Pattern::new([0xff, 0xff, 0xff, 0], [0x08, 0x00, 0x45, 0]);
/// EtherType and version of IPv6.
const IPV6: Pattern = Pattern::new([0xff, 0xff, 0xf0, 0], [0x86, 0xdd, 0x60, 0]);
/// EtherType, IPv4.
const ANY_IPV4: Pattern = Pattern::new([0xff, 0xff, 0, 0], [0x08, 0x00, 0, 0]);
/// EtherTypes of VLAN tags.
const DOT1Q: Pattern = Pattern::new([0xff, 0xff, 0, 0], [0x81, 0x00, 0, 0]);
/// See [`DOT1Q`].
const DOT1AD: Pattern = Pattern::new([0xff, 0xff, 0, 0], [0x88, 0xa8, 0, 0]);
/// More-fragments flag, fragment offset and protocol of an IPv4 packet that is no fragment.
const WHOLE_TCP: Pattern = Pattern::new([0x3f, 0xff, 0, 0xff], [0, 0, 0, TCP]);
const WHOLE_UDP: Pattern = Pattern::new([0x3f, 0xff, 0, 0xff], [0, 0, 0, UDP]);

/// A UDP datagram in an Ethernet frame with nothing before it but one header of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// In IPv4.
    V4,
    /// In IPv6.
    V6,
}

impl Plain {
    /// Where the source address is.
    #[inline(always)]
    #[must_use]
    pub const fn network(self) -> Network {
        match self {
            Self::V4 => Network::V4(NETWORK),
            Self::V6 => Network::V6(NETWORK),
        }
    }

    /// Where the datagram is; `None` only if the packet shrank since the glance.
    #[inline(always)]
    pub fn datagram<P: PacketReader>(self, packet: &P) -> Option<Datagram> {
        Some(match self {
            Self::V4 => Datagram {
                offset: IPV4_TRANSPORT,
                end: NETWORK + usize::from(u16::from_be_bytes(packet.read(NETWORK + 2)?)),
            },
            Self::V6 => Datagram {
                offset: IPV6_TRANSPORT,
                end: IPV6_TRANSPORT + payload_len(packet.read(NETWORK + 4)?),
            },
        })
    }
}

/// What a packet plainly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// Not the filter's business, whatever the settings.
    Other,
    /// UDP.
    Udp {
        /// Where everything is.
        plain: Plain,
        /// The destination port.
        port: u16,
    },
    /// Not plain: ask the parser.
    Unclear,
}

/// What is done about a packet at a glance: compiled into each place where that was seen, so that it has not
/// to be told at run time what it was.
pub trait Onlooker {
    /// What comes of it.
    type Answer;

    /// About [`Glance::Other`].
    fn other(&self) -> Self::Answer;

    /// About [`Glance::Udp`]; `None` to have the parser asked.
    fn udp(&self, plain: Plain, port: u16) -> Option<Self::Answer>;

    /// Whether a datagram to this port, behind a tag, is not simply [`Glance::Other`].
    fn may_guard(&self, port: u16) -> bool;

    /// About [`Glance::Unclear`].
    fn unclear(&self) -> Self::Answer;
}

/// Looks at a frame, and tells what is seen. What is tagged and to a port that `may_guard` does not know is
/// others'.
pub fn glance_at<P: PacketReader>(
    packet: &P,
    link: LinkLayer,
    may_guard: impl Fn(u16) -> bool,
) -> Glance {
    struct Teller<F>(F);

    impl<F: Fn(u16) -> bool> Onlooker for Teller<F> {
        type Answer = Glance;

        fn other(&self) -> Glance {
            Glance::Other
        }

        fn udp(&self, plain: Plain, port: u16) -> Option<Glance> {
            Some(Glance::Udp { plain, port })
        }

        fn may_guard(&self, port: u16) -> bool {
            (self.0)(port)
        }

        fn unclear(&self) -> Glance {
            Glance::Unclear
        }
    }

    glance(packet, link, &Teller(may_guard))
}

/// Looks at a frame, and has `onlooker` do something about it.
#[inline(always)]
pub fn glance<P: PacketReader, O: Onlooker>(
    packet: &P,
    link: LinkLayer,
    onlooker: &O,
) -> O::Answer {
    // Left where something is unclear, for one place that says so: the verifier follows what is called
    // there as often as there are places.
    'plain: {
        if link == LinkLayer::None {
            break 'plain;
        }
        // One check of the frame's length serves nearly all that is read of it.
        let Some(frame) = packet.read::<IPV4_PORTS>(0) else {
            break 'plain;
        };
        let network_type = field(&frame, ETHERTYPE_OFFSET);
        // Both versions tell the protocol in these four.
        let protocol: [u8; 4] = field(&frame, NETWORK + 6);
        if IPV4.matches(network_type) {
            if WHOLE_TCP.matches(protocol) {
                match packet.read(IPV4_TRANSPORT + TCP_FLAGS_OFFSET - 1) {
                    Some(flags) if !is_opening(flags) => return onlooker.other(),
                    _ => break 'plain,
                }
            }
            if WHOLE_UDP.matches(protocol) {
                let port = u16::from_be_bytes(field(&frame, IPV4_TRANSPORT + 2));
                match onlooker.udp(Plain::V4, port) {
                    Some(answer) => return answer,
                    None => break 'plain,
                }
            }
            // Of another protocol, or a fragment.
            match protocol[3] {
                TCP | UDP => break 'plain,
                _ => return onlooker.other(),
            }
        }
        if IPV6.matches(network_type) {
            match protocol[0] {
                TCP => match packet.read(IPV6_TRANSPORT + TCP_FLAGS_OFFSET - 1) {
                    Some(flags) if !is_opening(flags) => return onlooker.other(),
                    _ => break 'plain,
                },
                UDP => {
                    let Some(port) = packet.read(IPV6_TRANSPORT + 2) else {
                        break 'plain;
                    };
                    match onlooker.udp(Plain::V6, u16::from_be_bytes(port)) {
                        Some(answer) => return answer,
                        None => break 'plain,
                    }
                }
                _ => break 'plain,
            }
        }
        if ANY_IPV4.matches(network_type) {
            break 'plain;
        }
        let is_tagged = DOT1Q.matches(network_type) || DOT1AD.matches(network_type);
        if is_tagged && !is_others_behind_tag(packet, onlooker) {
            break 'plain;
        }
        return onlooker.other();
    }
    onlooker.unclear()
}

/// Whether a frame with a tag is not the filter's business, as far as can be seen without looking for more
/// tags.
#[inline(always)]
fn is_others_behind_tag<P: PacketReader, O: Onlooker>(packet: &P, onlooker: &O) -> bool {
    const IPV4_TRANSPORT: usize = self::IPV4_TRANSPORT + TAG;
    const IPV6_TRANSPORT: usize = self::IPV6_TRANSPORT + TAG;
    let Some(frame) = packet.read::<{ IPV4_PORTS + TAG }>(0) else {
        return false;
    };
    let network_type = field(&frame, ETHERTYPE_OFFSET + TAG);
    let protocol: [u8; 4] = field(&frame, NETWORK + TAG + 6);
    let (transport, protocol) = if IPV4.matches(network_type) && WHOLE_TCP.matches(protocol) {
        (IPV4_TRANSPORT, TCP)
    } else if IPV4.matches(network_type) && WHOLE_UDP.matches(protocol) {
        (IPV4_TRANSPORT, UDP)
    } else if IPV6.matches(network_type) {
        (IPV6_TRANSPORT, protocol[0])
    } else {
        return false;
    };
    match protocol {
        TCP => packet
            .read(transport + TCP_FLAGS_OFFSET - 1)
            .is_some_and(|flags| !is_opening(flags)),
        UDP => packet
            .read(transport + 2)
            .is_some_and(|port| !onlooker.may_guard(u16::from_be_bytes(port))),
        _ => false,
    }
}

/// The bytes of a frame from `at` on.
#[inline(always)]
fn field<const LEN: usize, const N: usize>(frame: &[u8; LEN], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&frame[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::{collection::vec, prelude::*, sample::select};

    use super::{Glance, Plain, glance_at};
    use crate::{
        abi::{Decision, Verdict},
        packet::SliceReader,
        parse::LinkLayer,
        policy::{Address, Arrival, Tables, decide, is_to_guarded, judge},
        rpc::Request,
    };

    /// Bytes of a plain frame that make a difference, and what to: EtherType, version, total or
    /// payload length, fragment fields, protocol, addresses, port and flags of both families.
    const OFFSETS: [usize; 21] = [
        12, 13, 14, 16, 17, 18, 19, 20, 21, 23, 29, 33, 37, 47, 53, 54, 55, 57, 67, 18, 20,
    ];
    const VALUES: [u8; 14] = [
        0, 1, 2, 0x10, 0x12, 0x20, 8, 44, 111, 0x45, 0x46, 0x60, 0x81, 0xff,
    ];

    /// Guards port 111 of half of the destinations, allows odd addresses, and serves the others whatever is a call.
    struct OddOnes {
        tcp: bool,
    }

    impl Tables for OddOnes {
        fn guards_port(&self, port: u16) -> bool {
            port == 111
        }

        fn guards_tcp(&self) -> bool {
            self.tcp
        }

        fn is_selective(&self) -> bool {
            true
        }

        fn guards_destination(&self, destination: Address) -> bool {
            last(destination) & 4 == 0
        }

        fn lookup(&self, source: Address) -> Decision {
            match last(source) & 1 {
                1 => Decision::listed(Verdict::Allow, 7),
                _ => Decision::UNLISTED,
            }
        }

        fn served(&self) -> Option<u64> {
            Some((1 << Request::PROCEDURES) - 1)
        }

        fn admits(&self, _: Address, _: u32) -> bool {
            true
        }
    }

    fn last(address: Address) -> u8 {
        match address {
            Address::V4(address) => address[3],
            Address::V6(address) => address[15],
        }
    }

    /// An Ethernet frame to port 111 without tags, options and extension headers.
    fn plain(ipv6: bool, protocol: u8) -> Vec<u8> {
        let mut frame = std::vec![0; 12];
        if ipv6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 60, protocol, 64]);
            frame.extend([0x20; 32]);
        } else {
            frame.extend([0x08, 0, 0x45, 0, 0, 80, 0, 0, 0, 0, 64, protocol, 0, 0]);
            frame.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        }
        frame.extend([0x9c, 0x40, 0, 111]);
        frame.resize(frame.len() + 56, 0);
        frame
    }

    fn seen_in(frame: &[u8]) -> Glance {
        glance_at(&SliceReader(frame), LinkLayer::Ethernet, |port| port == 111)
    }

    #[test]
    fn plain_packets_are_recognised() {
        assert_eq!(seen_in(&plain(false, 6)), Glance::Other);
        assert_eq!(seen_in(&plain(true, 6)), Glance::Other);
        let v4 = Glance::Udp {
            plain: Plain::V4,
            port: 111,
        };
        assert_eq!(seen_in(&plain(false, 17)), v4);
        let v6 = Glance::Udp {
            plain: Plain::V6,
            port: 111,
        };
        assert_eq!(seen_in(&plain(true, 17)), v6);
    }

    /// The same behind a tag.
    fn tagged(mut frame: Vec<u8>, ethertype: [u8; 2]) -> Vec<u8> {
        frame.splice(12..12, [ethertype[0], ethertype[1], 0x20, 5]);
        frame
    }

    #[test]
    fn a_tag_hides_nothing_that_matters() {
        for ethertype in [[0x81, 0x00], [0x88, 0xa8]] {
            for (ipv6, port_offset, flags_offset) in [(false, 41, 51), (true, 61, 71)] {
                let mut datagram = tagged(plain(ipv6, 17), ethertype);
                assert_eq!(seen_in(&datagram), Glance::Unclear);
                datagram[port_offset] = 53;
                assert_eq!(seen_in(&datagram), Glance::Other);
                assert_eq!(seen_in(&tagged(datagram, ethertype)), Glance::Unclear);
                let mut segment = tagged(plain(ipv6, 6), ethertype);
                assert_eq!(seen_in(&segment), Glance::Other);
                segment[flags_offset] = 0x02;
                assert_eq!(seen_in(&segment), Glance::Unclear);
            }
        }
    }

    #[test]
    fn a_segment_that_opens_a_connection_is_left_to_the_parser() {
        for (ipv6, flags_offset) in [(false, 47), (true, 67)] {
            let mut frame = plain(ipv6, 6);
            frame[flags_offset] = 0x02;
            assert_eq!(seen_in(&frame), Glance::Unclear);
            frame[flags_offset] = 0x12;
            assert_eq!(seen_in(&frame), Glance::Other);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            // Miri takes a thousand times as long.
            cases: if cfg!(miri) { 32 } else { 4096 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_glance_never_differs_from_the_whole_decision(
            ipv6: bool,
            tcp: bool,
            protocol in select(std::vec![6_u8, 17]),
            changes in vec((select(&OFFSETS), select(&VALUES)), 0..5),
            len in 0..120_usize,
            tag in select(std::vec![None, Some([0x81, 0x00]), Some([0x88, 0xa8])]),
            port in select(std::vec![111_u8, 53]),
        ) {
            let mut frame = plain(ipv6, protocol);
            frame[if ipv6 { 57 } else { 37 }] = port;
            if let Some(ethertype) = tag {
                frame = tagged(frame, ethertype);
            }
            for (at, value) in changes {
                frame[at + if tag.is_some() { 4 } else { 0 }] = value;
            }
            frame.truncate(len);
            let packet = SliceReader(&frame);
            let tables = OddOnes { tcp };
            let decided = decide(&packet, LinkLayer::Ethernet, &tables);
            match seen_in(&frame) {
                Glance::Unclear => {}
                Glance::Udp { plain, port: 111 } => {
                    let datagram = plain.datagram(&packet).expect("it is long enough");
                    let arrival = Arrival {
                        network: plain.network(),
                        transport: datagram.offset,
                        request: Request::read(&packet, datagram),
                    };
                    let judged = is_to_guarded(&packet, plain.network(), &tables)
                        .then(|| judge(&packet, arrival, &tables));
                    prop_assert_eq!(judged.flatten(), decided);
                }
                Glance::Udp { .. } | Glance::Other => prop_assert_eq!(decided, None),
            }
        }
    }
}
