//! The prefixes of a guard, and what they say about an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aya::util::nr_cpus;
use ipnet::IpNet;
use rpcguard_common::abi::{self, Counter, Decision, hits_index};

use super::{BootTime, Guard, Verdict};
use crate::{
    error::{Doing as _, Result},
    prefix::Prefix,
};

/// A prefix in one of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedPrefix {
    /// The prefix.
    pub prefix: Prefix,
    /// Which list it is in.
    pub verdict: Verdict,
    /// When it lapses, if it is there for some time only.
    pub until: Option<BootTime>,
    /// The packets that it decided about, all CPUs together; `None` if it is one of those beyond
    /// the number of prefixes that have hits counted.
    pub hits: Option<Counter>,
}

/// What the lists say about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The longest prefix that covers the address, and its list; `None` if none does.
    pub by: Option<(Prefix, Verdict)>,
}

/// The list that a decision's own prefix is in, if it is in one.
pub(super) fn listed_verdict(decision: Decision) -> Option<Verdict> {
    match decision.verdict() {
        _ if !decision.is_listed() => None,
        abi::Verdict::Allow => Some(Verdict::Allow),
        abi::Verdict::Deny => Some(Verdict::Deny),
        abi::Verdict::Unlisted => None,
    }
}

impl Guard {
    /// All prefixes that have not lapsed with their hits, in ascending order.
    ///
    /// # Errors
    ///
    /// If the maps cannot be read.
    pub fn prefixes(&self) -> Result<Vec<ListedPrefix>> {
        self.consistently(|epoch| self.listed(epoch))?
            .into_iter()
            .filter(|(_, decision)| !self.ends.has_lapsed(decision.end()))
            .filter_map(|(prefix, decision)| Some((prefix, listed_verdict(decision)?, decision)))
            .map(|(prefix, verdict, decision)| {
                Ok(ListedPrefix {
                    prefix,
                    verdict,
                    until: self.ends.get(decision.end()),
                    hits: self.hits(decision.hit_slot())?,
                })
            })
            .collect()
    }

    /// The allow list and the deny list, in ascending order, without hits, and without what is in them for some
    /// time only.
    ///
    /// # Errors
    ///
    /// If the maps cannot be read.
    pub fn lists(&self) -> Result<[Vec<Prefix>; 2]> {
        let mut lists = [Vec::new(), Vec::new()];
        for (prefix, decision) in self.consistently(|epoch| self.listed(epoch))? {
            match listed_verdict(decision).filter(|_| decision.end() == 0) {
                Some(Verdict::Allow) => lists[0].push(prefix),
                Some(Verdict::Deny) => lists[1].push(prefix),
                None => {}
            }
        }
        Ok(lists)
    }

    /// Which prefix decides about packets from `address`.
    ///
    /// # Errors
    ///
    /// If the maps cannot be read.
    pub fn decide(&self, address: IpAddr) -> Result<Decided> {
        self.consistently(|epoch| {
            let mut prefix = Prefix::from(address);
            // An entry that is only there for a change in progress stands in for a shorter one, and so does one
            // that has lapsed.
            while let Some(entry) = self.maps.longest(prefix, epoch)? {
                let length = u8::try_from(entry.length).unwrap_or(0);
                let found = Prefix::new(address, length);
                let decision = entry.at(epoch);
                if let (Some(found), Some(verdict)) = (found, listed_verdict(decision))
                    && !self.ends.has_lapsed(decision.end())
                {
                    return Ok(Decided {
                        by: Some((found, verdict)),
                    });
                }
                let shorter = length
                    .checked_sub(1)
                    .and_then(|len| Prefix::new(address, len));
                match shorter {
                    Some(shorter) => prefix = shorter,
                    None => break,
                }
            }
            Ok(Decided { by: None })
        })
    }

    /// Whether the allow list has all public addresses of IPv4 or of IPv6, in one prefix or in
    /// several. Those that the deny list takes out again do not count.
    ///
    /// # Errors
    ///
    /// If the maps cannot be read.
    pub fn allows_everybody(&self) -> Result<bool> {
        let everybody = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        Ok(self.consistently(|epoch| {
            for prefix in everybody.map(|address: IpAddr| Prefix::new(address, 0)) {
                let Some(prefix) = prefix else { continue };
                let entry = self.maps.longest(prefix, epoch)?;
                let decision = entry.map(|entry| entry.at(epoch));
                let decision = decision.filter(|it| !self.ends.has_lapsed(it.end()));
                let verdict = decision.and_then(listed_verdict);
                if verdict == Some(Verdict::Allow) {
                    return Ok(true);
                }
            }
            Ok(false)
        })? || self.pieces_allow_everybody()?)
    }

