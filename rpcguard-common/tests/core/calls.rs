//! What is a call of the portmapper, and of which procedure.

use proptest::{collection::vec, prelude::*, sample::select};
use rpcguard_common::{
    packet::{MAX_HEADER_OFFSET, SliceReader},
    rpc::{Datagram, Request},
};

use crate::{
    call::{Auth, Call, procedure, read, read_at, with_length},
    naive_call,
    tables::config,
};

/// From one length to the next: to every one, or under Miri to a few, with both ends.
const fn step(under_miri: usize) -> usize {
    if cfg!(miri) { under_miri } else { 1 }
}

/// NULL of version 2.
fn null() -> Request {
    procedure(2, 0)
}

#[test]
fn the_procedures_are_those_of_rfc_1833_and_one_more() {
    let mut numbers = Vec::new();
    for (version, number, name, _) in naive_call::procedures() {
        let request = procedure(version, number);
        assert_eq!(request.name(), name);
        assert_eq!(request.version_and_procedure(), Some((version, number)));
        numbers.push(request.index());
    }
    assert!(numbers.into_iter().eq(0..Request::PROCEDURES));
    let last = [
        Request::MALFORMED,
        Request::FRAGMENT,
        Request::CONNECTION,
        Request::UNKNOWN,
    ];
    assert!(Request::all().skip(Request::PROCEDURES).eq(last));
    for request in last {
        assert_eq!(request.version_and_procedure(), None);
    }
    for (index, request) in Request::all().enumerate() {
        assert_eq!(request.index(), index);
        assert_eq!(Request::from_index(index), Some(request));
        assert_eq!(request.bit(), 1 << index);
    }
    assert_eq!(Request::from_index(Request::COUNT), None);
}

#[test]
fn what_relays_registers_or_replies_with_more_than_was_asked_is_not_harmless() {
    const HARMLESS: [&str; 6] = [
        "NULL",
        "GETPORT",
        "GETADDR",
        "GETTIME",
        "UADDR2TADDR",
        "TADDR2UADDR",
    ];
    for request in Request::all() {
        let name = request.name();
        let expected = match name.split_once('.') {
            Some((_, short)) => HARMLESS.contains(&short) || name == "v4.GETVERSADDR",
            None => false,
        };
        assert_eq!(request.is_harmless(), expected, "{name}");
    }
}

#[test]
fn every_version_and_procedure_is_told_from_every_other() {
    let edges = [31, 32, 255, 256, 258, 0x0200_0000, 1 << 31, u32::MAX];
    let numbers = || (0..=20).step_by(step(4)).chain(edges);
    for version in numbers() {
        for number in numbers() {
            let known = naive_call::procedures()
                .any(|(known_version, known, ..)| (known_version, known) == (version, number));
            let expected = match known {
                true => procedure(version, number),
                false => Request::MALFORMED,
            };
            // As many arguments as any needs.
            let read = Call::new(version, number, 20).read();
            assert_eq!(read, expected, "version {version}, procedure {number}");
        }
    }
}

#[test]
fn a_call_has_at_least_its_header_and_the_shortest_arguments() {
    for (version, number, name, shortest) in naive_call::procedures() {
        let whole = Call::new(version, number, 80).datagram();
        for length in (0..whole.len()).step_by(step(16)) {
            let expected = match length >= 48 + shortest {
                true => procedure(version, number),
                false => Request::MALFORMED,
            };
            let lying = with_length(&whole[8..], length as u16);
            let shorter = with_length(&whole[8..length.max(8)], length as u16);
            // The UDP length says less than there is; zero says all that there is.
            let all = procedure(version, number);
            let cut = if length == 0 { all } else { expected };
            assert_eq!(read(&lying), cut, "{name}, UDP length {length}");
            // The IP length says so, and the UDP length too.
            let cut = if length == 0 {
                Request::MALFORMED
            } else {
                expected
            };
            assert_eq!(
                read_at(&lying, 0, length),
                cut,
                "{name}, IP length {length}"
            );
            // There is no more.
            assert_eq!(read(&shorter[..length]), expected, "{name}, {length} bytes");
            // The IP length or the frame is shorter than the UDP length says.
            assert_eq!(read_at(&whole, 0, length), Request::MALFORMED);
            assert_eq!(
                read_at(&whole[..length], 0, whole.len()),
                Request::MALFORMED
            );
        }
    }
}

#[test]
fn what_follows_the_datagram_is_not_read() {
    let whole = Call::new(4, 9, 20).datagram();
    for missing in 1..=whole.len() - 8 {
        let length = whole.len() - missing;
        let lying = with_length(&whole[8..], length as u16);
        assert_eq!(
            read(&lying),
            Request::MALFORMED,
            "{missing} bytes behind its end"
        );
    }
}

#[test]
fn a_udp_length_beyond_the_packet_is_malformed() {
    let payload = [Call::new(2, 0, 0).payload(), vec![0; 20]].concat();
    for length in (0..=u16::MAX).step_by(step(4369)) {
        let expected = match length {
            0 | 48..=68 => null(),
            _ => Request::MALFORMED,
        };
        assert_eq!(read(&with_length(&payload, length)), expected, "{length}");
    }
}

#[test]
fn credentials_of_every_length_are_skipped_with_their_padding() {
    for length in (0..=412).step_by(step(50)) {
        let mut call = Call::new(2, 3, 16);
        let expected = match length <= 400 {
            true => procedure(2, 3),
            false => Request::MALFORMED,
        };
        call.credential = Auth::of(length);
        assert_eq!(call.read(), expected, "credential of {length} bytes");
        call.verifier = std::mem::take(&mut call.credential);
        assert_eq!(call.read(), expected, "verifier of {length} bytes");
        call.credential = Auth::of(400);
        assert_eq!(
            call.read(),
            expected,
            "verifier of {length} bytes after a credential"
        );
    }
}

