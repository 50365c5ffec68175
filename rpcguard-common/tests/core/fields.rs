//! Which bytes of a packet decide, and how: each field over all its values.

use std::collections::BTreeSet;

use rpcguard_common::{
    packet::SliceReader,
    parse::{Flow, LinkLayer, Network, Parsed, Route, Transport, parse},
    policy::{Outcome, decide},
    reason::Reason,
    rpc::Request,
};

use crate::tables::{ALLOWED, DENIED, Guarding};

/// A portmapper DUMP call, byte by byte.
#[rustfmt::skip]
const CALL_V4: [u8; 82] = [
    // Ethernet: destination, source, EtherType IPv4.
    2, 0, 0, 0, 0, 1,  2, 0, 0, 0, 0, 2,  0x08, 0x00,
    // RFC 791: version and header length in words, type of service, total length,
    0x45, 0, 0, 68,
    // identification, flags and fragment offset,
    0, 0, 0, 0,
    // time to live, protocol UDP, checksum,
    64, 17, 0, 0,
    // source, destination.
    198, 51, 100, 7,  203, 0, 113, 1,
    // RFC 768: source port 40000, destination port 111, length, checksum.
    0x9c, 0x40,  0, 111,  0, 48,  0, 0,
    // RFC 5531: transaction, CALL, RPC version 2,
    0, 0, 0, 1,  0, 0, 0, 0,  0, 0, 0, 2,
    // RFC 1833: program 100000, version 2, procedure 4 (DUMP),
    0, 0x01, 0x86, 0xa0,  0, 0, 0, 2,  0, 0, 0, 4,
    // no credentials, no verifier.
    0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
];

/// The same over IPv6.
#[rustfmt::skip]
const CALL_V6: [u8; 102] = [
    2, 0, 0, 0, 0, 1,  2, 0, 0, 0, 0, 2,  0x86, 0xdd,
    // RFC 8200: version, traffic class and flow label, payload length,
    0x60, 0, 0, 0,  0, 48,
    // next header UDP, hop limit,
    17, 64,
    // source,
    0x20, 0x01, 0x0d, 0xb8, 0, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
    // destination.
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    0x9c, 0x40,  0, 111,  0, 48,  0, 0,
    0, 0, 0, 1,  0, 0, 0, 0,  0, 0, 0, 2,
    0, 0x01, 0x86, 0xa0,  0, 0, 0, 2,  0, 0, 0, 4,
    0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
];

/// A connection request (RFC 9293) to the portmapper.
#[rustfmt::skip]
const SYN_V4: [u8; 54] = [
    2, 0, 0, 0, 0, 1,  2, 0, 0, 0, 0, 2,  0x08, 0x00,
    0x45, 0, 0, 40,  0, 0, 0, 0,  64, 6, 0, 0,  198, 51, 100, 7,  203, 0, 113, 1,
    // Address and destination port,
    0x9c, 0x40,  0, 111,
    // sequence and acknowledgement number,
    0, 0, 0, 1,  0, 0, 0, 0,
    // header length, flags, window, checksum, urgent pointer.
    0x50, 0x02, 0xff, 0xff,  0, 0, 0, 0,
];

const ETHERNET: usize = 14;

fn reason(frame: &[u8]) -> Option<Reason> {
    let tables = Guarding {
        tcp: true,
        ..Guarding::PORT_111
    };
    decide(&SliceReader(frame), LinkLayer::Ethernet, &tables).map(|outcome: Outcome| outcome.reason)
}

/// The offsets at which some value of the byte leads to another decision.
fn deciding_bytes(frame: &[u8], reason: impl Fn(&[u8]) -> Option<Reason>) -> BTreeSet<usize> {
    let original = reason(frame);
    let decides = |at: &usize| {
        (0..=u8::MAX).any(|value| {
            let mut changed = frame.to_vec();
            changed[*at] = value;
            reason(&changed) != original
        })
    };
    (0..frame.len()).filter(decides).collect()
}

