//! Which prefix decides about a source.

use std::net::IpAddr;

use rpcguard_common::reason::Reason;
use rpcguard_tests::packet::Frame;

use crate::case::{ALLOWED, Case, DENIED, UNLISTED, case};

/// A call from `source` under these lists; `decider` is the prefix that must decide.
struct Row {
    source: &'static str,
    expected: Option<Reason>,
    decider: Option<&'static str>,
    allow: &'static [&'static str],
    deny: &'static [&'static str],
}

const fn row(
    source: &'static str,
    (expected, decider): (Option<Reason>, Option<&'static str>),
    allow: &'static [&'static str],
    deny: &'static [&'static str],
) -> Row {
    Row {
        source,
        expected,
        decider,
        allow,
        deny,
    }
}

const NOBODY: (Option<Reason>, Option<&str>) = (UNLISTED, None);

const fn allowed(by: &'static str) -> (Option<Reason>, Option<&'static str>) {
    (ALLOWED, Some(by))
}

const fn denied(by: &'static str) -> (Option<Reason>, Option<&'static str>) {
    (DENIED, Some(by))
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // No list at all.
    row("192.0.2.1", NOBODY, &[], &[]),
    row("2001:db8::9", NOBODY, &[], &[]),
    // Boundaries of a prefix.
    row("10.1.1.255", NOBODY, &["10.1.2.0/24"], &[]),
    row("10.1.2.0", allowed("10.1.2.0/24"), &["10.1.2.0/24"], &[]),
    row("10.1.2.255", allowed("10.1.2.0/24"), &["10.1.2.0/24"], &[]),
    row("10.1.3.0", NOBODY, &["10.1.2.0/24"], &[]),
    row("10.1.2.127", NOBODY, &["10.1.2.128/25"], &[]),
    row("10.1.2.128", allowed("10.1.2.128/25"), &["10.1.2.128/25"], &[]),
    row("127.255.255.255", NOBODY, &["128.0.0.0/1"], &[]),
    row("128.0.0.0", allowed("128.0.0.0/1"), &["128.0.0.0/1"], &[]),
    row("10.0.0.1", NOBODY, &["10.0.0.2/31"], &[]),
    row("10.0.0.3", allowed("10.0.0.2/31"), &["10.0.0.2/31"], &[]),
    row("2001:db8:0:ffff:ffff:ffff:ffff:ffff", NOBODY, &["2001:db8:1::/48"], &[]),
    row("2001:db8:1::", allowed("2001:db8:1::/48"), &["2001:db8:1::/48"], &[]),
    row("2001:db8:1:ffff:ffff:ffff:ffff:ffff", allowed("2001:db8:1::/48"), &["2001:db8:1::/48"], &[]),
    row("2001:db8:2::", NOBODY, &["2001:db8:1::/48"], &[]),
    row("2001:db8:1:2:7fff::", NOBODY, &["2001:db8:1:2:8000::/65"], &[]),
    row("2001:db8:1:2:8000::", allowed("2001:db8:1:2:8000::/65"), &["2001:db8:1:2:8000::/65"], &[]),
    // A host alone.
    row("192.0.2.1", allowed("192.0.2.1/32"), &["192.0.2.1/32"], &[]),
    row("192.0.2.0", NOBODY, &["192.0.2.1/32"], &[]),
    row("192.0.2.2", NOBODY, &["192.0.2.1/32"], &[]),
    row("1.2.0.192", NOBODY, &["192.0.2.1/32"], &[]),
    row("2001:db8::1:1", allowed("2001:db8::1:1/128"), &["2001:db8::1:1/128"], &[]),
    row("2001:db8::1:0", NOBODY, &["2001:db8::1:1/128"], &[]),
    row("255.255.255.255", allowed("255.255.255.255/32"), &["255.255.255.255/32"], &[]),
    row("0.0.0.0", allowed("0.0.0.0/32"), &["0.0.0.0/32"], &[]),
    // Everybody of a family.
    row("198.51.100.7", allowed("0.0.0.0/0"), &["0.0.0.0/0"], &[]),
    row("2001:db8:b::7", NOBODY, &["0.0.0.0/0"], &[]),
    row("2001:db8:b::7", allowed("::/0"), &["::/0"], &[]),
    row("198.51.100.7", NOBODY, &["::/0"], &[]),
    row("198.51.100.7", denied("0.0.0.0/0"), &[], &["0.0.0.0/0"]),
    row("2001:db8:b::7", denied("::/0"), &[], &["::/0"]),
    row("192.0.2.1", allowed("192.0.2.1/32"), &["192.0.2.1/32"], &["0.0.0.0/0"]),
    row("192.0.2.2", denied("0.0.0.0/0"), &["192.0.2.1/32"], &["0.0.0.0/0"]),
    // Deny inside allow, allow inside deny, and so on.
    row("10.1.0.1", allowed("10.0.0.0/8"), &["10.0.0.0/8"], &["10.2.0.0/16"]),
    row("10.2.0.1", denied("10.2.0.0/16"), &["10.0.0.0/8"], &["10.2.0.0/16"]),
    row("10.2.0.1", allowed("10.2.0.0/16"), &["10.2.0.0/16"], &["10.0.0.0/8"]),
    row("10.1.0.1", denied("10.0.0.0/8"), &["10.2.0.0/16"], &["10.0.0.0/8"]),
    row("10.2.3.4", denied("10.2.3.4/32"), &["10.0.0.0/8", "10.2.3.0/24"], &["10.2.0.0/16", "10.2.3.4/32"]),
    row("10.2.3.5", allowed("10.2.3.0/24"), &["10.0.0.0/8", "10.2.3.0/24"], &["10.2.0.0/16", "10.2.3.4/32"]),
    row("10.2.4.5", denied("10.2.0.0/16"), &["10.0.0.0/8", "10.2.3.0/24"], &["10.2.0.0/16", "10.2.3.4/32"]),
    row("10.3.4.5", allowed("10.0.0.0/8"), &["10.0.0.0/8", "10.2.3.0/24"], &["10.2.0.0/16", "10.2.3.4/32"]),
    row("11.3.4.5", NOBODY, &["10.0.0.0/8", "10.2.3.0/24"], &["10.2.0.0/16", "10.2.3.4/32"]),
    row("2001:db8:5::1", allowed("2001:db8::/32"), &["2001:db8::/32"], &["2001:db8:6::/48"]),
    row("2001:db8:6::1", denied("2001:db8:6::/48"), &["2001:db8::/32"], &["2001:db8:6::/48"]),
    row("2001:db8:6::2", allowed("2001:db8:6::2/128"), &["2001:db8:6::2/128"], &["2001:db8:6::/48"]),
    row("10.0.0.0", allowed("10.0.0.0/32"), &["10.0.0.0/8", "10.0.0.0/32"], &["10.0.0.0/16"]),
    row("10.0.0.1", denied("10.0.0.0/16"), &["10.0.0.0/8", "10.0.0.0/32"], &["10.0.0.0/16"]),
    // Neighbours of equal length.
    row("10.0.0.7", allowed("10.0.0.0/25"), &["10.0.0.0/25"], &["10.0.0.128/25"]),
    row("10.0.0.200", denied("10.0.0.128/25"), &["10.0.0.0/25"], &["10.0.0.128/25"]),
    // The first bytes of an IPv6 address are no IPv4 address, and the last ones neither.
    row("c000:0201::", NOBODY, &["192.0.2.1/32"], &[]),
    row("::192.0.2.1", NOBODY, &["192.0.2.1/32"], &[]),
];

pub(super) fn cases() -> Vec<Case> {
    ROWS.iter().map(Row::case).collect()
}

impl Row {
    fn case(&self) -> Case {
        let &Self {
            source,
            expected,
            decider,
            allow,
            deny,
        } = self;
        let name = format!("source {source}, allow {allow:?}, deny {deny:?}");
        let address: IpAddr = source.parse().expect("an address");
        let frame = match address {
            IpAddr::V4(source) => Frame::ethernet().ipv4(source).dump(),
            IpAddr::V6(source) => Frame::ethernet().ipv6(source).dump(),
        };
        let case = case(name, expected, frame).listing(allow, deny);
        match decider {
            Some(prefix) => case.decided_by(prefix),
            None => case,
        }
    }
}
