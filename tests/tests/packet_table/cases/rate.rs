//! The rate policy in every shape of packet: the reason is the same.

use rpcguard_common::{reason::Reason, rpc::Request};
use rpcguard_tests::{
    kernel::FIRST_BUFFER,
    packet::{
        Frame,
        numbers::{
            ACK, AUTHENTICATION, DESTINATION_OPTIONS, DOT1AD, DOT1Q, FRAGMENT as FRAGMENT_HEADER,
            HOP_BY_HOP, ROUTING, SYN,
        },
        peers::{FOE_V6, FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
        rpc,
    },
};

use crate::case::{
    ALLOWED, AMPLIFIER, Case, DENIED, FRAGMENT, IGNORED, LATER_FRAGMENT, MALFORMED, OVER_RATE,
    UNDECIDABLE, WITHIN_RATE, case,
};

/// A beginning of a packet, up to its network header with all that belongs to it.
struct Shape {
    name: &'static str,
    start: Frame,
    layer3: bool,
}

fn shapes() -> Vec<Shape> {
    let v4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let v6 = || Frame::ethernet().ipv6(STRANGER_V6);
    let shape = |name, start| Shape {
        name,
        start,
        layer3: false,
    };
    let tags = |count| (0..count).fold(Frame::ethernet(), |frame, id| frame.vlan(DOT1Q, id));
    let mixed = [
        HOP_BY_HOP,
        DESTINATION_OPTIONS,
        ROUTING,
        FRAGMENT_HEADER,
        AUTHENTICATION,
    ];
    let layer3 = |name, start| Shape {
        name,
        start,
        layer3: true,
    };
    vec![
        shape("IPv4", v4()),
        shape("IPv6", v6()),
        shape("tag", tags(1).ipv4(STRANGER_V4)),
        shape(
            "two kinds of tag, IPv6",
            tags(1).vlan(DOT1AD, 7).ipv6(STRANGER_V6),
        ),
        shape("four tags", tags(4).ipv4(STRANGER_V4)),
        shape("options", v4().options(1)),
        shape("ten words of options", v4().options(10)),
        shape(
            "four tags and ten words of options",
            tags(4).ipv4(STRANGER_V4).options(10),
        ),
        shape("extension header", v6().extensions(&[ROUTING])),
        shape("five kinds of extension header", v6().extensions(&mixed)),
        shape(
            "eight extension headers",
            v6().extensions(&[DESTINATION_OPTIONS; 8]),
        ),
        shape(
            "four tags and 1 KiB of options, IPv6",
            tags(4)
                .ipv6(STRANGER_V6)
                .extension(DESTINATION_OPTIONS, 128),
        ),
        layer3("layer 3", Frame::layer3().ipv4(STRANGER_V4)),
        layer3("layer 3, IPv6", Frame::layer3().ipv6(STRANGER_V6)),
        layer3(
            "layer 3, options",
            Frame::layer3().ipv4(STRANGER_V4).options(4),
        ),
        layer3(
            "layer 3, extension headers",
            Frame::layer3().ipv6(STRANGER_V6).extensions(&mixed),
        ),
    ]
}

#[rustfmt::skip]
fn in_every_shape() -> Vec<Case> {
    let null = rpc::call(2, 0);
    let with_auth = rpc::with_credential(&rpc::with_verifier(&rpc::whole_call(2, 3), 400), 400);
    let mut cases = Vec::new();
    for Shape { name, start, layer3 } in shapes() {
        let row = |what: &str, expected: Option<Reason>, frame: Frame| {
            let case = case(format!("rate, {name}: {what}"), expected, frame).limiting_rate();
            if layer3 { case.on_layer3() } else { case }
        };
        let call = |payload: &[u8]| start.clone().udp(111).payload(payload);
        cases.extend([
            row("NULL", WITHIN_RATE, call(&null)),
            row("NULL, too much", OVER_RATE, call(&null)).exhausted(),
            row("NULL, too much, observed", OVER_RATE, call(&null)).exhausted().observing(),
            row("GETPORT with credential and verifier", WITHIN_RATE, call(&with_auth)),
            row("DUMP", AMPLIFIER, call(&rpc::DUMP)),
            row("DUMP, observed", AMPLIFIER, call(&rpc::DUMP)).observing(),
            row("DUMP, served", WITHIN_RATE, call(&rpc::DUMP)).serving("DUMP"),
            row("short DUMP", MALFORMED, call(&rpc::DUMP[..24])),
            row("short DUMP, observed", MALFORMED, call(&rpc::DUMP[..24])).observing(),
            row("another port", IGNORED, start.clone().udp(112).payload(&null)),
            row("SYN, TCP not guarded", IGNORED, start.clone().tcp(111, SYN)),
            row("SYN", WITHIN_RATE, start.clone().tcp(111, SYN)).guarding_tcp().asking(Request::CONNECTION),
            row("SYN, too much", OVER_RATE, start.clone().tcp(111, SYN)).exhausted().guarding_tcp()
                .asking(Request::CONNECTION),
            row("ACK", IGNORED, start.clone().tcp(111, ACK)).exhausted().guarding_tcp(),
        ]);
    }
    cases
}

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let v4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let v6 = || Frame::ethernet().ipv6(STRANGER_V6);
    let null = rpc::call(2, 0);
    let jumbo = [&null[..], &[0; 8900]].concat();
    let just_fits = [&null[..], &vec![0; FIRST_BUFFER - 42 - 40]].concat();
    // A call that lies in the second buffer, with its credential.
    let far = || v6().extension(DESTINATION_OPTIONS, 256).extension(DESTINATION_OPTIONS, 180);
    let long = rpc::with_credential(&rpc::with_verifier(&null, 400), 400);
    let mut cases = in_every_shape();
    cases.extend([
        // Fragments.
        case("rate: first fragment", FRAGMENT, v4().first_fragment().udp(111).payload(&null))
            .asking(Request::FRAGMENT),
        case("rate: first fragment, IPv6", FRAGMENT, v6().first_fragment().udp(111).payload(&null))
            .asking(Request::FRAGMENT),
        case("rate: first fragment, observed", FRAGMENT, v4().first_fragment().dump()).observing(),
        case("rate: first fragment, too much", FRAGMENT, v4().first_fragment().dump()).exhausted(),
        case("rate: first fragment, allowed source", ALLOWED,
            Frame::ethernet().ipv4(FRIEND_V4).first_fragment().dump()),
        case("rate: first fragment of eight bytes", FRAGMENT, v4().first_fragment().udp(111)),
        case("rate: first fragment to another port", IGNORED, v4().first_fragment().udp(53)),
        case("rate: first fragment of a SYN", WITHIN_RATE, v4().first_fragment().tcp(111, SYN)).guarding_tcp(),
        case("rate: later fragment", LATER_FRAGMENT, v4().later_fragment().dump()).asking(Request::UNKNOWN),
        case("rate: atomic fragment, which is whole", WITHIN_RATE,
            v6().fragment(0, false).udp(111).payload(&null)),
        case("rate: nine extension headers", UNDECIDABLE, v6().extensions(&[ROUTING; 9]).dump())
            .asking(Request::UNKNOWN),
        // Lists come first.
        case("rate: allowed source, IPv6", ALLOWED, Frame::ethernet().ipv6(FRIEND_V6).dump()).exhausted(),
        case("rate: denied source, IPv6", DENIED, Frame::ethernet().ipv6(FOE_V6).udp(111).payload(&null)),
        case("rate: allowed source, malformed", ALLOWED, Frame::ethernet().ipv4(FRIEND_V4).udp(111)),
        // Ports.
        case("rate: another guarded port", WITHIN_RATE, v4().udp(2049).payload(&null)).guarding(&[111, 2049]),
        case("rate: a reply to a query of this host", IGNORED, v4().udp_from(111, 40_000).payload(&null)),
        // Buffers.
        case("rate: jumbo", WITHIN_RATE, v4().udp(111).payload(&jumbo)),
        case("rate: jumbo, IPv6", WITHIN_RATE, v6().udp(111).payload(&jumbo)),
        case("rate: jumbo DUMP", AMPLIFIER, v4().dump().payload(&[0; 8900])),
        case("rate: jumbo, malformed", MALFORMED, v4().udp(111).payload(&[0; 8900])),
        case("rate: jumbo, too much", OVER_RATE, v4().udp(111).payload(&jumbo)).exhausted(),
        case("rate: jumbo first fragment", FRAGMENT, v4().first_fragment().udp(111).payload(&jumbo)),
        case("rate: jumbo, UDP length one more", MALFORMED, v4().udp(111).payload(&jumbo).udp_length(8949)),
        case("rate: 64 KiB", WITHIN_RATE, v4().udp(111).payload(&[&null[..], &[0; 65_000]].concat())),
        case("rate: just fits the first buffer", WITHIN_RATE, v4().udp(111).payload(&just_fits)),
        case("rate: one byte more", WITHIN_RATE, v4().udp(111).payload(&just_fits).payload(&[0])),
        case("rate: call across the end of the first buffer", WITHIN_RATE,
            v6().extension(DESTINATION_OPTIONS, 256).extension(DESTINATION_OPTIONS, 176).udp(111).payload(&long)),
        case("rate: call in the second buffer", WITHIN_RATE, far().udp(111).payload(&long)),
        case("rate: call in the second buffer, less a byte", MALFORMED,
            far().udp(111).payload(&long[..long.len() - 1])),
        case("rate: DUMP in the second buffer", AMPLIFIER, far().dump()),
        case("rate: call as far as headers are followed", WITHIN_RATE,
            v6().extension(DESTINATION_OPTIONS, 256).extension(DESTINATION_OPTIONS, 249).udp(111).payload(&long)),
        case("rate: call beyond", UNDECIDABLE,
            v6().extension(DESTINATION_OPTIONS, 256).extension(DESTINATION_OPTIONS, 250).udp(111).payload(&long)),
    ].map(|case| if case.setup.exhausted { case } else { case.limiting_rate() }));
    cases
}