/// All values of a 16-bit field; under Miri, a sample with both ends.
fn all_values() -> impl Iterator<Item = u16> {
    let step = if cfg!(miri) { 4369 } else { 1 };
    (0..=u16::MAX).step_by(step)
}

fn with_word(frame: &[u8], at: usize, value: u16) -> Vec<u8> {
    let mut changed = frame.to_vec();
    changed[at..at + 2].copy_from_slice(&value.to_be_bytes());
    changed
}

#[test]
fn headers_are_where_the_standards_put_them() {
    let flow = |network, transport, offset, end| {
        Parsed::Flow(Flow {
            route: Route {
                network,
                detours: false,
            },
            transport,
            offset,
            end,
            first_fragment: false,
            flags_cut_off: false,
        })
    };
    for (frame, expected) in [
        (&CALL_V4[..], flow(Network::V4(14), Transport::Udp, 34, 82)),
        (&CALL_V6[..], flow(Network::V6(14), Transport::Udp, 54, 102)),
        (&SYN_V4[..], flow(Network::V4(14), Transport::Tcp, 34, 54)),
    ] {
        assert_eq!(parse(&SliceReader(frame), LinkLayer::Ethernet), expected);
        assert_eq!(reason(frame), Some(Reason::Unlisted));
    }
}

/// Of a packet to a guarded port, whatever the policy: over IPv4, then over IPv6.
fn deciding_headers() -> [BTreeSet<usize>; 2] {
    let ether_type = [12, 13];
    let destination_port = |transport: usize| [transport + 2, transport + 3];

    let mut v4 = BTreeSet::from(ether_type);
    v4.extend([ETHERNET]); // Version and header length.
    v4.extend([ETHERNET + 6, ETHERNET + 7]); // Fragment offset.
    v4.extend([ETHERNET + 9]); // Protocol.
    v4.extend([ETHERNET + 12]); // The byte of the source that these tests list by.
    v4.extend(destination_port(34));

    let mut v6 = BTreeSet::from(ether_type);
    v6.extend([ETHERNET]); // Version.
    v6.extend([ETHERNET + 6]); // Next header.
    v6.extend([ETHERNET + 8]); // Address.
    v6.extend(destination_port(54));
    [v4, v6]
}

#[test]
#[cfg_attr(miri, ignore = "takes an hour: every value of every byte")]
fn nothing_decides_about_a_call_but_these_fields() {
    let [v4, v6] = deciding_headers();
    assert_eq!(deciding_bytes(&CALL_V4, reason), v4);
    assert_eq!(deciding_bytes(&CALL_V6, reason), v6);

    let mut tcp = v4;
    tcp.extend([34 + 13]); // Flags.
    assert_eq!(deciding_bytes(&SYN_V4, reason), tcp);
}

#[test]
#[cfg_attr(miri, ignore = "takes an hour: every value of every byte")]
fn the_rate_policy_looks_at_lengths_and_the_call_too() {
    let served = Guarding {
        served: Some(Request::procedure(2, 4).unwrap().bit()),
        ..Guarding::PORT_111
    };
    let reason = |frame: &[u8]| {
        let outcome = decide(&SliceReader(frame), LinkLayer::Ethernet, &served);
        outcome.map(|outcome| outcome.reason)
    };
    let [mut v4, mut v6] = deciding_headers();
    v4.extend([ETHERNET + 3]); // Total length; the high byte only makes it longer than the frame.
    v4.extend([ETHERNET + 6]); // More fragments.
    v6.extend([ETHERNET + 5]); // Payload length, likewise.
    for (headers, udp) in [(&mut v4, 34), (&mut v6, 54)] {
        headers.extend([udp + 4, udp + 5]); // UDP length.
        let call = udp + 8;
        headers.extend(call + 4..call + 24); // From the message type to the procedure.
        headers.extend(call + 28..call + 32); // The credential's length,
        headers.extend(call + 36..call + 40); // and the verifier's.
    }
    assert_eq!(deciding_bytes(&CALL_V4, reason), v4);
    assert_eq!(deciding_bytes(&CALL_V6, reason), v6);
}

