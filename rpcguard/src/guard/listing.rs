//! Lists as a whole: what a filter starts with, and how long they may be.

use rpcguard_common::abi::{
    Decision, HIT_SLOTS, LongCounts, MAX_PREFIXES, PrefixCounts, PrefixEntry,
};

use super::{Verdict, bloom};
use crate::{
    error::{Error, Result},
    prefix::Prefix,
};

/// The lists that a filter starts with.
pub(super) struct Listing {
    /// All prefixes, in ascending order.
    pub(super) prefixes: Vec<(Prefix, Verdict)>,
    pub(super) counts: PrefixCounts,
    pub(super) long: LongCounts,
}

impl Listing {
    /// Merges the two lists, refusing a prefix that is in both, and lists that are too long.
    pub(super) fn new(allow: &[Prefix], deny: &[Prefix]) -> Result<Self> {
        let allow = allow.iter().map(|prefix| (*prefix, Verdict::Allow));
        let deny = deny.iter().map(|prefix| (*prefix, Verdict::Deny));
        let mut prefixes: Vec<_> = allow.chain(deny).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        if let Some(pair) = prefixes.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::Contradiction(pair[0].0));
        }
        let mut counts = PrefixCounts::default();
        let mut long = LongCounts::default();
        count(
            &mut counts,
            &mut long,
            prefixes
                .iter()
                .map(|(prefix, verdict)| (*prefix, *verdict, 1)),
        )?;
        Ok(Self {
            prefixes,
            counts,
            long,
        })
    }

    /// What is written for the prefixes of a filter that begins. Hits are counted as far as there are slots.
    pub(super) fn entries(&self) -> Vec<(Prefix, PrefixEntry)> {
        let numbered = (1..).zip(&self.prefixes);
        numbered
            .map(|(number, (prefix, verdict))| {
                let slot = if number <= HIT_SLOTS { number } else { 0 };
                let decision = Decision::listed((*verdict).into(), slot);
                (*prefix, PrefixEntry::settled(prefix.length(), decision))
            })
            .collect()
    }
}

/// Brings the counts up to date, and refuses what would not fit.
pub(super) fn count(
    counts: &mut PrefixCounts,
    long: &mut LongCounts,
    changes: impl Iterator<Item = (Prefix, Verdict, i64)>,
) -> Result<()> {
    let mut allow = [0; 2];
    let mut deny = [0; 2];
    let mut hosts = [0; 2];
    let mut keys = 0;
    for (prefix, verdict, by) in changes {
        let change = match verdict {
            Verdict::Allow => &mut allow,
            Verdict::Deny => &mut deny,
        };
        let family = usize::from(prefix.address().is_ipv6());
        change[family] += by;
        if prefix.host().is_some() {
            hosts[family] += by;
        }
        keys += by * i64::from(bloom::key_count(prefix));
    }
    for (count, by, family, verdict) in [
        (&mut counts.allow_v4, allow[0], "IPv4", Verdict::Allow),
        (&mut counts.allow_v6, allow[1], "IPv6", Verdict::Allow),
        (&mut counts.deny_v4, deny[0], "IPv4", Verdict::Deny),
        (&mut counts.deny_v6, deny[1], "IPv6", Verdict::Deny),
    ] {
        let new = i64::from(*count) + by;
        if new > i64::from(MAX_PREFIXES) {
            return Err(Error::TooManyPrefixes {
                family,
                verdict,
                count: usize::try_from(new).unwrap_or(usize::MAX),
            });
        }
        *count = u32::try_from(new).unwrap_or(0);
    }
    for (count, by) in [
        (&mut long.hosts_v4, hosts[0]),
        (&mut long.hosts_v6, hosts[1]),
        (&mut long.keys, keys),
    ] {
        *count = u32::try_from(i64::from(*count) + by).unwrap_or(0);
    }
    Ok(())
}
