//! VLAN tags, 802.1Q and 802.1ad, to four of them.

use rpcguard_tests::packet::{
    Frame,
    numbers::{ARP, DOT1AD, DOT1Q, IPV4, OLD_QINQ, SYN},
    peers::{FOE_V4, FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
};

use crate::case::{ALLOWED, Case, DENIED, IGNORED, LATER_FRAGMENT, UNDECIDABLE, UNLISTED, case};

#[rustfmt::skip]
pub(super) fn cases() -> Vec<Case> {
    let eth = Frame::ethernet;
    let tags = |ether_types: &[u16]| {
        ether_types.iter().fold(eth(), |frame, ether_type| frame.vlan(*ether_type, 100))
    };
    vec![
        case("no tag", UNLISTED, eth().ipv4(STRANGER_V4).dump()),
        case("802.1Q tag", UNLISTED, tags(&[DOT1Q]).ipv4(STRANGER_V4).dump()),
        case("802.1Q tag, allowed source", ALLOWED, tags(&[DOT1Q]).ipv4(FRIEND_V4).dump()),
        case("802.1Q tag, denied source", DENIED, tags(&[DOT1Q]).ipv4(FOE_V4).dump()),
        case("802.1Q tag, IPv6", UNLISTED, tags(&[DOT1Q]).ipv6(STRANGER_V6).dump()),
        case("802.1Q tag, IPv6, allowed source", ALLOWED, tags(&[DOT1Q]).ipv6(FRIEND_V6).dump()),
        case("802.1ad tag", UNLISTED, tags(&[DOT1AD]).ipv4(STRANGER_V4).dump()),
        case("802.1ad tag, IPv6", UNLISTED, tags(&[DOT1AD]).ipv6(STRANGER_V6).dump()),
        case("priority tag, VLAN 0", UNLISTED, eth().vlan(DOT1Q, 0).ipv4(STRANGER_V4).dump()),
        case("priority tag, VLAN 0, IPv6", UNLISTED, eth().vlan(DOT1Q, 0).ipv6(STRANGER_V6).dump()),
        case("priority 7, drop eligible, VLAN 4095", UNLISTED,
            eth().vlan(DOT1Q, 0xffff).ipv4(STRANGER_V4).dump()),
        case("QinQ: 802.1ad, 802.1Q", UNLISTED, tags(&[DOT1AD, DOT1Q]).ipv4(STRANGER_V4).dump()),
        case("QinQ, allowed source", ALLOWED, tags(&[DOT1AD, DOT1Q]).ipv4(FRIEND_V4).dump()),
        case("QinQ, IPv6", UNLISTED, tags(&[DOT1AD, DOT1Q]).ipv6(STRANGER_V6).dump()),
        case("two 802.1Q tags", UNLISTED, tags(&[DOT1Q, DOT1Q]).ipv4(STRANGER_V4).dump()),
        case("802.1Q before 802.1ad", UNLISTED, tags(&[DOT1Q, DOT1AD]).ipv4(STRANGER_V4).dump()),
        case("three tags", UNLISTED, tags(&[DOT1AD, DOT1Q, DOT1Q]).ipv4(STRANGER_V4).dump()),
        case("three tags, IPv6", UNLISTED, tags(&[DOT1Q, DOT1Q, DOT1Q]).ipv6(STRANGER_V6).dump()),
        case("four tags", UNLISTED, tags(&[DOT1Q; 4]).ipv4(STRANGER_V4).dump()),
        case("four tags, allowed source", ALLOWED, tags(&[DOT1AD; 4]).ipv4(FRIEND_V4).dump()),
        case("four tags, IPv6", UNLISTED, tags(&[DOT1AD; 4]).ipv6(STRANGER_V6).dump()),
        case("four tags and another port", IGNORED, tags(&[DOT1Q; 4]).ipv4(STRANGER_V4).udp(53)),
        case("five tags", UNDECIDABLE, tags(&[DOT1Q; 5]).ipv4(STRANGER_V4).dump()),
        case("five tags, allowed source", UNDECIDABLE, tags(&[DOT1Q; 5]).ipv4(FRIEND_V4).dump()),
        case("five tags, IPv6", UNDECIDABLE, tags(&[DOT1AD; 5]).ipv6(STRANGER_V6).dump()),
        case("sixty tags", UNDECIDABLE, tags(&[DOT1Q; 60]).ipv4(STRANGER_V4).dump()),
        case("tag and IPv4 options", UNLISTED, tags(&[DOT1Q]).ipv4(STRANGER_V4).options(10).dump()),
        case("tag and another port", IGNORED, tags(&[DOT1Q]).ipv4(STRANGER_V4).udp(112)),
        case("tag and TCP", IGNORED, tags(&[DOT1Q]).ipv4(STRANGER_V4).tcp(111, SYN)),
        case("tag and guarded TCP", UNLISTED, tags(&[DOT1Q]).ipv4(STRANGER_V4).tcp(111, SYN))
            .guarding_tcp(),
        case("tag and later fragment", LATER_FRAGMENT,
            tags(&[DOT1Q]).ipv4(STRANGER_V4).later_fragment().dump()),
        case("tag and ARP", IGNORED, tags(&[DOT1Q]).ether_type(ARP).payload(&[0; 28])),
        // Linux has never untagged these.
        case("0x9100 is no VLAN tag to Linux", IGNORED, tags(&[OLD_QINQ]).ipv4(STRANGER_V4).dump()),
        case("0x9200 is no VLAN tag to Linux", IGNORED, tags(&[0x9200]).ipv4(STRANGER_V4).dump()),
        case("0x9100 after a tag", IGNORED, tags(&[DOT1Q, OLD_QINQ]).ipv4(STRANGER_V4).dump()),
        case("byte-swapped tag type 0x0081", IGNORED, tags(&[0x0081]).ipv4(STRANGER_V4).dump()),
        case("frame ends before the tag", IGNORED, tags(&[DOT1Q]).cut(14)),
        case("frame ends inside the tag", IGNORED, tags(&[DOT1Q]).ipv4(STRANGER_V4).dump().cut(17)),
        case("frame ends after the tag", IGNORED, tags(&[DOT1Q]).ether_type(IPV4)),
        case("frame ends after four tags that announce a fifth", UNDECIDABLE,
            tags(&[DOT1Q; 4]).ether_type(DOT1Q)),
    ]
}
