//! What most packets are can be seen at a glance.
//!
//! [`glance`] is a short cut and nothing else: where it answers, [`decide`](crate::policy::decide)
//! comes to the same. It knows plain packets only (no tag, no option, no fragment, no extension
//! header), so that every offset is a constant and most fields are compared several at a time.

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

const NETWORK: usize = ETHERNET_HEADER_LEN;
const IPV4_TRANSPORT: usize = NETWORK + Ipv4Hdr::LEN;
const IPV6_TRANSPORT: usize = NETWORK + Ipv6Hdr::LEN;

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
/// More-fragments flag, fragment offset and protocol of an IPv4 packet that is no fragment.
const WHOLE_TCP: Pattern = Pattern::new([0x3f, 0xff, 0, 0xff], [0, 0, 0, TCP]);
const WHOLE_UDP: Pattern = Pattern::new([0x3f, 0xff, 0, 0xff], [0, 0, 0, UDP]);

/// What a packet plainly is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// Not the filter's business, whatever the settings.
    Other,
    /// UDP.
    Udp {
        /// Where the source address is.
        network: Network,
        /// The destination port.
        port: u16,
        /// Where the datagram is.
        datagram: Datagram,
    },
    /// Not plain: ask the parser.
    Unclear,
}

/// Looks at a frame.
#[inline(always)]
pub fn glance<P: PacketReader>(packet: &P, link: LinkLayer) -> Glance {
    match link {
        LinkLayer::Ethernet => plain_flow(packet).unwrap_or(Glance::Unclear),
        LinkLayer::None => Glance::Unclear,
    }
}

#[inline(always)]
fn plain_flow<P: PacketReader>(packet: &P) -> Option<Glance> {
    // One check of the frame's length serves all that is read of it.
    let frame = packet.read::<IPV6_TRANSPORT>(0)?;
    let network_type = field(&frame, ETHERTYPE_OFFSET);
    // Both versions tell the protocol in these four.
    let protocol: [u8; 4] = field(&frame, NETWORK + 6);
    if IPV4.matches(network_type) {
        if WHOLE_TCP.matches(protocol) {
            return tcp(field(&frame, IPV4_TRANSPORT + TCP_FLAGS_OFFSET - 1));
        }
        if WHOLE_UDP.matches(protocol) {
            let length = u16::from_be_bytes(field(&frame, NETWORK + 2));
            return udp(
                Network::V4(NETWORK),
                field(&frame, IPV4_TRANSPORT + 2),
                Datagram {
                    offset: IPV4_TRANSPORT,
                    end: NETWORK + usize::from(length),
                },
            );
        }
    } else if IPV6.matches(network_type) {
        match protocol[0] {
            TCP => return tcp(packet.read(IPV6_TRANSPORT + TCP_FLAGS_OFFSET - 1)?),
            UDP => {
                let length = payload_len(field(&frame, NETWORK + 4));
                return udp(
                    Network::V6(NETWORK),
                    packet.read(IPV6_TRANSPORT + 2)?,
                    Datagram {
                        offset: IPV6_TRANSPORT,
                        end: IPV6_TRANSPORT + length,
                    },
                );
            }
            _ => {}
        }
    }
    None
}

/// Most segments do not open a connection.
#[inline(always)]
fn tcp(flags: [u8; 2]) -> Option<Glance> {
    (!is_opening(flags)).then_some(Glance::Other)
}

#[inline(always)]
fn udp(network: Network, port: [u8; 2], datagram: Datagram) -> Option<Glance> {
    Some(Glance::Udp {
        network,
        port: u16::from_be_bytes(port),
        datagram,
    })
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

    use super::{Glance, glance};
    use crate::{
        abi::{Decision, Verdict},
        packet::SliceReader,
        parse::{LinkLayer, Network},
        policy::{Arrival, Source, Tables, decide, judge},
        rpc::{Datagram, Request},
    };

    /// Bytes of a plain frame that make a difference, and what to: EtherType, version, total or
    /// payload length, fragment fields, protocol, source, port and flags of both families.
    const OFFSETS: [usize; 20] = [
        12, 13, 14, 16, 17, 18, 19, 20, 21, 23, 29, 37, 47, 54, 55, 57, 67, 18, 20, 21,
    ];
    const VALUES: [u8; 14] = [
        0, 1, 2, 0x10, 0x12, 0x20, 8, 44, 111, 0x45, 0x46, 0x60, 0x81, 0xff,
    ];

    /// Guards port 111, allows odd addresses, and serves the others whatever is a call.
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

        fn lookup(&self, source: Source) -> Decision {
            let last = match source {
                Source::V4(address) => address[3],
                Source::V6(address) => address[15],
            };
            match last & 1 {
                1 => Decision::listed(Verdict::Allow, 7),
                _ => Decision::UNLISTED,
            }
        }

        fn served(&self) -> Option<u64> {
            Some((1 << Request::PROCEDURES) - 1)
        }

        fn admits(&self, _: Source, _: u32) -> bool {
            true
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

    fn glance_at(frame: &[u8]) -> Glance {
        glance(&SliceReader(frame), LinkLayer::Ethernet)
    }

    #[test]
    fn plain_packets_are_recognised() {
        assert_eq!(glance_at(&plain(false, 6)), Glance::Other);
        assert_eq!(glance_at(&plain(true, 6)), Glance::Other);
        let udp = |network, offset, end| Glance::Udp {
            network,
            port: 111,
            datagram: Datagram { offset, end },
        };
        let v4 = udp(Network::V4(14), 34, 94);
        assert_eq!(glance_at(&plain(false, 17)), v4);
        let v6 = udp(Network::V6(14), 54, 114);
        assert_eq!(glance_at(&plain(true, 17)), v6);
    }

    #[test]
    fn a_segment_that_opens_a_connection_is_left_to_the_parser() {
        for (ipv6, flags_offset) in [(false, 47), (true, 67)] {
            let mut frame = plain(ipv6, 6);
            frame[flags_offset] = 0x02;
            assert_eq!(glance_at(&frame), Glance::Unclear);
            frame[flags_offset] = 0x12;
            assert_eq!(glance_at(&frame), Glance::Other);
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
        ) {
            let mut frame = plain(ipv6, protocol);
            for (at, value) in changes {
                frame[at] = value;
            }
            frame.truncate(len);
            let packet = SliceReader(&frame);
            let tables = OddOnes { tcp };
            let decided = decide(&packet, LinkLayer::Ethernet, &tables);
            match glance_at(&frame) {
                Glance::Unclear => {}
                Glance::Udp { network, port: 111, datagram } => {
                    let arrival = Arrival {
                        network,
                        transport: datagram.offset,
                        request: Request::read(&packet, datagram),
                    };
                    prop_assert_eq!(judge(&packet, arrival, &tables), decided);
                }
                Glance::Udp { .. } | Glance::Other => prop_assert_eq!(decided, None),
            }
        }
    }
}
