//! What is inside IP: a UDP datagram or a TCP segment, perhaps behind extension headers of its own.

use std::net::IpAddr;

use fastrand::Rng;

use super::{Addresses, envelope, one_of, percent};
use crate::{
    hunt::{
        shot::{Feature, Features},
        terrain::{GUARDED, OTHERS},
    },
    packet::{
        Frame,
        numbers::{
            ACK, EXPERIMENTAL, FIN, ICMP, ICMPV6, IPIP, IPV6_IN_IP, RST, SCTP, SYN, TCP, UDP,
            UDP_LITE,
        },
        rpc,
    },
};

/// Bytes that one IP packet carries.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    /// The number of the first header in `bytes`.
    pub(super) protocol: u8,
    /// The headers in `bytes` before the transport header, if they are extension headers.
    pub(super) extensions: usize,
    /// Where the transport header begins.
    pub(super) transport: usize,
    /// Of the transport header.
    pub(super) transport_protocol: u8,
    pub(super) source_port: u16,
    pub(super) bytes: Vec<u8>,
}

impl Datagram {
    pub(super) fn any(
        random: &mut Rng,
        addresses: &Addresses,
        mtu: usize,
        features: &mut Features,
    ) -> Self {
        let destination_port = match random.u8(..100) {
            0..45 => GUARDED[0],
            45..55 => GUARDED[1],
            55..92 => one_of(random, &OTHERS),
            _ => random.u16(..),
        };
        let source_port = random.u16(1..);
        let payload = payload(random, mtu);
        Self::build(
            random,
            addresses,
            (source_port, destination_port),
            &payload,
            features,
        )
    }

    /// The same from the same to another port.
    pub(super) fn rival(&self, random: &mut Rng, addresses: &Addresses) -> Self {
        let port = one_of(random, &[GUARDED[0], OTHERS[0], OTHERS[2]]);
        let payload = vec![0x55; self.bytes.len() - self.transport.min(self.bytes.len())];
        let frame = headers(addresses).udp_from(self.source_port, port);
        let start = network_len(addresses);
        Self {
            protocol: UDP,
            extensions: 0,
            transport: 0,
            transport_protocol: UDP,
            source_port: self.source_port,
            bytes: frame.payload(&payload).build().split_off(start),
        }
    }

    fn build(
        random: &mut Rng,
        addresses: &Addresses,
        (source_port, destination_port): (u16, u16),
        payload: &[u8],
        features: &mut Features,
    ) -> Self {
        let mut frame = headers(addresses);
        let mut extensions = 0;
        if addresses.source.is_ipv6() && percent(random, 15) {
            features.insert(Feature::Extended);
            let chain = envelope::chain(random, 4);
            extensions = chain.len();
            frame = envelope::append(frame, &chain);
        }
        // What has been built so far is the header, and the chain.
        let start = network_len(addresses);
        let transport = frame.clone().build().len() - start;
        let transport_protocol = match random.u8(..100) {
            0..84 => {
                frame = frame.udp_from(source_port, destination_port);
                if percent(random, 6) {
                    features.insert(Feature::Lying);
                    let right = 8 + payload.len() as u16;
                    frame = frame.udp_length(one_of(
                        random,
                        &[0, 7, 8, right - 1, right + 1, right / 2, 111, 0xffff],
                    ));
                }
                UDP
            }
            84..97 => {
                features.insert(Feature::Tcp);
                let flags = match random.u8(..100) {
                    0..60 => SYN,
                    60..70 => SYN | ACK,
                    70..80 => SYN | 0xc0,
                    80..90 => ACK,
                    _ => one_of(
                        random,
                        &[0, FIN, RST, SYN | FIN, SYN | RST, 0xff, SYN | 0x28],
                    ),
                };
                frame = frame.tcp_from(source_port, destination_port, flags);
                TCP
            }
            _ => {
                let other = one_of(
                    random,
                    &[ICMP, ICMPV6, SCTP, UDP_LITE, IPIP, IPV6_IN_IP, EXPERIMENTAL],
                );
                let ports = [source_port.to_be_bytes(), destination_port.to_be_bytes()];
                frame = frame.protocol(other).payload(&ports.concat());
                other
            }
        };
        let bytes = frame.payload(payload).build();
        let protocol = match addresses.source {
            IpAddr::V4(_) => bytes[9],
            IpAddr::V6(_) => bytes[6],
        };
        Self {
            protocol,
            extensions,
            transport,
            transport_protocol,
            source_port,
            bytes: bytes[start..].to_vec(),
        }
    }

    /// Whether there is enough of it for two fragments.
    pub(super) fn can_be_cut(&self) -> bool {
        self.bytes.len() > 8
    }

    /// How many bytes a first fragment must have for its ports, and of TCP its flags, to be in it.
    pub(super) fn decisive(&self) -> usize {
        self.transport
            + if self.transport_protocol == TCP {
                14
            } else {
                8
            }
    }
}

fn headers(addresses: &Addresses) -> Frame {
    match (addresses.source, addresses.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            Frame::layer3().ipv4(source).to_v4(destination)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Frame::layer3().ipv6(source).to_v6(destination)
        }
        _ => unreachable!("source and destination are of one family"),
    }
}

const fn network_len(addresses: &Addresses) -> usize {
    match addresses.source {
        IpAddr::V4(_) => 20,
        IpAddr::V6(_) => 40,
    }
}

fn payload(random: &mut Rng, mtu: usize) -> Vec<u8> {
    let length = match random.u8(..100) {
        0..15 => random.usize(..9),
        15..80 => random.usize(9..80),
        80..96 => random.usize(80..600),
        _ => random.usize(600..mtu - 100),
    };
    match random.u8(..4) {
        0 => {
            let mut call = rpc::DUMP.to_vec();
            call.resize(length.max(40), 0);
            call
        }
        // In fragments of any offset, each looks like a header with one of these ports.
        1 | 2 => {
            let port = one_of(random, &[111_u16, 2049, 53]).to_be_bytes();
            let header = [0x9c, 0x40, port[0], port[1], 0, 40, 0, 0];
            header.into_iter().cycle().take(length).collect()
        }
        _ => std::iter::repeat_with(|| random.u8(..))
            .take(length)
            .collect(),
    }
}
