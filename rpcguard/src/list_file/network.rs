//! One entry of a list: an address, a prefix or a range.

use std::{fmt, net::IpAddr};

use ipnet::{Ipv4Subnets, Ipv6Subnets};

use super::Problem;
use crate::prefix::{ParsePrefixError, Prefix};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of a prefix.
    pub(super) fn of(prefix: Prefix) -> Self {
        if prefix.address().is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// What an entry stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Network {
    /// A prefix, and whether it was written with host bits.
    Prefix(Prefix, bool),
    /// The prefixes of an IPv4 range.
    RangeV4(Ipv4Subnets),
    /// The prefixes of an IPv6 range.
    RangeV6(Ipv6Subnets),
}

/// Parses an entry.
pub(super) fn parse(text: &str) -> Result<Network, Problem> {
    // For a few bytes, this is faster than split_once.
    if let Some(dash) = text.bytes().position(|byte| byte == b'-') {
        return range(&text[..dash], &text[dash + 1..]);
    }
    match Prefix::parse_masking(text) {
        Ok((prefix, masked)) => Ok(Network::Prefix(prefix, masked)),
        Err(ParsePrefixError::Address(_)) => Err(Problem::Address),
        Err(ParsePrefixError::Length { max, .. }) => Err(Problem::Length { max }),
    }
}

fn range(first: &str, last: &str) -> Result<Network, Problem> {
    let (Ok(first), Ok(last)) = (first.parse(), last.parse()) else {
        return Err(Problem::RangeEnd);
    };
    match (first, last) {
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            Err(Problem::RangeFamilies)
        }
        (first, last) if first > last => Err(Problem::RangeReversed),
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Ok(Network::RangeV4(Ipv4Subnets::new(first, last, 0)))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            Ok(Network::RangeV6(Ipv6Subnets::new(first, last, 0)))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefixes(text: &str) -> Vec<String> {
        match parse(text).unwrap() {
            Network::Prefix(prefix, _) => vec![prefix.to_string()],
            Network::RangeV4(subnets) => subnets.map(|net| net.to_string()).collect(),
            Network::RangeV6(subnets) => subnets.map(|net| net.to_string()).collect(),
        }
    }

    #[test]
    fn a_range_becomes_the_fewest_prefixes() {
        assert_eq!(
            prefixes("203.0.113.5-203.0.113.20"),
            [
                "203.0.113.5/32",
                "203.0.113.6/31",
                "203.0.113.8/29",
                "203.0.113.16/30",
                "203.0.113.20/32"
            ]
        );
        assert_eq!(prefixes("0.0.0.0-255.255.255.255"), ["0.0.0.0/0"]);
        let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        assert_eq!(prefixes(&format!("::-{all}")), ["::/0"]);
        assert_eq!(prefixes(&format!("{all}-{all}")), [format!("{all}/128")]);
        assert_eq!(
            prefixes("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe").len(),
            254
        );
    }

    #[test]
    fn a_range_that_is_none_is_refused() {
        for (text, problem) in [
            ("10.0.0.2-10.0.0.1", Problem::RangeReversed),
            ("10.0.0.2-::1", Problem::RangeFamilies),
            ("::1-10.0.0.2", Problem::RangeFamilies),
            ("10.0.0.1-", Problem::RangeEnd),
            ("-10.0.0.1", Problem::RangeEnd),
            ("-", Problem::RangeEnd),
            ("10.0.0.0/8-11.0.0.0", Problem::RangeEnd),
            ("10.0.0.1-10.0.0.2-10.0.0.3", Problem::RangeEnd),
        ] {
            assert_eq!(parse(text).unwrap_err(), problem, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_prefixes_of_a_range_follow_each_other(a: u32, b: u32) {
            let (first, last) = (a.min(b), a.max(b));
            let text = format!("{}-{}", std::net::Ipv4Addr::from(first), std::net::Ipv4Addr::from(last));
            let Network::RangeV4(subnets) = parse(&text).unwrap() else {
                panic!("not an IPv4 range")
            };
            let mut next = u64::from(first);
            for net in subnets {
                prop_assert_eq!(u64::from(u32::from(net.network())), next);
                next = u64::from(u32::from(net.broadcast())) + 1;
            }
            prop_assert_eq!(next, u64::from(last) + 1);
        }
    }
}
