//! Which drops are looked at closely, and what is made of them.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};
use rpcguard_common::{
    abi::{SOURCE_SETS, Sampler, SourceSet},
    hash::hash,
    policy::Address,
    sampling::{Aggregate, MAX_STRETCH},
};

use crate::tables::{config, steps};

/// A sampler, its clock, and what it has seen.
#[derive(Default)]
struct Sampling {
    sampler: Sampler,
    now: u64,
    drops: u64,
    /// Drops and weights of the samples.
    samples: Vec<(u64, u32)>,
}

impl Sampling {
    /// A drop, so many nanoseconds after the last one.
    fn drop(&mut self, pause: u64) {
        self.now += pause;
        self.drops += 1;
        if self.sampler.is_due() {
            let random = hash(self.now ^ self.drops, 7) as u32;
            let weight = self.sampler.sample(self.now, random);
            self.samples.push((self.drops, weight));
        }
    }

    fn drops(pause: u64, count: u64) -> Self {
        let mut sampling = Self::default();
        for _ in 0..count {
            sampling.drop(pause);
        }
        sampling
    }

    fn weights(&self) -> u64 {
        self.samples
            .iter()
            .map(|(_, weight)| u64::from(*weight))
            .sum()
    }
}

const SECOND: u64 = 1_000_000_000;

proptest! {
    #![proptest_config(config(256))]

    /// At any time, whatever the rate has been.
    #[test]
    fn weights_add_up_to_the_drops(
        phases in vec((prop_oneof![1..2_000_u64, 1..2 * SECOND], 0..steps(3_000)), 1..6),
    ) {
        let mut sampling = Sampling::default();
        let mut weights = 0;
        for (pause, count) in phases {
            for _ in 0..count {
                let samples = sampling.samples.len();
                sampling.drop(pause);
                weights += sampling.samples[samples..].iter().map(|(_, weight)| *weight).sum::<u32>();
                let missing = i64::from(weights) - sampling.drops as i64;
                prop_assert!(missing.abs() < i64::from(MAX_STRETCH), "{missing}");
            }
        }
    }

    /// Entries of a set say at most too much, and by no more than they admit.
    #[test]
    fn a_source_sent_at_most_its_packets_and_at_least_those_less_the_excess(
        stream in vec((0..40_u64, 1..64_u64), 0..steps(2_000)),
    ) {
        let mut set = SourceSet::default();
        let mut sent: HashMap<u64, u64> = HashMap::new();
        let mut all = 0;
        for (source, packets) in stream {
            // Most of them from few.
            let source = source * source / 40;
            set.add(source, packets, 100 * packets);
            *sent.entry(source).or_default() += packets;
            all += packets;
            prop_assert_eq!(set.entries.iter().map(|entry| entry.packets).sum::<u64>(), all);
        }
        check(&set, &sent)?;
    }

    /// Newcomers again and again, each just after it was forgotten.
    #[test]
    fn an_adversarial_stream_does_not_break_the_bounds(count in 1..steps(3_000) as u64, cycle in 1..20_u64) {
        let mut set = SourceSet::default();
        let mut sent: HashMap<u64, u64> = HashMap::new();
        for number in 0..count {
            let source = number % cycle;
            set.add(source, 1, 100);
            *sent.entry(source).or_default() += 1;
        }
        check(&set, &sent)?;
    }
}

