//! What was sent, and whether it is what the filters say.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use rpcguard::guard::{Guard, Reason};
use rpcguard_common::abi::Counter;

use crate::town::{SOURCES, STEADY, Source, prefix};

/// Packets and bytes of each source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(BTreeMap<usize, Counter>);

impl Ledger {
    /// Adds to what the source of this number sent.
    pub(crate) fn add(&mut self, number: usize, more: Counter) {
        let counter = self.0.entry(number).or_default();
        *counter = sum([*counter, more]);
    }

    /// All of it.
    pub(crate) fn total(&self) -> Counter {
        self.of(|_| true)
    }

    /// That of the sources for which `wanted` is true.
    fn of(&self, wanted: impl Fn(&Source) -> bool) -> Counter {
        let of_wanted = self
            .0
            .iter()
            .filter(|(number, _)| wanted(&SOURCES[**number]));
        sum(of_wanted.map(|(_, counter)| *counter))
    }

    /// Asserts that a guard counted exactly what was sent to its interface.
    pub(crate) fn check(&self, guard: &Guard) -> Result<()> {
        let interface = guard.interface();
        let counters = guard.counters()?;
        let sent = self.of(|source| source.interface == interface);
        let counted = sum(counters.reasons().map(|(_, counter)| counter));
        equal(counted, sent).with_context(|| format!("{interface}, all reasons"))?;
        let requests = counters.requests();
        let counted = sum(requests.flat_map(|(_, counter)| [counter.passed, counter.dropped]));
        equal(counted, sent).with_context(|| format!("{interface}, all requests"))?;
        if interface == STEADY {
            for reason in Reason::ALL {
                let of_reason = |source: &Source| {
                    source.interface == interface && source.reason == Some(reason)
                };
                equal(counters.reason(reason), self.of(of_reason))
                    .with_context(|| format!("{interface}, reason {}", reason.name()))?;
            }
        }
        self.check_hits(guard)
    }

    /// The same for each prefix that decided about the same sources at all times.
    fn check_hits(&self, guard: &Guard) -> Result<()> {
        let interface = guard.interface();
        let listed = guard.prefixes()?;
        let here = SOURCES
            .iter()
            .filter(|source| source.interface == interface);
        for text in here.filter_map(|source| source.prefix) {
            let prefix = prefix(text)?;
            let found = listed.iter().find(|listed| listed.prefix == prefix);
            let hits = found.and_then(|listed| listed.hits);
            let hits = hits.with_context(|| format!("{interface} has no hits of {text}"))?;
            let sent =
                self.of(|source| source.interface == interface && source.prefix == Some(text));
            equal(hits, sent).with_context(|| format!("{interface}, prefix {text}"))?;
        }
        Ok(())
    }
}

fn equal(counted: Counter, sent: Counter) -> Result<()> {
    ensure!(
        counted == sent,
        "{} packets ({} bytes) were sent and {} ({} bytes) counted",
        sent.packets,
        sent.bytes,
        counted.packets,
        counted.bytes
    );
    Ok(())
}

fn sum(counters: impl IntoIterator<Item = Counter>) -> Counter {
    let add = |sum: Counter, counter: Counter| Counter {
        packets: sum.packets + counter.packets,
        bytes: sum.bytes + counter.bytes,
    };
    counters.into_iter().fold(Counter::default(), add)
}
