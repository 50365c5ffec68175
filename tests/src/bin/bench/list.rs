//! Random lists of prefixes, none of which is in another, and sources that are in them or not.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use rpcguard::prefix::Prefix;

/// What is in lists, for the reader of a table.
pub(crate) const FORM: &str = "IPv4 /24 to /32, IPv6 /32 to /128, a million: hosts";

/// From so many prefixes on, all are of hosts.
pub(crate) const ONLY_HOSTS: usize = 1_000_000;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// An address that the host could be sent something from: 1.0.0.0 to 223.255.255.255 without
    /// loopback, or 2000::/3.
    pub(crate) fn random_address(self, rng: &mut Rng) -> IpAddr {
        match self {
            Self::V4 => loop {
                let first = rng.u8(1..224);
                if first != 127 {
                    return Ipv4Addr::from_bits(u32::from(first) << 24 | rng.u32(..1 << 24)).into();
                }
            },
            Self::V6 => Ipv6Addr::from_bits(rng.u128(..) >> 3 | 1 << 125).into(),
        }
    }

    fn random_length(self, rng: &mut Rng) -> u8 {
        match (self, rng.u8(..100)) {
            (Self::V4, ..50) => 24,
            (Self::V4, 50..65) => rng.u8(25..32),
            (Self::V4, _) => 32,
            (Self::V6, ..10) => 32,
            (Self::V6, 10..50) => 48,
            (Self::V6, 50..80) => 64,
            (Self::V6, _) => 128,
        }
    }

    const fn host_length(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// Prefixes of one family, by their lowest addresses.
#[derive(Clone, Debug)]
pub(crate) struct List {
    family: Family,
    by_address: BTreeMap<IpAddr, Prefix>,
    length: usize,
}

impl List {
    /// So many random prefixes.
    pub(crate) fn random(family: Family, length: usize, rng: &mut Rng) -> Self {
        let mut list = Self {
            family,
            by_address: BTreeMap::new(),
            length,
        };
        list.fill(rng);
        list
    }

    /// The same but for one prefix in a hundred, instead of which there is another.
    pub(crate) fn changed_by_a_hundredth(&self, rng: &mut Rng) -> Self {
        let mut list = self.clone();
        let mut index = 0;
        list.by_address.retain(|_, _| {
            index += 1;
            index % 100 != 0
        });
        list.fill(rng);
        list
    }

    fn fill(&mut self, rng: &mut Rng) {
        while self.by_address.len() < self.length {
            let length = if self.length >= ONLY_HOSTS {
                self.family.host_length()
            } else {
                self.family.random_length(rng)
            };
            let address = self.family.random_address(rng);
            if let Some(prefix) = Prefix::new(address, length)
                && !self.meets(prefix)
            {
                self.by_address.insert(prefix.address(), prefix);
            }
        }
    }

    /// Whether a prefix has addresses in common with one of the list.
    fn meets(&self, prefix: Prefix) -> bool {
        let before = self.by_address.range(..=prefix.address()).next_back();
        let after = self.by_address.range(prefix.address()..).next();
        before.is_some_and(|(_, listed)| listed.contains(prefix))
            || after.is_some_and(|(_, listed)| prefix.contains(*listed))
    }

    /// So many random sources that the list has.
    pub(crate) fn listed_sources(&self, count: usize, rng: &mut Rng) -> Vec<IpAddr> {
        let prefixes: Vec<Prefix> = self.prefixes().collect();
        let sources = (0..count).filter_map(|_| Some(rng.choice(&prefixes)?.address()));
        sources.collect()
    }

    /// So many random sources that it has not.
    pub(crate) fn unlisted_sources(&self, count: usize, rng: &mut Rng) -> Vec<IpAddr> {
        let mut sources = Vec::with_capacity(count);
        while sources.len() < count {
            let address = self.family.random_address(rng);
            if !self.meets(address.into()) {
                sources.push(address);
            }
        }
        sources
    }

    /// A source that it has not, as near as can be to one that it has.
    pub(crate) fn source_beside(&self) -> Option<IpAddr> {
        let beside = self.prefixes().filter_map(|prefix| match prefix.address() {
            IpAddr::V4(address) => {
                Some(Ipv4Addr::from_bits(address.to_bits().checked_sub(1)?).into())
            }
            IpAddr::V6(address) => {
                Some(Ipv6Addr::from_bits(address.to_bits().checked_sub(1)?).into())
            }
        });
        beside
            .into_iter()
            .find(|address: &IpAddr| !self.meets((*address).into()))
    }

    /// The prefixes in the order of a list that people have added to: none.
    pub(crate) fn shuffled(&self, rng: &mut Rng) -> Vec<Prefix> {
        let mut prefixes: Vec<Prefix> = self.prefixes().collect();
        rng.shuffle(&mut prefixes);
        prefixes
    }

    pub(crate) fn prefixes(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.by_address.values().copied()
    }
}

/// Writes a file of a line for each prefix.
pub(crate) fn write_lines(path: &Path, prefixes: &[Prefix]) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(failed)?);
    for prefix in prefixes {
        writeln!(file, "{prefix}").with_context(failed)?;
    }
    file.flush().with_context(failed)
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::{Family, List};

    #[test]
    fn no_prefix_of_a_list_is_in_another() {
        for family in [Family::V4, Family::V6] {
            let list = List::random(family, 20_000, &mut Rng::with_seed(1));
            let prefixes: Vec<_> = list.prefixes().collect();
            assert_eq!(prefixes.len(), 20_000);
            for pair in prefixes.windows(2) {
                assert!(!pair[0].contains(pair[1]), "{pair:?}");
            }
        }
    }

    #[test]
    fn sources_are_in_the_list_or_not() {
        let mut rng = Rng::with_seed(1);
        let list = List::random(Family::V4, 1000, &mut rng);
        let contains = |address: &std::net::IpAddr| {
            list.prefixes()
                .any(|prefix| prefix.contains((*address).into()))
        };
        assert!(list.listed_sources(100, &mut rng).iter().all(contains));
        assert!(!list.unlisted_sources(100, &mut rng).iter().any(contains));
        assert!(!contains(&list.source_beside().unwrap()));
    }

    #[test]
    fn a_hundredth_is_changed() {
        let mut rng = Rng::with_seed(1);
        let old = List::random(Family::V4, 1000, &mut rng);
        let new = old.changed_by_a_hundredth(&mut rng);
        let old: Vec<_> = old.prefixes().collect();
        assert_eq!(new.prefixes().count(), 1000);
        assert_eq!(
            new.prefixes()
                .filter(|prefix| !old.contains(prefix))
                .count(),
            10
        );
    }
}