fn check(set: &SourceSet, sent: &HashMap<u64, u64>) -> Result<(), TestCaseError> {
    let used = || set.entries.iter().filter(|entry| entry.packets != 0);
    let fewest = set
        .entries
        .iter()
        .map(|entry| entry.packets)
        .min()
        .unwrap_or(0);
    for (source, sent) in sent {
        let mut entries = used().filter(|entry| entry.prefix == *source);
        match entries.next() {
            Some(entry) => {
                prop_assert!(entry.packets - entry.excess <= *sent && *sent <= entry.packets);
                prop_assert_eq!(entry.bytes, 100 * (entry.packets - entry.excess));
            }
            None => prop_assert!(
                *sent <= fewest,
                "a forgotten source sent more than a known one"
            ),
        }
        prop_assert_eq!(entries.next(), None, "twice in the set");
    }
    Ok(())
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn few_drops_are_all_looked_at_and_of_a_flood_one_in_a_stretch() {
    for (rate, expected) in [
        (1, 1..=1),
        (1_000, 1..=1),
        (10_000, 1..=1),
        (100_000, 1..=4),
        (1_000_000, 8..=128),
        (10_000_000, 110..=128),
    ] {
        let sampling = Sampling::drops(SECOND / rate, 1_000_000);
        let stretch = sampling.drops / sampling.samples.len() as u64;
        println!("{rate} drops a second: one sample for {stretch}");
        assert!(expected.contains(&stretch), "{stretch} at {rate} a second");
    }
}

#[test]
#[cfg_attr(miri, ignore = "simulates a flood")]
fn after_a_flood_every_drop_is_looked_at_again() {
    let mut sampling = Sampling::drops(100, 100_000);
    let pauses = 2 * u64::from(MAX_STRETCH);
    let samples = sampling.samples.len();
    for _ in 0..pauses {
        sampling.drop(SECOND);
    }
    assert!(
        sampling.samples.len() > samples,
        "what was left of two stretches at most"
    );
    let samples = sampling.samples.len();
    for _ in 0..pauses {
        sampling.drop(SECOND);
    }
    assert_eq!(sampling.samples.len() - samples, pauses as usize);
}

/// A flood that has gone on for long leaves room for whom it turns to next.
#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn a_source_that_comes_late_is_noticed_among_random_ones() {
    const SAMPLES: u64 = 300_000;
    const LATE: u64 = u64::MAX;
    let mut sets = vec![SourceSet::default(); SOURCE_SETS as usize];
    let index = |source: u64| hash(source, 1) as usize % SOURCE_SETS as usize;
    let mut sent = 0;
    for sample in 0..2 * SAMPLES {
        let random = hash(sample, 2);
        // One in a hundred, from the middle on.
        let source = match sample > SAMPLES && random.is_multiple_of(100) {
            true => LATE,
            false => random,
        };
        sent += 64 * u64::from(source == LATE);
        sets[index(source)].add(source, 64, 6_400);
    }
    let mut entries = sets[index(LATE)].entries.iter();
    let entry = entries
        .find(|entry| entry.prefix == LATE)
        .expect("a known source");
    let error = (entry.packets - entry.excess) as f64 / sent as f64 - 1.0;
    println!(
        "one in a hundred, from the middle of a flood on: {:+.2}%",
        100.0 * error
    );
    assert!(error.abs() < 0.05, "{error}");
}

/// A source whose packets come at the same place of every stretch is neither missed nor blamed for all.
#[test]
fn a_regular_flood_is_not_misjudged() {
    let drops: u64 = if cfg!(miri) { 10_000 } else { 4_000_000 };
    for cycle in [2, 32, 64, 128, 1000] {
        let sampling = Sampling::drops(100, drops);
        let regular: u64 = sampling
            .samples
            .iter()
            .filter(|(number, _)| number % cycle == 0)
            .map(|(_, weight)| u64::from(*weight))
            .sum();
        let (expected, share) = (drops / cycle, sampling.weights() / cycle);
        let error = regular as f64 / expected as f64 - 1.0;
        println!("every {cycle}th drop: {regular} estimated, {expected} sent ({error:+.3})");
        // Four standard deviations of as many samples.
        let samples = share as f64 / f64::from(MAX_STRETCH);
        assert!(cfg!(miri) || error.abs() < 4.0 / samples.sqrt(), "{error}");
    }
}

#[test]
fn a_source_is_added_up_under_itself_and_its_neighbourhood() {
    assert_eq!(
        Aggregate::of(Address::V4([198, 51, 100, 7])),
        [
            (Aggregate::HostV4, 0xc633_6407),
            (Aggregate::NeighbourhoodV4, 0xc633_6400)
        ]
    );
    let address = [
        0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];
    assert_eq!(
        Aggregate::of(Address::V6(address)),
        [
            (Aggregate::HostV6, 0x2001_0db8_0102_0304),
            (Aggregate::NeighbourhoodV6, 0x2001_0db8_0102_0000)
        ]
    );
    for (number, aggregate) in Aggregate::ALL.into_iter().enumerate() {
        assert_eq!(aggregate as usize, number);
    }
    assert_eq!(Aggregate::ALL.map(Aggregate::length), [32, 24, 64, 48]);
}
