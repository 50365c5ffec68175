//! Samples as they might have been read, for tests.

use std::time::{Duration, Instant, SystemTime};

use super::{
    model::Model,
    sample::{Counters, Found, GuardReading, Reading, Sample, Sources, Timed},
};
use crate::{
    guard::{
        ListedPrefix, Mode, PacketCounter, PrefixCounts, Reason, Request, SourceEstimate, Verdict,
    },
    policy::Policy,
};

/// A clock that only goes on when it is told to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) at: Instant,
    pub(super) time: SystemTime,
}

impl Clock {
    /// A hundred days after the epoch.
    pub(super) fn new() -> Self {
        Self {
            at: Instant::now(),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(100 * 86_400),
        }
    }

    pub(super) fn after(self, seconds: u64) -> Self {
        let passed = Duration::from_secs(seconds);
        Self {
            at: self.at + passed,
            time: self.time + passed,
        }
    }

    /// What was found at this time.
    pub(super) fn sample<const N: usize>(self, found: [(&str, Found); N]) -> Sample {
        let readings = found.map(|(name, found)| Reading {
            name: name.to_owned(),
            found,
        });
        Sample {
            time: self.time,
            at: self.at,
            interfaces: readings.into(),
        }
    }

    /// A guard that was attached an hour before, and has counted nothing.
    pub(super) fn idle_guard(self) -> GuardReading {
        GuardReading {
            at: self.at,
            link_id: 7,
            mode: Some(Mode::Native),
            attached_at: self.time - Duration::from_secs(3600),
            policy: Policy::default(),
            prefix_counts: PrefixCounts::default(),
            counters: Counters::default(),
            sources: None,
            prefixes: None,
        }
    }

    /// A guard that has dropped and passed so many packets of sixty bytes.
    pub(super) fn guard(self, dropped: u64, passed: u64) -> GuardReading {
        let mut guard = self.idle_guard();
        let counter = |packets| PacketCounter {
            packets,
            bytes: 60 * packets,
        };
        let counters = &mut guard.counters;
        counters.reasons[Reason::Unlisted.index()] = counter(dropped);
        counters.reasons[Reason::Allowed.index()] = counter(passed);
        counters.requests[request(2, 4).index()].dropped = counter(dropped);
        counters.requests[request(2, 3).index()].passed = counter(passed);
        let estimate = |prefix: &str, packets| SourceEstimate {
            prefix: prefix.parse().unwrap(),
            packets,
            bytes: 60 * packets,
            unnoticed: 0,
        };
        guard.sources = Some(Timed {
            at: self.at,
            value: Sources {
                hosts: vec![
                    estimate("198.51.100.77", dropped / 2),
                    estimate("2001:db8:1234:5678::/64", dropped / 4),
                ],
                neighbourhoods: vec![estimate("198.51.100.0/24", dropped / 2)],
            },
        });
        guard.prefix_counts.allow_v4 = 1;
        guard.prefixes = Some(Timed {
            at: self.at,
            value: vec![ListedPrefix {
                until: None,
                prefix: "192.0.2.0/24".parse().unwrap(),
                verdict: Verdict::Allow,
                hits: Some(counter(passed)),
            }],
        });
        guard
    }
}

impl From<GuardReading> for Found {
    fn from(reading: GuardReading) -> Self {
        Self::Guard(Box::new(reading))
    }
}

/// A procedure that exists.
pub(super) fn request(version: u32, procedure: u32) -> Request {
    Request::procedure(version, procedure).unwrap()
}

/// The model after these samples.
pub(super) fn model(samples: impl IntoIterator<Item = Sample>) -> Model {
    let mut model = Model::default();
    for sample in samples {
        model.update(sample, None);
    }
    model
}
