//! Rates from the differences of counters.

use std::{collections::HashMap, hash::Hash, time::Instant};

use crate::guard::PacketCounter;

/// Packets and bytes a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) packets: f64,
    pub(crate) bytes: f64,
}

/// A counter, and how fast it grows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Flow {
    pub(crate) rate: Rate,
    pub(crate) total: PacketCounter,
}

impl Flow {
    pub(crate) fn add(&mut self, other: Self) {
        self.rate.packets += other.rate.packets;
        self.rate.bytes += other.rate.bytes;
        self.total.packets += other.total.packets;
        self.total.bytes += other.total.bytes;
    }
}

impl std::iter::Sum for Flow {
    fn sum<I: Iterator<Item = Self>>(flows: I) -> Self {
        flows.fold(Self::default(), |mut sum, flow| {
            sum.add(flow);
            sum
        })
    }
}

/// What counters are compared with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Baseline<T> {
    /// What was read then.
    Read(Instant, T),
    /// They began at zero, and after this.
    Zero(Instant),
    /// Nothing is known: they may have counted for years.
    Unknown,
}

impl<T> Baseline<T> {
    /// Counters that began at zero after `since`, or that nothing is known of.
    pub(super) fn zero(since: Option<Instant>) -> Self {
        since.map_or(Self::Unknown, Self::Zero)
    }

    /// The seconds up to `now`; `None` if there is nothing to compare with.
    pub(super) fn seconds(&self, now: Instant) -> Option<f64> {
        let (Self::Read(then, _) | Self::Zero(then)) = self else {
            return None;
        };
        let seconds = now.saturating_duration_since(*then).as_secs_f64();
        (seconds > 0.0).then_some(seconds)
    }

    /// What was read, or the value that stands for zero.
    pub(super) fn value(&self) -> Option<&T> {
        match self {
            Self::Read(_, value) => Some(value),
            Self::Zero(_) | Self::Unknown => None,
        }
    }
}

/// A counter that was `before` so many seconds ago. One that is lower now has begun anew.
pub(super) fn flow(now: PacketCounter, before: PacketCounter, seconds: Option<f64>) -> Flow {
    let per_second = |now: u64, before: u64| {
        let grown = now.checked_sub(before).unwrap_or(now);
        seconds.map_or(0.0, |seconds| grown as f64 / seconds)
    };
    Flow {
        rate: Rate {
            packets: per_second(now.packets, before.packets),
            bytes: per_second(now.bytes, before.bytes),
        },
        total: now,
    }
}

/// Counters that belong to keys. One whose key was not there before began at zero since.
pub(super) fn keyed_flows<K: Eq + Hash>(
    now: impl Iterator<Item = (K, PacketCounter)>,
    before: impl Iterator<Item = (K, PacketCounter)>,
    seconds: Option<f64>,
) -> Vec<Flow> {
    let before: HashMap<_, _> = before.collect();
    now.map(|(key, counter)| {
        let before = before.get(&key).copied().unwrap_or_default();
        flow(counter, before, seconds)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn counter(packets: u64, bytes: u64) -> PacketCounter {
        PacketCounter { packets, bytes }
    }

    #[test]
    fn a_rate_is_the_growth_by_the_time() {
        let Flow { rate, total } = flow(counter(1500, 90_000), counter(1000, 60_000), Some(0.5));
        assert_eq!((rate.packets, rate.bytes), (1000.0, 60_000.0));
        assert_eq!(total, counter(1500, 90_000));
    }

    #[test]
    fn a_counter_that_is_lower_than_it_was_has_begun_anew() {
        let flow = flow(counter(10, 600), counter(1_000_000, 60_000_000), Some(1.0));
        assert_eq!((flow.rate.packets, flow.rate.bytes), (10.0, 600.0));
    }

    #[test]
    fn without_anything_to_compare_with_there_is_no_rate() {
        let now = Instant::now();
        assert_eq!(Baseline::<()>::Unknown.seconds(now), None);
        assert_eq!(Baseline::<()>::Zero(now).seconds(now), None, "no time");
        assert_eq!(
            flow(counter(5, 5), counter(0, 0), None).rate,
            Rate::default()
        );
        let then = now - Duration::from_secs(2);
        assert_eq!(Baseline::<()>::Zero(then).seconds(now), Some(2.0));
    }

    #[test]
    fn a_key_that_was_not_there_began_at_zero() {
        let before = [('a', counter(100, 1000))].into_iter();
        let now = [('a', counter(103, 1030)), ('b', counter(7, 70))].into_iter();
        let flows = keyed_flows(now, before, Some(1.0));
        let rates: Vec<f64> = flows.iter().map(|flow| flow.rate.packets).collect();
        assert_eq!(rates, [3.0, 7.0]);
    }
}
