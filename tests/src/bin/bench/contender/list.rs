//! Lists of allowed prefixes, and the addresses that they and the floods are drawn from.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use rpcguard::prefix::Prefix;
use rpcguard_tests::lab::Sources;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Most of the unicast addresses of IPv4, and the hundredths of the flood that come from there: each
/// address sends as much as any other, and there is none that Linux takes from no wire.
const INTERNET_V4: [(&str, u32); 8] = [
    ("128.0.0.0/2", 33),
    ("32.0.0.0/3", 17),
    ("64.0.0.0/3", 17),
    ("16.0.0.0/4", 8),
    ("96.0.0.0/4", 8),
    ("192.0.0.0/4", 8),
    ("8.0.0.0/5", 4),
    ("208.0.0.0/5", 5),
];

/// The global unicast addresses of IPv6.
const INTERNET_V6: &str = "2000::/3";

/// Any address of the internet, as the source of a flood.
pub(crate) fn internet(family: Family) -> Result<Sources> {
    match family {
        Family::V4 => {
            let part = |(prefix, hundredths): &(&str, _)| Ok((prefix.parse()?, *hundredths));
            let parts: Vec<_> = INTERNET_V4.iter().map(part).collect::<Result<_>>()?;
            Ok(Sources::mixed(&parts))
        }
        Family::V6 => Ok(Sources::any_of(INTERNET_V6.parse()?)),
    }
}

/// Prefixes of one family.
#[derive(Clone, Debug)]
pub(crate) struct List {
    prefixes: Vec<Prefix>,
    of_hosts: bool,
}

impl List {
    /// None.
    pub(crate) const EMPTY: Self = Self {
        prefixes: Vec::new(),
        of_hosts: false,
    };

    /// A network for documentation.
    pub(crate) fn of_one(family: Family) -> Result<Self> {
        let prefix = match family {
            Family::V4 => "192.0.2.0/24",
            Family::V6 => "2001:db8:a::/48",
        };
        Ok(Self {
            prefixes: vec![prefix.parse()?],
            of_hosts: false,
        })
    }

    /// Random prefixes of which none contains another, in equal parts of three lengths: sites, parts of
    /// them, and hosts.
    pub(crate) fn mixed(family: Family, count: usize) -> Result<Self> {
        let lengths = match family {
            Family::V4 => [24, 28, 32],
            Family::V6 => [48, 64, 128],
        };
        Self::random(family, count, lengths)
    }

    /// Random addresses.
    pub(crate) fn of_hosts(family: Family, count: usize) -> Result<Self> {
        let length = match family {
            Family::V4 => 32,
            Family::V6 => 128,
        };
        let list = Self::random(family, count, [length; 3])?;
        Ok(Self {
            of_hosts: true,
            ..list
        })
    }

    /// The same ones each time.
    fn random(family: Family, count: usize, lengths: [u8; 3]) -> Result<Self> {
        let mut rng = Rng::with_seed(1);
        let mut sites = HashSet::new();
        let mut prefixes = Vec::with_capacity(count);
        while prefixes.len() < count {
            let address = random_address(family, &mut rng);
            let length = lengths[prefixes.len() % lengths.len()];
            let prefix = Prefix::new(address, length).context("too long a prefix")?;
            let site = Prefix::new(address, lengths[0]).context("too long a prefix")?;
            if sites.insert(site) {
                prefixes.push(prefix);
            }
        }
        Ok(Self {
            prefixes,
            of_hosts: false,
        })
    }

    pub(crate) fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
    }

    /// Whether each prefix is one address.
    pub(crate) const fn is_of_hosts(&self) -> bool {
        self.of_hosts
    }
}

fn random_address(family: Family, rng: &mut Rng) -> IpAddr {
    match family {
        Family::V4 => {
            // As in `INTERNET_V4`.
            let first = match rng.u8(8..200) {
                first @ 8..112 => first,
                first => first + 16,
            };
            let [_, second, third, fourth] = rng.u32(..).to_be_bytes();
            Ipv4Addr::new(first, second, third, fourth).into()
        }
        Family::V6 => {
            let bits = rng.u128(..) >> 3 | 1 << 125;
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[test]
    fn addresses_of_lists_are_those_that_floods_come_from() {
        let mut rng = Rng::with_seed(2);
        let parts: Vec<Prefix> = INTERNET_V4
            .iter()
            .map(|(part, _)| part.parse().unwrap())
            .collect();
        for address in iter::repeat_with(|| random_address(Family::V4, &mut rng)).take(10_000) {
            let prefix = Prefix::from(address);
            assert!(parts.iter().any(|part| part.contains(prefix)), "{address}");
        }
        assert_eq!(
            INTERNET_V4
                .iter()
                .map(|(_, hundredths)| hundredths)
                .sum::<u32>(),
            100
        );
        let internet: Prefix = INTERNET_V6.parse().unwrap();
        for address in iter::repeat_with(|| random_address(Family::V6, &mut rng)).take(100) {
            assert!(internet.contains(address.into()), "{address}");
        }
    }

    #[test]
    fn no_prefix_of_a_list_contains_another() {
        let list = List::mixed(Family::V4, 300).unwrap();
        assert_eq!(list.prefixes().len(), 300);
        for (index, prefix) in list.prefixes().iter().enumerate() {
            let others = &list.prefixes()[index + 1..];
            let apart = |other: &Prefix| !prefix.contains(*other) && !other.contains(*prefix);
            assert!(others.iter().all(apart), "{prefix}");
        }
    }
}
