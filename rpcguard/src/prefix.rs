//! Address prefixes as people write them.

use std::{cmp::Ordering, fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// An IPv4 or IPv6 prefix without host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(IpNet);

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParsePrefixError {
    /// The part before the slash.
    #[error("`{0}` is not an IPv4 or IPv6 address")]
    Address(String),
    /// The part after the slash.
    #[error("`/{length}` is not a prefix length; this address has 0 to {max}")]
    Length {
        /// As it was written.
        length: String,
        /// 32 or 128.
        max: u8,
    },
}

impl Prefix {
    /// The prefix that contains `address` and has `length` bits; `None` if it has not that many.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        IpNet::new(address, length)
            .ok()
            .map(|net| Self(net.trunc()))
    }

    /// Parses a prefix, or a bare address as /32 or /128. The second part of the result is true if
    /// host bits were set, and masked.
    ///
    /// # Errors
    ///
    /// [`ParsePrefixError`].
    pub fn parse_masking(text: &str) -> Result<(Self, bool), ParsePrefixError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| ParsePrefixError::Address(address.to_owned()))?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => max,
            Some(text) => Some(text)
                // u8's own parser accepts a sign.
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse().ok())
                .filter(|length| *length <= max)
                .ok_or_else(|| ParsePrefixError::Length {
                    length: text.to_owned(),
                    max,
                })?,
        };
        let net = IpNet::new_assert(address, length);
        Ok((Self(net.trunc()), net.trunc() != net))
    }

    /// The lowest address of the prefix.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.0.addr()
    }

    /// How many leading bits of the address count.
    #[must_use]
    pub fn length(self) -> u8 {
        self.0.prefix_len()
    }

    /// The address of a prefix that is a single one.
    #[must_use]
    pub fn host(self) -> Option<IpAddr> {
        (self.0.prefix_len() == self.0.max_prefix_len()).then(|| self.0.addr())
    }

    /// Whether every address of `other` is in this prefix.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0.contains(&other.0)
    }
}

/// IPv4 before IPv6, then by address, then by length: a prefix comes before those that it covers.
impl Ord for Prefix {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        // Lists of a million are sorted: the derived comparison takes several times as long.
        match (self.0, other.0) {
            (IpNet::V4(a), IpNet::V4(b)) => {
                let key = |net: Ipv4Net| {
                    u64::from(net.addr().to_bits()) << 8 | u64::from(net.prefix_len())
                };
                key(a).cmp(&key(b))
            }
            (IpNet::V6(a), IpNet::V6(b)) => {
                let key = |net: Ipv6Net| (net.addr().to_bits(), net.prefix_len());
                key(a).cmp(&key(b))
            }
            (IpNet::V4(_), IpNet::V6(_)) => Ordering::Less,
            (IpNet::V6(_), IpNet::V4(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Prefix {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Ipv4Net> for Prefix {
    fn from(net: Ipv4Net) -> Self {
        Self(IpNet::V4(net.trunc()))
    }
}

impl From<Ipv6Net> for Prefix {
    fn from(net: Ipv6Net) -> Self {
        Self(IpNet::V6(net.trunc()))
    }
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        Self(IpNet::from(address))
    }
}

impl FromStr for Prefix {
    type Err = ParsePrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_masking(text).map(|(prefix, _)| prefix)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, bool) {
        let (prefix, masked) = Prefix::parse_masking(text).unwrap();
        (prefix.to_string(), masked)
    }

    #[test]
    fn a_bare_address_is_a_host_prefix() {
        assert_eq!(parsed("192.0.2.7"), ("192.0.2.7/32".to_owned(), false));
        assert_eq!(parsed("2001:db8::7"), ("2001:db8::7/128".to_owned(), false));
    }

    #[test]
    fn host_bits_are_masked_and_reported() {
        assert_eq!(
            parsed("192.168.1.7/24"),
            ("192.168.1.0/24".to_owned(), true)
        );
        assert_eq!(
            parsed("192.168.1.0/24"),
            ("192.168.1.0/24".to_owned(), false)
        );
        assert_eq!(parsed("2001:db8::1/32"), ("2001:db8::/32".to_owned(), true));
    }

    #[test]
    fn a_prefix_comes_before_those_that_it_covers() {
        let ascending = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.0.0.0/9",
            "10.0.0.0/32",
            "10.0.0.1/32",
            "192.0.2.0/24",
            "::/0",
            "::/128",
            "::1/128",
            "2001:db8::/32",
            "2001:db8::/33",
        ];
        let prefixes = ascending.map(|text| text.parse::<Prefix>().unwrap());
        assert!(prefixes.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "",
            "/",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "::/129",
            "10.0.0/8",
            " ::",
        ] {
            assert!(Prefix::parse_masking(text).is_err(), "{text:?}");
        }
    }
}
