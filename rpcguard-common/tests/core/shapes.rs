//! A datagram may come in many shapes; what is decided about it is the same.

use proptest::{collection::vec, prelude::*};
use rpcguard_common::{
    packet::SliceReader,
    parse::{LinkLayer, MAX_EXTENSION_HEADERS, MAX_VLAN_TAGS},
    policy::decide,
    reason::Reason,
    rpc::Request,
};

use crate::tables::{ALLOWED, DENIED, Guarding, config};

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;

/// What is decided, but for where the source address was found.
type Decided = Option<(Reason, u32, Request)>;

/// Under the rate policy, which looks furthest into the packet.
fn outcome(frame: &[u8], link: LinkLayer) -> Decided {
    let tables = Guarding {
        tcp: true,
        served: Some(SERVED),
        ..Guarding::PORT_111
    };
    let outcome = decide(&SliceReader(frame), link, &tables)?;
    Some((outcome.reason, outcome.hit_slot, outcome.request))
}

/// Connections, and every other procedure.
const SERVED: u64 = Request::CONNECTION.bit() | 0x0555_5555;

/// A UDP header but for the ports, with a call that may be complete.
fn call() -> impl Strategy<Value = Vec<u8>> {
    let short = prop_oneof![4 => Just(0), 1 => 0..48_u8];
    (0_u8..=5, 0_u8..14, vec(any::<u8>(), 0..24), short).prop_map(
        |(version, procedure, arguments, short)| {
            let mut datagram = vec![
                0x9c,
                0x40,
                0,
                0,
                0,
                48 + arguments.len() as u8 - short,
                0,
                0,
            ];
            datagram.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0x86, 0xa0]);
            datagram.extend([0, 0, 0, version, 0, 0, 0, procedure]);
            datagram.extend([0; 16]);
            datagram.extend(arguments);
            datagram
        },
    )
}

/// An Ethernet header, then a network header of the family without options or extensions, then a
/// transport header and payload.
fn datagram(ipv6: bool) -> impl Strategy<Value = Vec<u8>> {
    let protocol = prop_oneof![4 => Just(17), 4 => Just(6), 1 => Just(58), 1 => any::<u8>().prop_filter(
        "an extension header would count among those inserted",
        |number| ![0, 43, 44, 51, 60, 135, 139, 140].contains(number),
    )];
    let first_byte = prop_oneof![Just(ALLOWED), Just(DENIED), any::<u8>()];
    let port = prop_oneof![2 => Just(111_u16), 1 => any::<u16>()];
    let rest = prop_oneof![vec(any::<u8>(), 20..80), call()];
    (protocol, first_byte, port, rest).prop_map(move |(protocol, first_byte, port, rest)| {
        let mut transport = rest;
        transport[2..4].copy_from_slice(&port.to_be_bytes());
        let length = transport.len() as u8;
        let mut frame = vec![2; 12];
        if ipv6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, length, protocol, 64]);
            frame.push(first_byte);
            frame.extend([1; 31]);
        } else {
            frame.extend([
                0x08,
                0,
                0x45,
                0,
                0,
                20 + length,
                0,
                0,
                0,
                0,
                64,
                protocol,
                0,
                0,
            ]);
            frame.push(first_byte);
            frame.extend([1; 7]);
        }
        frame.extend(transport);
        frame
    })
}

fn any_datagram() -> impl Strategy<Value = Vec<u8>> {
    any::<bool>().prop_flat_map(datagram)
}

