//! What is known about the interfaces that are watched: samples in, rates out.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant, SystemTime};

use super::{
    rates::{Baseline, flow, keyed_flows},
    sample::{self, Counters, Found, GuardReading, MAX_WATCHED_PREFIXES, Sample, Sources},
    traffic::{PrefixFlow, RequestFlow, SourceFlow, Traffic},
};
use crate::{
    guard::{ListedPrefix, Mode, PacketCounter, PrefixCounts, SourceEstimate},
    policy::Policy,
};

/// Everything about all interfaces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// In the order in which they are shown.
    pub(crate) interfaces: Vec<Interface>,
    /// When the last sample was taken.
    taken: Option<Taken>,
}

/// What an interface is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its filter drops what is to be dropped.
    Guarded,
    /// Its filter counts, and passes everything.
    Observing,
    /// It has no filter, or none any more.
    NotGuarded,
    /// There is no such interface any more, only what is left of its guard.
    Gone,
    /// It is guarded by an rpcguard of another ABI version, whose counters cannot be read.
    Incompatible,
}

impl Standing {
    /// The word for it in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Guarded => "guarded",
            Self::Observing => "observing",
            Self::NotGuarded => "not_guarded",
            Self::Gone => "gone",
            Self::Incompatible => "incompatible",
        }
    }

    /// Whether there is a guard to read.
    pub(crate) const fn has_guard(self) -> bool {
        matches!(self, Self::Guarded | Self::Observing)
    }

    /// The words for it in text.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::NotGuarded => "not guarded",
            standing => standing.name(),
        }
    }
}

/// How a guard is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Where the program runs.
    pub(crate) mode: Option<Mode>,
    /// When it was attached.
    pub(crate) attached_at: SystemTime,
    /// What is guarded, and how.
    pub(crate) policy: Policy,
    /// How many prefixes are listed.
    pub(crate) prefix_counts: PrefixCounts,
}

/// One interface.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) name: String,
    /// What it is in.
    pub(crate) standing: Standing,
    /// Its guard's set-up; if it has none any more, the last one's.
    pub(crate) setup: Option<Setup>,
    /// What comes in.
    pub(crate) traffic: Traffic,
    /// What the next reading is compared with.
    last: Option<Last>,
}

/// The last readings of a guard, which the next ones are compared with.
#[derive(Clone, Debug)]
struct Last {
    link_id: u32,
    counters: Baseline<Counters>,
    sources: Baseline<Sources>,
    prefixes: Baseline<Vec<ListedPrefix>>,
}

/// When a sample was taken, by both clocks.
#[derive(Clone, Copy, Debug)]
struct Taken {
    time: SystemTime,
    at: Instant,
}

impl Model {
    /// The time of day of the last sample.
    pub(crate) fn time(&self) -> Option<SystemTime> {
        self.taken.map(|taken| taken.time)
    }

    /// Takes a sample in. An interface that has no guard any more is shown as such once, and then left
    /// out unless it is in the sample all the same, or is `kept`.
    pub(crate) fn update(&mut self, sample: Sample, kept: Option<&str>) {
        let mut absent = std::mem::take(&mut self.interfaces);
        for reading in sample.interfaces {
            let known = absent.iter().position(|i| i.name == reading.name);
            let mut interface = match known {
                Some(index) => absent.remove(index),
                None => Interface::new(reading.name),
            };
            interface.update(reading.found, self.taken);
            self.interfaces.push(interface);
        }
        absent.retain(|interface| {
            interface.standing != Standing::NotGuarded || kept == Some(&interface.name)
        });
        for mut interface in absent {
            interface.update(Found::Nothing, self.taken);
            let place = self
                .interfaces
                .partition_point(|other| other.name < interface.name);
            self.interfaces.insert(place, interface);
        }
        self.taken = Some(Taken {
            time: sample.time,
            at: sample.at,
        });
    }
}

impl Interface {
    fn new(name: String) -> Self {
        Self {
            name,
            standing: Standing::NotGuarded,
            setup: None,
            traffic: Traffic::default(),
            last: None,
        }
    }

    fn update(&mut self, found: Found, before: Option<Taken>) {
        self.standing = match found {
            Found::Guard(reading) => {
                self.update_guard(*reading, before);
                self.traffic.history.push(&self.traffic.reasons);
                return;
            }
            Found::Leftover => Standing::Gone,
            Found::Incompatible => Standing::Incompatible,
            Found::Nothing => Standing::NotGuarded,
        };
        self.last = None;
        self.traffic.stop();
        self.traffic.history.push(&self.traffic.reasons);
    }

