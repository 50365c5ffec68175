//! Whatever arrives, there is an answer.

use proptest::{collection::vec, prelude::*};
use rpcguard_common::{
    glance::{Glance, glance_at},
    packet::{MAX_HEADER_OFFSET, MAX_READ_OFFSET, PacketReader, SliceReader},
    parse::{LinkLayer, Network, Parsed, Transport, parse},
    policy::{Tables as _, decide},
    rpc::Request,
};

use crate::tables::{Guarding, config};

/// What the rate policy can be told to serve.
const EVERYTHING: u64 = Request::CONNECTION.bit() | ((1 << Request::PROCEDURES) - 1);

/// The longest frames, in bytes; to make one byte takes Miri milliseconds.
const LONGEST: usize = if cfg!(miri) { 60 } else { 400 };

const LINKS: [LinkLayer; 2] = [LinkLayer::Ethernet, LinkLayer::None];

/// Bytes that get further into the parser than random ones: numbers that mean something to it.
fn meaningful_byte() -> impl Strategy<Value = u8> {
    const NUMBERS: [u8; 24] = [
        0x81, 0x00, 0x88, 0xa8, 0x08, 0x86, 0xdd, 0x45, 0x46, 0x4f, 0x60, 0x20, 0x01, 6, 17, 0, 43,
        44, 60, 51, 135, 139, 140, 111,
    ];
    prop_oneof![4 => prop::sample::select(&NUMBERS[..]), 1 => any::<u8>()]
}

/// A frame that begins like one: any bytes behind a header that is announced.
fn plausible_frame() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        Just(vec![0x08, 0x00, 0x45]),
        Just(vec![0x08, 0x00, 0x4f]),
        Just(vec![0x86, 0xdd, 0x60]),
        Just(vec![0x81, 0x00, 0x00, 0x01, 0x08, 0x00, 0x45]),
        Just(vec![0x88, 0xa8, 0x00, 0x01, 0x86, 0xdd, 0x60]),
    ];
    (start, vec(meaningful_byte(), 0..LONGEST)).prop_map(|(start, rest)| {
        let addresses = vec![2; 12];
        [addresses, start, rest].concat()
    })
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..LONGEST),
        vec(meaningful_byte(), 0..LONGEST),
        plausible_frame(),
        plausible_frame().prop_map(|frame| frame[14..].to_vec()),
    ]
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn every_frame_is_decided_without_a_panic(frame in frame(), tcp: bool) {
        for link in LINKS {
            for served in [None, Some(EVERYTHING)] {
                let tables = Guarding { tcp, served, ..Guarding::PORT_111 };
                let _ = decide(&Strict(&frame), link, &tables);
            }
        }
    }

    /// Whatever EtherType and tags it begins with.
    #[test]
    fn a_glance_says_other_of_what_is_not_decided_alone(frame in frame(), tcp: bool) {
        let tables = Guarding { tcp, ..Guarding::PORT_111 };
        let link = LinkLayer::Ethernet;
        let guards = |port| tables.guards_port(port);
        if glance_at(&Strict(&frame), link, guards) == Glance::Other {
            prop_assert_eq!(decide(&SliceReader(&frame), link, &tables), None);
        }
    }

    /// What the policy relies on.
    #[test]
    fn a_flow_lies_behind_its_network_header(frame in frame()) {
        for link in LINKS {
            if let Parsed::Flow(flow) = parse(&SliceReader(&frame), link) {
                let (start, length, version) = match flow.route.network {
                    Network::V4(start) => (start, 20, 4),
                    Network::V6(start) => (start, 40, 6),
                };
                prop_assert_eq!(frame[start] >> 4, version);
                prop_assert!(start + length <= flow.offset);
                prop_assert!(flow.offset <= MAX_HEADER_OFFSET);
                prop_assert!(flow.first_fragment || !flow.flags_cut_off);
            }
        }
    }

    /// Bytes behind the ports and flags say nothing, so a parser that read them would be wrong.
    #[test]
    fn what_follows_the_transport_header_does_not_matter(
        frame in frame(),
        more in vec(any::<u8>(), 0..64),
    ) {
        for link in LINKS {
            let parsed = parse(&SliceReader(&frame), link);
            if let Parsed::Flow(flow) = parsed {
                let header = match flow.transport {
                    Transport::Udp => 8,
                    Transport::Tcp => 20,
                };
                if flow.offset + header <= frame.len() {
                    let mut longer = frame.clone();
                    longer.truncate(flow.offset + header);
                    longer.extend(&more);
                    prop_assert_eq!(parse(&SliceReader(&longer), link), parsed);
                }
            }
        }
    }

    #[test]
    fn a_read_is_the_bytes_asked_for_or_nothing(
        bytes in vec(any::<u8>(), 0..64),
        offset in 0_usize..80,
    ) {
        let read: Option<[u8; 4]> = SliceReader(&bytes).read(offset);
        let expected = bytes.get(offset..offset + 4);
        prop_assert_eq!(read.as_ref().map(|bytes| &bytes[..]), expected);
    }
}

/// A reader that nobody may ask beyond the largest offset, as those in the kernel rely on.
struct Strict<'a>(&'a [u8]);

impl PacketReader for Strict<'_> {
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        assert!(offset <= MAX_READ_OFFSET, "{offset}");
        SliceReader(self.0).read(offset)
    }

    fn reaches(&self, length: usize) -> bool {
        SliceReader(self.0).reaches(length)
    }
}

/// Calls with the longest credential behind header chains of every length: as far into a packet as anything
/// is read.
#[test]
fn nobody_asks_beyond_the_largest_offset() {
    const DESTINATION_OPTIONS: u8 = 60;
    const CREDENTIAL_LENGTH: usize = 28;
    let mut furthest = 0;
    for second in 0..=u8::MAX {
        let mut frame = vec![2; 12];
        frame.extend([
            0x86,
            0xdd,
            0x60,
            0,
            0,
            0,
            0xff,
            0xff,
            DESTINATION_OPTIONS,
            64,
        ]);
        frame.resize(54, 0x20);
        for (next, units) in [(DESTINATION_OPTIONS, u8::MAX), (17, second)] {
            let end = frame.len() + (usize::from(units) + 1) * 8;
            frame.extend([next, units]);
            frame.resize(end, 0);
        }
        let transport = frame.len();
        frame.extend([0x9c, 0x40, 0, 111, 0, 0, 0, 0]);
        let mut call = [0_u32, 0, 2, 100_000, 2, 4, 0, 0, 0, 0].map(u32::to_be_bytes);
        call[CREDENTIAL_LENGTH / 4] = 400_u32.to_be_bytes();
        frame.extend(call.as_flattened());
        frame.resize(transport + 1000, 0);
        let decided = decide(&Strict(&frame), LinkLayer::Ethernet, &Guarding::PORT_111);
        if decided.is_some_and(|outcome| outcome.request != Request::UNKNOWN) {
            furthest = transport;
        }
    }
    // The last multiple of eight, from where headers begin, that is followed.
    assert!(furthest <= MAX_HEADER_OFFSET && furthest + 8 > MAX_HEADER_OFFSET);
}

#[test]
fn nothing_is_read_beyond_the_largest_offset() {
    let bytes = [0; MAX_READ_OFFSET + 10];
    let read = |offset| SliceReader(&bytes).read::<2>(offset).is_some();
    assert!(read(MAX_READ_OFFSET));
    assert!(!read(MAX_READ_OFFSET + 1));
}
