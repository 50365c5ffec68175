//! What is around a datagram: the link layer, the IP header, and options or extension headers.

use std::net::IpAddr;

use fastrand::Rng;
use rpcguard_common::{
    packet::MAX_HEADER_OFFSET,
    parse::{LinkLayer, MAX_EXTENSION_HEADERS, MAX_VLAN_TAGS},
};

use super::{Addresses, datagram::Datagram, one_of, percent};
use crate::{
    hunt::shot::{Excuse, Feature, Features},
    packet::{
        Frame,
        numbers::{
            AUTHENTICATION, DESTINATION_OPTIONS, DOT1AD, DOT1Q, FRAGMENT, HIP, HOP_BY_HOP,
            MOBILITY, OLD_QINQ, ROUTING, SHIM6,
        },
    },
};

/// An extension header: its number and its length in units of eight bytes.
pub(super) type Extension = (u8, u16);

/// One envelope may have many fragments of a datagram in it.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    link: LinkLayer,
    pub(super) addresses: Addresses,
    /// EtherTypes and VLAN ids with priority bits.
    tags: Vec<(u16, u16)>,
    /// IPv4 options, whole words.
    options: Vec<u8>,
    /// IPv6 extension headers before a fragment header.
    extensions: Vec<Extension>,
}

impl Envelope {
    pub(super) fn any(
        random: &mut Rng,
        link: LinkLayer,
        addresses: &Addresses,
        features: &mut Features,
    ) -> Self {
        let mut envelope = Self {
            link,
            addresses: *addresses,
            tags: Vec::new(),
            options: Vec::new(),
            extensions: Vec::new(),
        };
        if link == LinkLayer::Ethernet && percent(random, 30) {
            features.insert(Feature::Tagged);
            envelope.tags = tags(random);
        }
        if addresses.source.is_ipv4() && percent(random, 30) {
            features.insert(Feature::Options);
            envelope.options = options(random);
        }
        if addresses.source.is_ipv6() && percent(random, 45) {
            features.insert(Feature::Extended);
            envelope.extensions = chain(random, MAX_EXTENSION_HEADERS + 2);
        }
        envelope
    }

