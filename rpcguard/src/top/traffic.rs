//! What comes in on an interface, or on several together.

use std::collections::{HashMap, VecDeque};

use super::rates::{Flow, Rate};
use crate::{
    guard::{Action, Reason, Request, Verdict},
    prefix::Prefix,
};

/// Counters and rates.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    /// Whether there are rates: not before the second reading.
    pub(crate) measured: bool,
    /// By reason.
    pub(crate) reasons: [Flow; Reason::COUNT],
    /// By request.
    pub(crate) requests: [RequestFlow; Request::COUNT],
    /// By claimed source; estimates.
    pub(crate) hosts: Vec<SourceFlow>,
    /// By the neighbourhood of the claimed source; estimates.
    pub(crate) neighbourhoods: Vec<SourceFlow>,
    /// By the prefix that decided.
    pub(crate) prefixes: Vec<PrefixFlow>,
    /// Packets a second by reason, as they were.
    pub(crate) history: History,
}

/// What became of the packets that asked for the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RequestFlow {
    pub(crate) passed: Flow,
    pub(crate) dropped: Flow,
}

/// The drops of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SourceFlow {
    pub(crate) prefix: Prefix,
    pub(crate) flow: Flow,
    /// So many more packets may have been from it before it was noticed.
    pub(crate) unnoticed: u64,
}

/// The packets that a prefix decided about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PrefixFlow {
    pub(crate) prefix: Prefix,
    pub(crate) verdict: Verdict,
    pub(crate) flow: Flow,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            measured: false,
            reasons: [Flow::default(); Reason::COUNT],
            requests: [RequestFlow::default(); Request::COUNT],
            hosts: Vec::new(),
            neighbourhoods: Vec::new(),
            prefixes: Vec::new(),
            history: History::default(),
        }
    }
}

impl Traffic {
    /// Every reason with its flow.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = (Reason, Flow)> + '_ {
        Reason::ALL.into_iter().zip(self.reasons)
    }

    /// Every request with its flows.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (Request, RequestFlow)> + '_ {
        Request::all().zip(self.requests)
    }

    /// All reasons of an action together.
    pub(crate) fn of(&self, action: Action) -> Flow {
        self.reasons()
            .filter(|(reason, _)| reason.action() == action)
            .map(|(_, flow)| flow)
            .sum()
    }

    /// Nothing comes in any more, or nobody can tell.
    pub(super) fn stop(&mut self) {
        let requests = self.requests.iter_mut();
        let requests = requests.flat_map(|r| [&mut r.passed, &mut r.dropped]);
        let sources = self.hosts.iter_mut().chain(&mut self.neighbourhoods);
        let flows = requests
            .chain(&mut self.reasons)
            .chain(sources.map(|source| &mut source.flow))
            .chain(self.prefixes.iter_mut().map(|prefix| &mut prefix.flow));
        for flow in flows {
            flow.rate = Rate::default();
        }
    }

    /// The traffic of several interfaces together.
    pub(crate) fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        let mut hosts = HashMap::new();
        let mut neighbourhoods = HashMap::new();
        let mut prefixes = HashMap::new();
        for part in parts {
            sum.measured |= part.measured;
            for (flow, other) in sum.reasons.iter_mut().zip(part.reasons) {
                flow.add(other);
            }
            for (request, other) in sum.requests.iter_mut().zip(part.requests) {
                request.passed.add(other.passed);
                request.dropped.add(other.dropped);
            }
            add_sources(&mut hosts, &part.hosts);
            add_sources(&mut neighbourhoods, &part.neighbourhoods);
            for hit in &part.prefixes {
                prefixes
                    .entry((hit.prefix, hit.verdict))
                    .and_modify(|sum: &mut PrefixFlow| sum.flow.add(hit.flow))
                    .or_insert(*hit);
            }
            sum.history.add(&part.history);
        }
        sum.hosts = hosts.into_values().collect();
        sum.neighbourhoods = neighbourhoods.into_values().collect();
        sum.prefixes = prefixes.into_values().collect();
        sum
    }
}

fn add_sources(sums: &mut HashMap<Prefix, SourceFlow>, sources: &[SourceFlow]) {
    for source in sources {
        sums.entry(source.prefix)
            .and_modify(|sum| {
                sum.flow.add(source.flow);
                sum.unnoticed += source.unnoticed;
            })
            .or_insert(*source);
    }
}

/// Packets a second by reason, of the last readings, the latest of which is the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(VecDeque<[f64; Reason::COUNT]>);

impl History {
    /// More than any terminal has columns for.
    const LENGTH: usize = 512;

    /// Appends the rates of now.
    pub(super) fn push(&mut self, flows: &[Flow; Reason::COUNT]) {
        if self.0.len() == Self::LENGTH {
            self.0.pop_front();
        }
        self.0.push_back(flows.map(|flow| flow.rate.packets));
    }

    /// Adds what happened at the same times.
    fn add(&mut self, other: &Self) {
        while self.0.len() < other.0.len() {
            self.0.push_front([0.0; Reason::COUNT]);
        }
        let pairs = self.0.iter_mut().rev().zip(other.0.iter().rev());
        for (sums, rates) in pairs {
            for (sum, rate) in sums.iter_mut().zip(rates) {
                *sum += rate;
            }
        }
    }

    /// The last rates of a reason, at most so many, the latest of which is the last.
    pub(crate) fn last(&self, reason: Reason, count: usize) -> Vec<f64> {
        let skipped = self.0.len().saturating_sub(count);
        let rates = self.0.iter().skip(skipped);
        rates.map(|rates| rates[reason.index()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::PacketCounter;

    fn flow(packets: u64) -> Flow {
        Flow {
            rate: Rate {
                packets: packets as f64,
                bytes: 60.0 * packets as f64,
            },
            total: PacketCounter {
                packets,
                bytes: 60 * packets,
            },
        }
    }

    fn host(address: &str, packets: u64) -> SourceFlow {
        SourceFlow {
            prefix: address.parse().unwrap(),
            flow: flow(packets),
            unnoticed: 1,
        }
    }

    #[test]
    fn interfaces_add_up_by_reason_and_by_source() {
        let (mut a, mut b) = (Traffic::default(), Traffic::default());
        a.reasons[Reason::Unlisted.index()] = flow(5);
        a.history.push(&a.reasons);
        a.history.push(&a.reasons);
        a.hosts = vec![host("10.0.0.1", 5), host("10.0.0.2", 1)];
        b.reasons[Reason::Unlisted.index()] = flow(7);
        b.reasons[Reason::Allowed.index()] = flow(2);
        b.history.push(&b.reasons);
        b.hosts = vec![host("10.0.0.1", 7)];

        let sum = Traffic::sum([&a, &b].into_iter());
        assert_eq!(sum.of(Action::Drop), flow(12));
        assert_eq!(sum.of(Action::Pass), flow(2));
        let mut hosts: Vec<_> = sum.hosts.iter().map(|h| (h.flow, h.unnoticed)).collect();
        hosts.sort_by_key(|(flow, _)| flow.total.packets);
        assert_eq!(hosts, [(flow(1), 1), (flow(12), 2)]);
        assert_eq!(sum.history.last(Reason::Unlisted, 9), [5.0, 12.0]);
    }

    #[test]
    fn history_is_bounded_and_ends_with_the_latest() {
        let mut history = History::default();
        for packets in 0..2000 {
            history.push(&[flow(packets); Reason::COUNT]);
        }
        assert_eq!(history.0.len(), History::LENGTH);
        assert_eq!(history.last(Reason::Denied, 2), [1998.0, 1999.0]);
    }
}
