//! Observing: the same reasons and counters, and everything passes.

use rpcguard_tests::packet::{
    Frame,
    numbers::{DOT1Q, ROUTING, SYN},
    peers::{FOE_V4, FOE_V6, FRIEND_V4, STRANGER_V4, STRANGER_V6},
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, LATER_FRAGMENT, UNDECIDABLE, UNLISTED, case};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Frame::ethernet().ipv4(STRANGER_V4);
    let five_tags = (0..5).fold(Frame::ethernet(), |frame, id| frame.vlan(DOT1Q, id));
    vec![
        case("observed: unlisted", UNLISTED, ipv4().dump()),
        case("observed: unlisted, IPv6", UNLISTED, Frame::ethernet().ipv6(STRANGER_V6).dump()),
        case("observed: denied", DENIED, Frame::ethernet().ipv4(FOE_V4).dump()),
        case("observed: denied, IPv6", DENIED, Frame::ethernet().ipv6(FOE_V6).dump()),
        case("observed: allowed", ALLOWED, Frame::ethernet().ipv4(FRIEND_V4).dump()),
        case("observed: five tags", UNDECIDABLE, five_tags.ipv4(STRANGER_V4).dump()),
        case("observed: nine extension headers", UNDECIDABLE,
            Frame::ethernet().ipv6(STRANGER_V6).extensions(&[ROUTING; 9]).dump()),
        case("observed: later fragment", LATER_FRAGMENT, ipv4().later_fragment().dump()),
        case("observed: another port", IGNORED, ipv4().udp(53)),
        case("observed: SYN", UNLISTED, ipv4().tcp(111, SYN)).guarding_tcp(),
        case("observed: SYN, TCP not guarded", IGNORED, ipv4().tcp(111, SYN)),
    ]
    .into_iter()
    .map(Case::observing)
    .collect()
}