#[test]
fn a_credential_whose_bytes_are_not_all_there_is_malformed() {
    for length in (1..=400).step_by(step(57)) {
        for (credential, verifier) in [(length, 0), (0, length), (length, length)] {
            let mut call = Call::new(2, 0, 0);
            call.credential = Auth::of(credential);
            call.verifier = Auth::of(verifier);
            let datagram = call.datagram();
            assert_eq!(read(&datagram), null());
            let shorter = &datagram[8..datagram.len() - 1];
            let shorter = with_length(shorter, 8 + shorter.len() as u16);
            assert_eq!(read(&shorter), Request::MALFORMED, "{length}");
        }
    }
}

#[test]
fn a_length_that_overflows_with_its_padding_is_malformed() {
    for length in [
        401,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX - 3,
        u32::MAX - 2,
        u32::MAX,
    ] {
        for verifier in [false, true] {
            let mut call = Call::new(2, 0, 0);
            let auth = match verifier {
                true => &mut call.verifier,
                false => &mut call.credential,
            };
            *auth = Auth {
                length,
                body: vec![0; 1000],
            };
            assert_eq!(call.read(), Request::MALFORMED, "{length:#x}");
        }
    }
}

/// What the verifier's length is read from lies where the credential's length says.
#[test]
fn the_flavour_and_the_body_of_a_credential_do_not_matter() {
    for length in [0, 4, 400] {
        let mut call = Call::new(2, 0, 0);
        call.credential = Auth::of(length);
        let datagram = call.datagram();
        for at in (8 + 24..8 + 28).chain(8 + 32..8 + 36 + length as usize) {
            let mut changed = datagram.clone();
            changed[at] = !changed[at];
            assert_eq!(read(&changed), null(), "byte {at}");
        }
    }
}

#[test]
fn only_calls_of_this_program_by_this_protocol_count() {
    for (word, right) in [(1, 0), (2, 2), (3, 100_000)] {
        for bit in 0..32 {
            let mut call = Call::new(2, 0, 0);
            call.words[word] = right ^ 1 << bit;
            assert_eq!(call.read(), Request::MALFORMED, "word {word}, bit {bit}");
        }
    }
    let mut call = Call::new(2, 0, 0);
    call.words[0] = u32::MAX;
    assert_eq!(call.read(), null(), "any transaction");
}

#[test]
fn a_call_is_read_as_far_into_the_frame_as_headers_are_followed() {
    let mut call = Call::new(3, 3, 20);
    call.credential = Auth::of(400);
    call.verifier = Auth::of(400);
    for offset in [0, 1, 33, 1000, MAX_HEADER_OFFSET - 1, MAX_HEADER_OFFSET] {
        let frame = [vec![0xaa; offset], call.datagram()].concat();
        let read = read_at(&frame, offset, frame.len());
        assert_eq!(read, procedure(3, 3), "at {offset}");
    }
}

/// Calls that are mostly right.
fn call() -> impl Strategy<Value = Call> {
    let mostly = |right: u32| prop_oneof![9 => Just(right), 1 => any::<u32>()];
    let words = (
        any::<u32>(),
        mostly(0),
        mostly(2),
        mostly(100_000),
        prop_oneof![9 => 0..6_u32, 1 => any::<u32>()],
        prop_oneof![9 => 0..15_u32, 1 => any::<u32>()],
    );
    let auth = || {
        let length =
            prop_oneof![3 => Just(0), 3 => 0..64_u32, 1 => 380..410_u32, 1 => any::<u32>()];
        (length, vec(any::<u8>(), 0..32), 0..8_u8).prop_map(|(length, other, right)| match right {
            0 => Auth {
                length,
                body: other,
            },
            _ => Auth::of(length % 1024),
        })
    };
    let arguments =
        select(&[0_usize, 3, 4, 8, 15, 16, 19, 20, 40][..]).prop_map(|length| vec![0; length]);
    (words, auth(), auth(), arguments).prop_map(|(words, credential, verifier, arguments)| Call {
        words: words.into(),
        credential,
        verifier,
        arguments,
    })
}

fn agrees(frame: &[u8], datagram: Datagram) -> Result<(), TestCaseError> {
    let read = Request::read(&SliceReader(frame), datagram);
    let expected = naive_call::read(frame, datagram)
        .map_or(Request::MALFORMED, |(version, number)| {
            procedure(version, number)
        });
    prop_assert_eq!(read, expected, "{}, not {}", read.name(), expected.name());
    Ok(())
}

proptest! {
    #![proptest_config(config(8192))]

    #[test]
    fn calls_are_read_as_a_slow_reader_reads_them(
        call in call(),
        before in vec(any::<u8>(), 0..80),
        after in vec(any::<u8>(), 0..40),
        lengths in (prop_oneof![4 => Just(0_i32), 1 => -60..60], prop_oneof![4 => Just(0_i32), 1 => -60..60]),
    ) {
        let payload = call.payload();
        let length = (8 + payload.len() as i32 + lengths.0).max(0) as u16;
        let frame = [&before[..], &with_length(&payload, length), &after].concat();
        let end = (before.len() + 8 + payload.len()) as i32 + lengths.1;
        agrees(&frame, Datagram { offset: before.len(), end: end.max(0) as usize })?;
    }

    #[test]
    fn any_bytes_are_read_as_a_slow_reader_reads_them(
        frame in vec(any::<u8>(), 0..600),
        offset in 0..700_usize,
        end in 0..70_000_usize,
    ) {
        agrees(&frame, Datagram { offset, end })?;
    }
}