/// VLAN tags of either type.
fn tags(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<[u8; 4]>> {
    let tag = (any::<bool>(), any::<[u8; 2]>()).prop_map(|(service, [high, low])| match service {
        true => [0x88, 0xa8, high, low],
        false => [0x81, 0x00, high, low],
    });
    vec(tag, count)
}

fn insert(frame: &mut Vec<u8>, at: usize, bytes: impl IntoIterator<Item = u8>) {
    frame.splice(at..at, bytes);
}

fn with_tags(frame: &[u8], tags: &[[u8; 4]]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    insert(&mut frame, 12, tags.concat());
    frame
}

fn add_to_length(frame: &mut [u8], at: usize, added: usize) {
    let length = u16::from_be_bytes([frame[at], frame[at + 1]]) + added as u16;
    frame[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

fn with_options(frame: &[u8], options: &[[u8; 4]]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[ETHERNET] += options.len() as u8;
    add_to_length(&mut frame, ETHERNET + 2, 4 * options.len());
    insert(&mut frame, ETHERNET + IPV4, options.concat());
    frame
}

/// An IPv6 extension header: its number, and its bytes from the length on.
type Extension = (u8, Vec<u8>);

fn extension() -> impl Strategy<Value = Extension> {
    const LIKE_OPTIONS: [u8; 6] = [0, 43, 60, 135, 139, 140];
    let like_options =
        (prop::sample::select(&LIKE_OPTIONS[..]), 0_u8..4).prop_flat_map(|(number, length)| {
            let content = vec(any::<u8>(), usize::from(length) * 8 + 6);
            content.prop_map(move |content| (number, [vec![length], content].concat()))
        });
    // RFC 4302: in words of four bytes, without the first two.
    let authentication = (0_u8..6).prop_flat_map(|length| {
        let content = vec(any::<u8>(), usize::from(length) * 4 + 6);
        content.prop_map(move |content| (51, [vec![length], content].concat()))
    });
    // Offset zero, no more fragments; what else is in the header is reserved or an identifier.
    let atomic = (any::<u8>(), 0_u8..4, any::<[u8; 4]>())
        .prop_map(|(reserved, bits, id)| (44, [&[reserved, 0, bits << 1][..], &id].concat()));
    prop_oneof![4 => like_options, 1 => authentication, 1 => atomic]
}

fn with_extensions(frame: &[u8], extensions: &[Extension]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    // The last one is inserted first, so that each takes over the announcement.
    for (number, content) in extensions.iter().rev() {
        let announced = std::mem::replace(&mut frame[ETHERNET + 6], *number);
        add_to_length(&mut frame, ETHERNET + 4, 1 + content.len());
        let header = std::iter::once(announced).chain(content.iter().copied());
        insert(&mut frame, ETHERNET + IPV6, header);
    }
    frame
}

const UNDECIDABLE: Decided = Some((Reason::Undecidable, 0, Request::UNKNOWN));

proptest! {
    #![proptest_config(config(1024))]

    #[test]
    fn vlan_tags_change_nothing(frame in any_datagram(), tags in tags(0..=MAX_VLAN_TAGS)) {
        let tagged = with_tags(&frame, &tags);
        prop_assert_eq!(outcome(&tagged, LinkLayer::Ethernet), outcome(&frame, LinkLayer::Ethernet));
    }

    #[test]
    fn more_vlan_tags_are_undecidable(frame in any_datagram(), tags in tags(MAX_VLAN_TAGS + 1..40)) {
        let tagged = with_tags(&frame, &tags);
        prop_assert_eq!(outcome(&tagged, LinkLayer::Ethernet), UNDECIDABLE);
    }

    #[test]
    fn ipv4_options_change_nothing(
        frame in datagram(false),
        options in vec(any::<[u8; 4]>(), 0..=10),
        tags in tags(0..=MAX_VLAN_TAGS),
    ) {
        let optioned = with_tags(&with_options(&frame, &options), &tags);
        prop_assert_eq!(outcome(&optioned, LinkLayer::Ethernet), outcome(&frame, LinkLayer::Ethernet));
    }

    #[test]
    fn ipv6_extension_headers_change_nothing(
        frame in datagram(true),
        extensions in vec(extension(), 0..=MAX_EXTENSION_HEADERS),
        tags in tags(0..=MAX_VLAN_TAGS),
    ) {
        let extended = with_tags(&with_extensions(&frame, &extensions), &tags);
        prop_assert_eq!(outcome(&extended, LinkLayer::Ethernet), outcome(&frame, LinkLayer::Ethernet));
    }

    #[test]
    fn more_ipv6_extension_headers_are_undecidable(
        frame in datagram(true),
        extensions in vec(extension(), MAX_EXTENSION_HEADERS + 1..14),
    ) {
        let extended = with_extensions(&frame, &extensions);
        prop_assert_eq!(outcome(&extended, LinkLayer::Ethernet), UNDECIDABLE);
    }

    #[test]
    fn the_link_layer_changes_nothing(frame in any_datagram()) {
        let bare = &frame[ETHERNET..];
        prop_assert_eq!(outcome(bare, LinkLayer::None), outcome(&frame, LinkLayer::Ethernet));
    }

    #[test]
    fn padding_changes_nothing(frame in any_datagram(), padding in vec(any::<u8>(), 0..64)) {
        let padded = [&frame[..], &padding].concat();
        prop_assert_eq!(outcome(&padded, LinkLayer::Ethernet), outcome(&frame, LinkLayer::Ethernet));
    }

    /// Of a datagram that is cut, the parts decide as the whole did, or nothing; but what was a call
    /// is none.
    #[test]
    fn a_cut_datagram_is_decided_as_the_whole_one_or_not_at_all(
        (frame, length) in any_datagram().prop_flat_map(|frame| {
            let lengths = 0..frame.len();
            (Just(frame), lengths)
        }),
    ) {
        let cut = outcome(&frame[..length], LinkLayer::Ethernet);
        let whole = outcome(&frame, LinkLayer::Ethernet);
        let malformed = whole.map(|(reason, slot, _)| match slot {
            0 => (Reason::Malformed, 0, Request::MALFORMED),
            _ => (reason, slot, Request::MALFORMED),
        });
        prop_assert!([None, whole, malformed].contains(&cut), "{cut:?} of {whole:?}");
    }
}