    fn pieces_allow_everybody(&self) -> Result<bool> {
        // A look at a few addresses spares most guards the reading of their lists.
        let all_listed = |samples: &[IpAddr]| -> Result<bool> {
            for address in samples {
                if self.decide(*address)?.by.is_none() {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let v4 = [1, 17, 33, 49, 65, 81, 97, 113, 129, 145, 161, 177, 193, 209];
        let v4 = v4.map(|first| Ipv4Addr::new(first, 1, 1, 1).into());
        let v6 = [0x2001, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00, 0x3000];
        let v6 = v6.map(|first| Ipv6Addr::new(first, 1, 1, 1, 1, 1, 1, 1).into());
        if !all_listed(&v4)? && !all_listed(&v6)? {
            return Ok(false);
        }
        let listed = self.consistently(|epoch| self.listed(epoch))?.into_iter();
        let allowed = listed.filter(|(_, decision)| {
            !self.ends.has_lapsed(decision.end())
                && listed_verdict(*decision) == Some(Verdict::Allow)
        });
        Ok(covers_a_public_network(allowed.map(|(prefix, _)| prefix)))
    }

    /// All that is listed under an epoch, in ascending order.
    pub(super) fn listed(&self, epoch: u32) -> Result<Vec<(Prefix, Decision)>> {
        let mut listed = self.maps.entries(epoch, |(prefix, entry)| {
            let decision = entry.at(epoch);
            decision.is_listed().then_some((prefix, decision))
        })?;
        listed.sort_unstable_by_key(|(prefix, _)| *prefix);
        listed.dedup_by_key(|(prefix, _)| *prefix);
        Ok(listed)
    }

    /// Reads prefixes under one epoch.
    fn consistently<T>(&self, read: impl Fn(u32) -> Result<T>) -> Result<T> {
        self.maps.refresh()?;
        self.under_one_epoch(read)
    }

    /// Reads under one epoch: again, if a change was put in force meanwhile.
    pub(super) fn under_one_epoch<T>(&self, read: impl Fn(u32) -> Result<T>) -> Result<T> {
        const ATTEMPTS: usize = 100;
        let mut epoch = self.state()?.epoch;
        for _ in 1..ATTEMPTS {
            let value = read(epoch)?;
            let now = self.state()?.epoch;
            if now == epoch {
                return Ok(value);
            }
            epoch = now;
        }
        read(epoch)
    }

    fn hits(&self, slot: u32) -> Result<Option<Counter>> {
        if slot == 0 {
            return Ok(None);
        }
        let failed = "read the prefixes' hits";
        let counters = (0..possible_cpus(failed)?)
            .map(|cpu| self.hits.get(&hits_index(cpu, slot), 0))
            .collect::<std::result::Result<Vec<_>, _>>()
            .doing(failed)?;
        Ok(Some(super::counters::sum(counters.iter())))
    }
}

/// Whether these are all public addresses of IPv4, or of IPv6, together.
fn covers_a_public_network(prefixes: impl Iterator<Item = Prefix>) -> bool {
    /// Addresses that nobody has on the Internet.
    const OTHERS: [&str; 11] = [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
        "::/3",
        "4000::/2",
        "8000::/1",
    ];
    let others = OTHERS.iter().filter_map(|text| text.parse().ok());
    let covered: Vec<IpNet> = prefixes
        .filter_map(|prefix| IpNet::new(prefix.address(), prefix.length()).ok())
        .chain(others)
        .collect();
    let merged = IpNet::aggregate(&covered);
    merged.iter().any(|net| net.prefix_len() == 0)
}

/// How many CPUs the kernel has room for, for what is to be done.
pub(super) fn possible_cpus(action: &str) -> Result<u32> {
    let cpus = nr_cpus().map_err(|(_, error)| error).doing(action)?;
    u32::try_from(cpus).doing(action)
}

#[cfg(test)]
mod tests {
    use super::covers_a_public_network;

    #[test]
    fn prefixes_that_are_everybody_together_are_found() {
        for (prefixes, is) in [
            ("", false),
            ("0.0.0.0/0", true),
            ("0.0.0.0/1 128.0.0.0/1", true),
            ("0.0.0.0/1 128.0.0.0/2 192.0.0.0/3", true),
            ("0.0.0.0/1", false),
            ("0.0.0.0/2 64.0.0.0/2 128.0.0.0/2 192.0.2.0/24", false),
            ("10.0.0.0/8 192.168.0.0/16", false),
            ("2000::/3", true),
            ("2000::/4 3000::/4", true),
            ("2000::/4", false),
            ("0.0.0.0/1 8000::/1", false),
        ] {
            let prefixes = prefixes
                .split_whitespace()
                .map(|text| text.parse().unwrap());
            assert_eq!(covers_a_public_network(prefixes.clone()), is);
        }
    }
}
