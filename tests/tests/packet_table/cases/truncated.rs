//! Frames that end early, at each byte that makes a difference.
//!
//! Linux drops every one of them (first fragments, which it might complete, are in the files on
//! fragments). The filter says what it can see, and sees no byte that is not there.

use rpcguard_tests::packet::{
    Frame,
    numbers::{DESTINATION_OPTIONS, DOT1Q, ROUTING},
    peers::{STRANGER_V4, STRANGER_V6},
};

use crate::case::{Case, IGNORED, UNLISTED, case};

const ETHERNET: usize = 14;
const IPV4: usize = ETHERNET + 20;
const IPV6: usize = ETHERNET + 40;
const PORTS: usize = 4;

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let ipv6 = || Frame::ethernet().ipv6(STRANGER_V6);
    [
        ends(&ipv4().dump(), "IPv4",
            &[0, 1, 6, 12, 13, ETHERNET, ETHERNET + 1, ETHERNET + 10, IPV4 - 1, IPV4, IPV4 + 2],
            IPV4 + PORTS),
        ends(&ipv4().options(10).dump(), "IPv4 with options", &[IPV4, IPV4 + 4, IPV4 + 39, IPV4 + 40],
            IPV4 + 40 + PORTS),
        ends(&Frame::ethernet().vlan(DOT1Q, 1).ipv4(STRANGER_V4).dump(), "tagged IPv4",
            &[ETHERNET, ETHERNET + 3, ETHERNET + 4, IPV4, IPV4 + 3, IPV4 + 4], IPV4 + 4 + PORTS),
        ends(&ipv6().dump(), "IPv6", &[ETHERNET, ETHERNET + 1, ETHERNET + 20, IPV6 - 1, IPV6, IPV6 + 2],
            IPV6 + PORTS),
        ends(&ipv6().extension(ROUTING, 2).extensions(&[DESTINATION_OPTIONS]).dump(),
            "IPv6 with extensions",
            &[IPV6, IPV6 + 1, IPV6 + 3, IPV6 + 4, IPV6 + 8, IPV6 + 16, IPV6 + 19, IPV6 + 24],
            IPV6 + 24 + PORTS),
    ]
    .concat()
}

/// A frame cut at each of `early`, and just before the end of its ports, is ignored; cut just after
/// them, it is judged.
fn ends(frame: &Frame, name: &str, early: &[usize], ports_end: usize) -> Vec<Case> {
    let cut = |length: usize, expected| {
        let name = format!("{name}, the first {length} bytes");
        case(name, expected, frame.clone().cut(length))
    };
    early
        .iter()
        .map(|length| cut(*length, IGNORED))
        .chain([cut(ports_end - 1, IGNORED), cut(ports_end, UNLISTED)])
        .collect()
}
