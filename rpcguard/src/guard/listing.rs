//! Lists as a whole: what a filter starts with, and how long they may be.

use std::collections::BTreeMap;

use rpcguard_common::abi::{MAX_PREFIXES, PrefixCounts};

use super::Verdict;
use crate::{
    error::{Error, Result},
    prefix::Prefix,
};

/// The lists that a filter starts with.
pub(super) struct Listing {
    /// All prefixes, in ascending order.
    pub(super) prefixes: Vec<(Prefix, Verdict)>,
    pub(super) counts: PrefixCounts,
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
        count(
            &mut counts,
            prefixes
                .iter()
                .map(|(prefix, verdict)| (*prefix, *verdict, 1)),
        )?;
        Ok(Self { prefixes, counts })
    }
}

/// Brings the counts up to date, and refuses what would not fit.
pub(super) fn count(
    counts: &mut PrefixCounts,
    changes: impl Iterator<Item = (Prefix, Verdict, i64)>,
) -> Result<()> {
    let mut change: BTreeMap<(Verdict, bool), i64> = BTreeMap::new();
    for (prefix, verdict, by) in changes {
        *change
            .entry((verdict, prefix.address().is_ipv4()))
            .or_default() += by;
    }
    for ((verdict, v4), by) in change {
        let count = match (verdict, v4) {
            (Verdict::Allow, true) => &mut counts.allow_v4,
            (Verdict::Allow, false) => &mut counts.allow_v6,
            (Verdict::Deny, true) => &mut counts.deny_v4,
            (Verdict::Deny, false) => &mut counts.deny_v6,
        };
        let new = i64::from(*count) + by;
        if new > i64::from(MAX_PREFIXES) {
            return Err(Error::TooManyPrefixes {
                family: if v4 { "IPv4" } else { "IPv6" },
                verdict,
                count: usize::try_from(new).unwrap_or(usize::MAX),
            });
        }
        *count = u32::try_from(new).unwrap_or(0);
    }
    Ok(())
}
