//! Interfaces that cannot be guarded yet.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// After what time to try again at first, and at most.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);

/// The interfaces that could not be guarded, and when to try again.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    waiting: BTreeMap<u32, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    pause: Duration,
    due: Instant,
    why: String,
}

impl Backoff {
    /// Whether an interface may be tried.
    pub(super) fn is_due(&self, index: u32, now: Instant) -> bool {
        self.waiting
            .get(&index)
            .is_none_or(|waiting| waiting.due <= now)
    }

    /// Takes note of a failure; true if it is to be told of, since it is the first of its kind.
    pub(super) fn failed(&mut self, index: u32, why: String, now: Instant) -> bool {
        let before = self.waiting.get(&index);
        let pause = before.map_or(FIRST, |before| (2 * before.pause).min(LAST));
        self.wait(index, pause, why, now)
    }

    /// Takes note of something that passes by itself, and is looked at again soon; true if it is to be told of.
    pub(super) fn postponed(&mut self, index: u32, why: String, now: Instant) -> bool {
        self.wait(index, FIRST, why, now)
    }

    fn wait(&mut self, index: u32, pause: Duration, why: String, now: Instant) -> bool {
        let before = self.waiting.get(&index);
        let is_new = before.is_none_or(|before| before.why != why);
        let due = now + pause;
        self.waiting.insert(index, Waiting { pause, due, why });
        is_new
    }

    /// Forgets all interfaces but those of which this is true.
    pub(super) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        self.waiting.retain(|index, _| keep(*index));
    }

    /// Has all of them tried at the next opportunity.
    pub(super) fn all_due(&mut self, now: Instant) {
        for waiting in self.waiting.values_mut() {
            waiting.due = now;
        }
    }

    /// When to try the next one.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_a_failure_is_told_of_once() {
        let mut backoff = Backoff::default();
        let mut now = Instant::now();
        assert!(backoff.is_due(1, now));
        assert!(backoff.failed(1, "no".to_owned(), now));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let due = backoff.next().unwrap();
            assert!(!backoff.is_due(1, now) && backoff.is_due(1, due));
            pauses.push((due - now).as_secs());
            now = due;
            assert!(!backoff.failed(1, "no".to_owned(), now));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(backoff.failed(1, "something else".to_owned(), now));
        for is_first in [true, false, false] {
            assert_eq!(backoff.postponed(1, "not yet".to_owned(), now), is_first);
            assert_eq!(backoff.next(), Some(now + FIRST));
        }
        backoff.retain(|index| index != 1);
        assert_eq!((backoff.count(), backoff.next()), (0, None));
    }
}