    /// The same without options, as later fragments may be.
    pub(super) fn plain(&self) -> Self {
        Self {
            options: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether the filter may give up on what is in it.
    pub(super) fn excuse(&self) -> Option<Excuse> {
        (self.tags.len() > MAX_VLAN_TAGS).then_some(Excuse::Undecidable)
    }

    /// Whether it may give up because of this many more extension headers of so many bytes.
    pub(super) fn is_long_with(&self, extensions: usize, bytes: usize) -> bool {
        let length: usize = self
            .extensions
            .iter()
            .map(|(_, units)| 8 * *units as usize)
            .sum();
        self.extensions.len() + extensions > MAX_EXTENSION_HEADERS
            || 14 + 4 * self.tags.len() + 40 + length + bytes > MAX_HEADER_OFFSET
    }

    /// Headers up to the place of a fragment header.
    pub(super) fn headers(&self) -> Frame {
        let mut frame = match self.link {
            LinkLayer::Ethernet => Frame::ethernet().to_mac(self.addresses.mac),
            LinkLayer::None => Frame::layer3(),
        };
        for (ether_type, id) in &self.tags {
            frame = frame.vlan(*ether_type, *id);
        }
        match (self.addresses.source, self.addresses.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let words = (self.options.len() / 4) as u8;
                frame = frame.ipv4(source).to_v4(destination).options(words);
                frame.patch(20, &self.options)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                append(frame.ipv6(source).to_v6(destination), &self.extensions)
            }
            _ => unreachable!("source and destination are of one family"),
        }
    }

    /// A frame with a whole datagram.
    pub(super) fn whole(
        &self,
        random: &mut Rng,
        datagram: &Datagram,
        features: &mut Features,
    ) -> Vec<u8> {
        let frame = self.headers().protocol(datagram.protocol);
        self.finish(
            random,
            frame.payload(&datagram.bytes),
            datagram.bytes.len(),
            features,
        )
    }

    /// Adds what is wrong with some frames.
    pub(super) fn finish(
        &self,
        random: &mut Rng,
        mut frame: Frame,
        content: usize,
        features: &mut Features,
    ) -> Vec<u8> {
        if percent(random, 5) {
            features.insert(Feature::Lying);
            let headers = match self.addresses.source {
                IpAddr::V4(_) => 20 + self.options.len(),
                IpAddr::V6(_) => self
                    .extensions
                    .iter()
                    .map(|(_, units)| 8 * *units as usize)
                    .sum(),
            };
            let right = (headers + content) as u16;
            let lies = [
                0,
                20,
                right.wrapping_sub(1),
                right + 1,
                right - content as u16,
                right - content as u16 + 4,
                right - content as u16 + 8,
                0xffff,
            ];
            frame = frame.ip_length(one_of(random, &lies));
        }
        if percent(random, 8) {
            features.insert(Feature::Padded);
            let header = [0x9c, 0x40, 0, 111, 0, 8, 0, 0];
            frame = frame.padding(&header[..random.usize(1..=8)]);
        }
        if percent(random, 2) {
            features.insert(Feature::Lying);
            frame = frame.cut(random.usize(14..120));
        }
        frame.build()
    }
}

/// Appends extension headers.
pub(super) fn append(frame: Frame, chain: &[Extension]) -> Frame {
    chain
        .iter()
        .fold(frame, |frame, (number, units)| match *number {
            FRAGMENT => frame.fragment(0, false),
            number => frame.extension(number, *units),
        })
}

fn tags(random: &mut Rng) -> Vec<(u16, u16)> {
    let count = match random.u8(..100) {
        0..45 => 1,
        45..70 => 2,
        70..82 => 3,
        82..92 => 4,
        92..97 => 5,
        _ => 6,
    };
    let tag = |random: &mut Rng| {
        let ether_type = match random.u8(..100) {
            0..60 => DOT1Q,
            60..97 => DOT1AD,
            _ => OLD_QINQ,
        };
        // Linux delivers frames of VLAN 0 to the interface itself.
        let id = if percent(random, 90) {
            0
        } else {
            random.u16(..0x1000)
        };
        (ether_type, id | random.u16(..8) << 13)
    };
    std::iter::repeat_with(|| tag(random)).take(count).collect()
}

/// IPv4 options (RFC 791), most of them valid.
fn options(random: &mut Rng) -> Vec<u8> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    let words = random.usize(1..=10);
    let mut options = match random.u8(..100) {
        0..40 => vec![NO_OPERATION; words * 4],
        40..50 => vec![END; words * 4],
        // Record route, with room for more.
        50..60 => vec![7, 7, 4, 0, 0, 0, 0],
        // A timestamp.
        60..65 => vec![68, 8, 5, 0, 0, 0, 0, 0],
        // Router alert.
        65..75 => vec![148, 4, 0, 0],
        // A loose source route that is at its end.
        75..80 => vec![131, 7, 8, 203, 0, 113, 1],
        // What looks like the ports.
        80..90 => [0x9c, 0x40, 0, 111, 0, 8, 0, 0].repeat(5),
        _ => std::iter::repeat_with(|| random.u8(..))
            .take(words * 4)
            .collect(),
    };
    options.resize(
        options
            .len()
            .min(words * 4)
            .max(4)
            .next_multiple_of(4)
            .min(40),
        END,
    );
    options
}

/// Extension headers of any kind in any order, more often so that Linux takes them.
pub(super) fn chain(random: &mut Rng, most: usize) -> Vec<Extension> {
    let count = match random.u8(..100) {
        0..40 => 1,
        40..60 => 2,
        60..92 => random.usize(3..=8),
        _ => most,
    };
    let extension = |number: usize, random: &mut Rng| {
        let kind = match random.u8(..100) {
            0..10 if number == 0 => HOP_BY_HOP,
            0..55 => DESTINATION_OPTIONS,
            55..80 => ROUTING,
            80..90 => FRAGMENT,
            _ => one_of(random, &[HOP_BY_HOP, AUTHENTICATION, MOBILITY, HIP, SHIM6]),
        };
        let units = match random.u8(..100) {
            _ if kind == FRAGMENT => 1,
            0..80 => random.u16(1..4),
            80..97 => random.u16(4..40),
            _ => random.u16(40..=100),
        };
        (kind, units.max(1 + u16::from(kind == AUTHENTICATION)))
    };
    (0..count.min(most))
        .map(|number| extension(number, random))
        .collect()
}
