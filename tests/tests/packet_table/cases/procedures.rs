//! Every procedure of every version, under the rate policy and without.

use rpcguard_common::{reason::Reason, rpc::Request};
use rpcguard_tests::packet::{
    Frame,
    peers::{FOE_V4, FRIEND_V4, STRANGER_V4, STRANGER_V6},
    rpc,
};

use crate::case::{
    ALLOWED, AMPLIFIER, Case, DENIED, MALFORMED, OVER_RATE, UNLISTED, WITHIN_RATE, case,
};

/// What is served unless told otherwise: no reply of these is larger than the call, and none relays.
const HARMLESS: [(u32, u32); 14] = [
    (0, 0),
    (2, 0),
    (2, 3),
    (3, 0),
    (3, 3),
    (3, 6),
    (3, 7),
    (3, 8),
    (4, 0),
    (4, 3),
    (4, 6),
    (4, 7),
    (4, 8),
    (4, 9),
];

fn request(version: u32, procedure: u32) -> Request {
    Request::procedure(version, procedure).expect("a procedure")
}

/// The number that a procedure has in the counters.
#[test]
fn the_table_covers_every_procedure() {
    let requests = rpc::procedures().map(|(version, number)| request(version, number).index());
    assert!(requests.eq(0..Request::PROCEDURES));
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, procedure) in rpc::procedures() {
        let request = request(version, procedure);
        let name = request.name();
        let payload = rpc::whole_call(version, procedure);
        let from = |source| Frame::ethernet().ipv4(source).udp(111).payload(&payload);
        let over_v6 = || {
            Frame::ethernet()
                .ipv6(STRANGER_V6)
                .udp(111)
                .payload(&payload)
        };
        let stranger = || from(STRANGER_V4);
        let row = |what: &str, expected: Option<Reason>, frame| {
            case(format!("{name}: {what}"), expected, frame).asking(request)
        };
        let harmless = HARMLESS.contains(&(version, procedure));
        let by_default = if harmless { WITHIN_RATE } else { AMPLIFIER };
        // Another version's procedure of the same number, which does not stand in for this one.
        let other = if version == 2 {
            "v3.NULL,v3.DUMP"
        } else {
            "v2.NULL,v2.DUMP"
        };
        cases.extend([
            row("unlisted", UNLISTED, stranger()),
            row("unlisted, IPv6", UNLISTED, over_v6()),
            row("by default", by_default, stranger()).limiting_rate(),
            row("by default, IPv6", by_default, over_v6()).limiting_rate(),
            row("by default, observed", by_default, stranger())
                .limiting_rate()
                .observing(),
            row("served", WITHIN_RATE, stranger()).serving(name),
            row("served, IPv6", WITHIN_RATE, over_v6()).serving(name),
            row("not served", AMPLIFIER, stranger()).serving(other),
            row("not served, IPv6", AMPLIFIER, over_v6()).serving(other),
            row("served, and too much", OVER_RATE, stranger())
                .exhausted()
                .serving(name),
            row("not served, and too much", AMPLIFIER, stranger())
                .exhausted()
                .serving(other),
            row("allowed source", ALLOWED, from(FRIEND_V4)).exhausted(),
            row("denied source", DENIED, from(FOE_V4)).limiting_rate(),
            row(
                "with AUTH_SYS",
                by_default,
                Frame::ethernet()
                    .ipv4(STRANGER_V4)
                    .udp(111)
                    .payload(&rpc::with_credential(&payload, 84)),
            )
            .limiting_rate(),
        ]);
    }
    cases.extend(unknown());
    cases
}

/// Procedures and versions that there are not.
fn unknown() -> Vec<Case> {
    let numbers = [
        (0, 1),
        (0, 4),
        (1, 0),
        (1, 4),
        (2, 6),
        (2, 9),
        (3, 9),
        (3, 12),
        (4, 13),
        (5, 0),
        (5, 4),
        (2, u32::MAX),
        (u32::MAX, 0),
        (2, 0x100),
        (2, 0x0100_0000),
        (0x102, 4),
        (0x0200_0000, 0),
    ];
    let case = |(version, procedure)| {
        let payload = [&rpc::call(version, procedure)[..], &[0; 40]].concat();
        let frame = Frame::ethernet()
            .ipv4(STRANGER_V4)
            .udp(111)
            .payload(&payload);
        case(
            format!("version {version}, procedure {procedure}"),
            MALFORMED,
            frame,
        )
        .limiting_rate()
        .asking(Request::MALFORMED)
    };
    numbers.into_iter().map(case).collect()
}
