//! Datagrams to port 111 in several frames, as an attacker might cut them.

use std::net::{Ipv4Addr, Ipv6Addr};

use rpcguard_tests::packet::{
    Frame,
    numbers::{DESTINATION_OPTIONS, FRAGMENT, UDP},
};

/// Frames of one datagram.
pub(crate) struct Train {
    pub(crate) name: &'static str,
    pub(crate) frames: Vec<Vec<u8>>,
    /// Whether Linux puts them together and delivers the datagram. Where that depends on the
    /// kernel's version, `None`.
    pub(crate) delivered: Option<bool>,
}

/// All trains, each from a source of its own, so that none is completed by another's fragments.
pub(crate) fn all() -> Vec<Train> {
    let sources = (1..).map(|host| {
        let v4 = Ipv4Addr::new(198, 51, 100, host);
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0xb, 0, 0, 0, 0, host.into());
        (v4, v6)
    });
    sources
        .zip(TRAINS)
        .map(|((v4, v6), train)| train(v4, v6))
        .collect()
}

/// A UDP datagram of 48 bytes, with the checksum for this source.
fn datagram_v4(source: Ipv4Addr, port: u16) -> Vec<u8> {
    Frame::layer3()
        .ipv4(source)
        .udp(port)
        .payload(&[0xaa; 40])
        .build()
        .split_off(20)
}

fn datagram_v6(source: Ipv6Addr, port: u16) -> Vec<u8> {
    Frame::layer3()
        .ipv6(source)
        .udp(port)
        .payload(&[0xaa; 40])
        .build()
        .split_off(40)
}

/// `bytes` from `offset` (in units of eight) as one IPv4 fragment of a UDP datagram.
fn v4(source: Ipv4Addr, offset: u16, more: bool, bytes: &[u8]) -> Vec<u8> {
    let header = Frame::ethernet().ipv4(source).fragment(offset, more);
    header.protocol(UDP).payload(bytes).build()
}

/// The same over IPv6; what is cut begins with a header of number `first`.
fn v6(source: Ipv6Addr, first: u8, offset: u16, more: bool, bytes: &[u8]) -> Vec<u8> {
    let header = Frame::ethernet().ipv6(source).fragment(offset, more);
    header.protocol(first).payload(bytes).build()
}

type MakeTrain = fn(Ipv4Addr, Ipv6Addr) -> Train;

const TRAINS: [MakeTrain; 13] = [
    |source, _| {
        let whole = datagram_v4(source, 111);
        train(
            "IPv4, two fragments",
            Some(true),
            [
                v4(source, 0, true, &whole[..24]),
                v4(source, 3, false, &whole[24..]),
            ],
        )
    },
    |source, _| {
        let whole = datagram_v4(source, 111);
        train(
            "IPv4, the last fragment first",
            Some(true),
            [
                v4(source, 3, false, &whole[24..]),
                v4(source, 0, true, &whole[..24]),
            ],
        )
    },
    |source, _| {
        let whole = datagram_v4(source, 111);
        train(
            "IPv4, a first fragment of eight bytes, then many",
            Some(true),
            [
                v4(source, 0, true, &whole[..8]),
                v4(source, 1, true, &whole[8..16]),
                v4(source, 2, true, &whole[16..24]),
                v4(source, 3, false, &whole[24..]),
            ],
        )
    },
    |source, _| {
        let whole = datagram_v4(source, 111);
        let first = Frame::ethernet().ipv4(source).options(10).first_fragment();
        train(
            "IPv4, options on the first fragment only",
            Some(true),
            [
                first.protocol(UDP).payload(&whole[..8]).build(),
                v4(source, 1, false, &whole[8..]),
            ],
        )
    },
    |source, _| {
        let [other, whole] = [53, 111].map(|port| datagram_v4(source, port));
        train(
            "IPv4, a second first fragment with the guarded port",
            Some(false),
            [
                v4(source, 0, true, &other[..16]),
                v4(source, 0, true, &whole[..24]),
                v4(source, 3, false, &whole[24..]),
            ],
        )
    },
    |source, _| {
        // A fragment of four bytes does not end at a multiple of eight: Linux discards it.
        let whole = datagram_v4(source, 111);
        train(
            "IPv4, a first fragment that ends inside the ports",
            Some(false),
            [
                v4(source, 0, true, &whole[..4]),
                v4(source, 1, false, &whole[8..]),
            ],
        )
    },
    |source, _| {
        // Linux keeps eight of the fifteen bytes.
        let whole = datagram_v4(source, 111);
        train(
            "IPv4, a first fragment that does not end at a multiple of eight",
            Some(true),
            [
                v4(source, 0, true, &whole[..15]),
                v4(source, 1, false, &whole[8..]),
            ],
        )
    },
    |_, source| {
        let whole = datagram_v6(source, 111);
        train(
            "IPv6, two fragments",
            Some(true),
            [
                v6(source, UDP, 0, true, &whole[..24]),
                v6(source, UDP, 3, false, &whole[24..]),
            ],
        )
    },
    |_, source| {
        let whole = datagram_v6(source, 111);
        train(
            "IPv6, the last fragment first",
            Some(true),
            [
                v6(source, UDP, 3, false, &whole[24..]),
                v6(source, UDP, 0, true, &whole[..24]),
            ],
        )
    },
    |_, source| {
        let options = [UDP, 0, 1, 4, 0, 0, 0, 0];
        let whole = [&options[..], &datagram_v6(source, 111)].concat();
        train(
            "IPv6, destination options and ports in the first fragment",
            Some(true),
            [
                v6(source, DESTINATION_OPTIONS, 0, true, &whole[..16]),
                v6(source, DESTINATION_OPTIONS, 2, false, &whole[16..]),
            ],
        )
    },
    |_, source| {
        // Linux refuses that since 5.15 and in its stable releases (RFC 8200 section 4.5).
        let options = [UDP, 0, 1, 4, 0, 0, 0, 0];
        let whole = [&options[..], &datagram_v6(source, 111)].concat();
        train(
            "IPv6, the ports in the second fragment",
            None,
            [
                v6(source, DESTINATION_OPTIONS, 0, true, &whole[..8]),
                v6(source, DESTINATION_OPTIONS, 1, false, &whole[8..]),
            ],
        )
    },
    |_, source| {
        // Linux refuses a second fragment header.
        let atomic = [UDP, 0, 0, 0, 0, 0, 0, 1];
        let whole = [&atomic[..], &datagram_v6(source, 111)].concat();
        train(
            "IPv6, an atomic fragment in fragments",
            Some(false),
            [
                v6(source, FRAGMENT, 0, true, &whole[..24]),
                v6(source, FRAGMENT, 3, false, &whole[24..]),
            ],
        )
    },
    |_, source| {
        let whole = datagram_v6(source, 111);
        let inner = |offset: u8, more: u8| [UDP, 0, 0, offset << 3 | more, 0, 0, 0, 1];
        let first = [&inner(0, 1)[..], &whole[..24]].concat();
        let last = [&inner(3, 0)[..], &whole[24..]].concat();
        train(
            "IPv6, fragments behind atomic fragment headers",
            Some(false),
            [
                v6(source, FRAGMENT, 0, false, &first),
                v6(source, FRAGMENT, 0, false, &last),
            ],
        )
    },
];

fn train<const N: usize>(
    name: &'static str,
    delivered: Option<bool>,
    frames: [Vec<u8>; N],
) -> Train {
    Train {
        name,
        frames: frames.into(),
        delivered,
    }
}