    fn update_guard(&mut self, reading: GuardReading, before: Option<Taken>) {
        let last = self
            .last
            .take_if(|last| last.link_id == reading.link_id)
            .unwrap_or_else(|| Last::none(&reading, before));
        self.standing = match reading.mode {
            None => Standing::NotGuarded,
            Some(_) if reading.policy.observe => Standing::Observing,
            Some(_) => Standing::Guarded,
        };
        let traffic = &mut self.traffic;
        let seconds = last.counters.seconds(reading.at);
        traffic.measured = seconds.is_some();
        count(traffic, &reading.counters, last.counters.value(), seconds);
        let sources = match reading.sources {
            Some(read) => {
                let seconds = last.sources.seconds(read.at);
                let before = last.sources.value();
                let rank = |now, of: fn(&Sources) -> &Vec<SourceEstimate>| {
                    source_flows(now, before.map_or(&[], |before| of(before)), seconds)
                };
                traffic.hosts = rank(&read.value.hosts, |sources| &sources.hosts);
                traffic.neighbourhoods = rank(&read.value.neighbourhoods, |sources| {
                    &sources.neighbourhoods
                });
                Baseline::Read(read.at, read.value)
            }
            None => last.sources,
        };
        let prefixes = match reading.prefixes {
            Some(read) => {
                let seconds = last.prefixes.seconds(read.at);
                let before = last.prefixes.value();
                traffic.prefixes =
                    prefix_flows(&read.value, before.map_or(&[], Vec::as_slice), seconds);
                Baseline::Read(read.at, read.value)
            }
            None => last.prefixes,
        };
        let setup = Setup {
            mode: reading.mode,
            attached_at: reading.attached_at,
            policy: reading.policy,
            prefix_counts: reading.prefix_counts,
        };
        if setup.has_too_many_prefixes() {
            traffic.prefixes.clear();
        }
        self.setup = Some(setup);
        self.last = Some(Last {
            link_id: reading.link_id,
            counters: Baseline::Read(reading.at, reading.counters),
            sources,
            prefixes,
        });
    }
}

impl Setup {
    /// Whether the hits of the prefixes are not read.
    pub(crate) fn has_too_many_prefixes(&self) -> bool {
        sample::total(&self.prefix_counts) > MAX_WATCHED_PREFIXES
    }
}

impl Last {
    /// For a guard that is new here: if it was attached since the last sample, all that it has
    /// counted has come since.
    fn none(reading: &GuardReading, before: Option<Taken>) -> Self {
        // Times of attachment are whole seconds.
        const PRECISION: Duration = Duration::from_secs(1);
        let since = before
            .filter(|before| reading.attached_at + PRECISION >= before.time)
            .map(|before| before.at);
        Self {
            link_id: reading.link_id,
            counters: Baseline::zero(since),
            sources: Baseline::zero(since),
            prefixes: Baseline::zero(since),
        }
    }
}

fn count(traffic: &mut Traffic, now: &Counters, before: Option<&Counters>, seconds: Option<f64>) {
    let none = Counters::default();
    let before = before.unwrap_or(&none);
    let flows = now.reasons.iter().zip(&before.reasons);
    for (into, (now, before)) in traffic.reasons.iter_mut().zip(flows) {
        *into = flow(*now, *before, seconds);
    }
    let flows = now.requests.iter().zip(&before.requests);
    for (into, (now, before)) in traffic.requests.iter_mut().zip(flows) {
        *into = RequestFlow {
            passed: flow(now.passed, before.passed, seconds),
            dropped: flow(now.dropped, before.dropped, seconds),
        };
    }
}

fn source_flows(
    now: &[SourceEstimate],
    before: &[SourceEstimate],
    seconds: Option<f64>,
) -> Vec<SourceFlow> {
    let counter = |estimate: &SourceEstimate| {
        let counter = PacketCounter {
            packets: estimate.packets,
            bytes: estimate.bytes,
        };
        (estimate.prefix, counter)
    };
    let flows = keyed_flows(now.iter().map(counter), before.iter().map(counter), seconds);
    let flows = now.iter().zip(flows).map(|(estimate, flow)| SourceFlow {
        prefix: estimate.prefix,
        flow,
        unnoticed: estimate.unnoticed,
    });
    flows.collect()
}

fn prefix_flows(
    now: &[ListedPrefix],
    before: &[ListedPrefix],
    seconds: Option<f64>,
) -> Vec<PrefixFlow> {
    let counter = |listed: &ListedPrefix| {
        let key = (listed.prefix, listed.verdict);
        (key, listed.hits.unwrap_or_default())
    };
    let flows = keyed_flows(now.iter().map(counter), before.iter().map(counter), seconds);
    let flows = now.iter().zip(flows).map(|(listed, flow)| PrefixFlow {
        prefix: listed.prefix,
        verdict: listed.verdict,
        flow,
    });
    flows.collect()
}