#[test]
fn the_rate_policy_has_a_reason_for_each_request() {
    let reason = |frame: &[u8], served, admitting| {
        let tables = Guarding {
            tcp: true,
            served: Some(served),
            admitting,
            ..Guarding::PORT_111
        };
        let outcome = decide(&SliceReader(frame), LinkLayer::Ethernet, &tables);
        outcome.map(|outcome| outcome.reason)
    };
    let dump = Request::procedure(2, 4).unwrap().bit();
    let connection = Request::CONNECTION.bit();
    for (frame, bit) in [
        (&CALL_V4[..], dump),
        (&CALL_V6, dump),
        (&SYN_V4, connection),
    ] {
        assert_eq!(reason(frame, bit, true), Some(Reason::WithinRate));
        assert_eq!(reason(frame, bit, false), Some(Reason::OverRate));
        assert_eq!(reason(frame, !bit, true), Some(Reason::Amplifier));
        // Lists come first.
        for (first, expected) in [(ALLOWED, Reason::Allowed), (DENIED, Reason::Denied)] {
            let mut listed = frame.to_vec();
            let source = if frame.len() == CALL_V6.len() { 8 } else { 12 };
            listed[ETHERNET + source] = first;
            assert_eq!(reason(&listed, !bit, false), Some(expected));
        }
    }
    // Whatever is served, these are not.
    for served in [0, (1 << Request::PROCEDURES) - 1] {
        let malformed = with_word(&CALL_V4, 34 + 8 + 6, 1);
        assert_eq!(reason(&malformed, served, true), Some(Reason::Malformed));
        let fragment = with_word(&CALL_V4, ETHERNET + 6, 0x2000);
        assert_eq!(reason(&fragment, served, true), Some(Reason::Fragment));
    }
}

#[test]
fn the_length_decides_about_a_first_fragment() {
    let mut first = CALL_V4;
    first[ETHERNET + 6] = 0x20;
    for total in all_values() {
        let expected = match total {
            0..28 => Reason::Undecidable,
            28.. => Reason::Unlisted,
        };
        let frame = with_word(&first, ETHERNET + 2, total);
        assert_eq!(reason(&frame), Some(expected), "total length {total}");
    }
}

#[test]
fn four_ether_types_are_followed() {
    const TAGGED: [u16; 2] = [0x8100, 0x88a8];
    for ether_type in all_values().chain(TAGGED).chain([0x0800, 0x86dd]) {
        let plain = reason(&with_word(&CALL_V4, 12, ether_type));
        // The call behind one tag of this type.
        let tag = [ether_type.to_be_bytes(), [0, 1]].concat();
        let tagged = reason(&[&CALL_V4[..12], &tag, &CALL_V4[12..]].concat());
        assert_eq!(plain.is_some(), ether_type == 0x0800, "{ether_type:#06x}");
        assert_eq!(
            tagged.is_some(),
            TAGGED.contains(&ether_type),
            "{ether_type:#06x}"
        );
        let over_v6 = reason(&with_word(&CALL_V6, 12, ether_type));
        assert_eq!(over_v6.is_some(), ether_type == 0x86dd, "{ether_type:#06x}");
    }
}

#[test]
fn ipv4_has_version_four_and_at_least_five_words() {
    for byte in 0..=u8::MAX {
        let (version, words) = (byte >> 4, usize::from(byte & 0x0f));
        // Wherever a parser takes the destination port from, it is 111: the total length, checksum,
        // source or destination of a header that is too short, then options or the UDP header.
        let mut frame = [&CALL_V4[..34], &[0, 111].repeat(30)].concat();
        frame[ETHERNET] = byte;
        for at in [2, 10, 14, 18] {
            frame = with_word(&frame, ETHERNET + at, 111);
        }
        let valid = version == 4 && words >= 5;
        assert_eq!(reason(&frame).is_some(), valid, "{byte:#04x}");
    }
}

#[test]
fn ipv4_options_move_the_ports() {
    for words in 5..=15 {
        let options = [0xee; 40];
        let mut frame = [&CALL_V4[..34], &options[..(words - 5) * 4], &CALL_V4[34..]].concat();
        frame[ETHERNET] = 0x40 | words as u8;
        assert_eq!(reason(&frame), Some(Reason::Unlisted), "{words} words");
    }
}

#[test]
fn an_ipv4_fragment_is_later_by_the_lowest_thirteen_bits() {
    for field in all_values() {
        let frame = with_word(&CALL_V4, ETHERNET + 6, field);
        let expected = match field & 0x1fff {
            0 => Reason::Unlisted,
            _ => Reason::LaterFragment,
        };
        assert_eq!(reason(&frame), Some(expected), "{field:#06x}");
    }
}

#[test]
fn an_ipv6_fragment_is_later_by_the_highest_thirteen_bits() {
    for field in all_values() {
        let [high, low] = field.to_be_bytes();
        let header = [17, 0, high, low, 0, 0, 0, 1];
        let mut frame = [&CALL_V6[..54], &header, &CALL_V6[54..]].concat();
        frame[ETHERNET + 5] += 8;
        frame[ETHERNET + 6] = 44;
        let expected = match field >> 3 {
            0 => Reason::Unlisted,
            _ => Reason::LaterFragment,
        };
        assert_eq!(reason(&frame), Some(expected), "{field:#06x}");
    }
}

#[test]
fn udp_tcp_and_nothing_else_has_ports() {
    for number in 0..=u8::MAX {
        let mut v4 = CALL_V4;
        v4[ETHERNET + 9] = number;
        // As a TCP header, the same bytes have SYN among the flags.
        v4[34 + 13] = 0x02;
        assert_eq!(reason(&v4).is_some(), [6, 17].contains(&number), "{number}");
    }
}

/// RFC 8200: hop-by-hop 0, routing 43, fragment 44, destination options 60. RFC 4302:
/// authentication 51. RFC 6275: mobility 135. RFC 7401: HIP 139. RFC 5533: shim6 140.
#[test]
fn eight_ipv6_extension_headers_are_followed() {
    for number in 0..=u8::MAX {
        // Eight bytes in each of the three formats: next header, length 0, offset and flags 0.
        let header = [17, 0, 0, 0, 0, 0, 0, 0];
        let mut frame = [&CALL_V6[..54], &header, &CALL_V6[54..]].concat();
        frame[ETHERNET + 5] += 8;
        frame[ETHERNET + 6] = number;
        let followed = [0, 43, 44, 51, 60, 135, 139, 140].contains(&number);
        let expected = followed.then_some(Reason::Unlisted);
        assert_eq!(reason(&frame), expected, "{number}");
    }
}

#[test]
fn a_connection_is_opened_by_syn_without_ack() {
    for flags in 0..=u8::MAX {
        let mut frame = SYN_V4;
        frame[34 + 13] = flags;
        let opens = flags & 0x02 != 0 && flags & 0x10 == 0;
        assert_eq!(reason(&frame).is_some(), opens, "{flags:#04x}");
    }
}

#[test]
fn the_destination_port_is_in_network_order() {
    for port in all_values().chain([110, 111, 112, 0x6f00]) {
        let frame = with_word(&CALL_V4, 36, port);
        assert_eq!(reason(&frame).is_some(), port == 111, "{port}");
    }
}

#[test]
fn the_source_address_is_the_one_of_the_network_header() {
    for (first, expected) in [
        (ALLOWED, Reason::Allowed),
        (DENIED, Reason::Denied),
        (198, Reason::Unlisted),
    ] {
        let mut v4 = CALL_V4;
        v4[ETHERNET + 12] = first;
        assert_eq!(reason(&v4), Some(expected));
        let mut v6 = CALL_V6;
        v6[ETHERNET + 8] = first;
        assert_eq!(reason(&v6), Some(expected));
    }
}
