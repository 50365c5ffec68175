//! Who was seen some seconds ago.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use rpcguard_common::{
    hash::hash,
    sightings::{HASH_BITS, LIBTIRPC, MOUNT_NFS, mark, moved_on, slice, was_seen},
};

use crate::tables::config;

const SECOND: u64 = 1_000_000_000;

/// Notes a hash in a word; returns the word before, as of now.
fn note(word: &mut u64, hash: u64, slice: u64) -> u64 {
    let now = moved_on(*word, slice);
    *word = now | mark(hash);
    now
}

proptest! {
    #![proptest_config(config(2048))]

    /// What is seen is what set both bits at the time, or others that did together; nothing is lost.
    #[test]
    fn a_word_holds_the_last_seven_slices(
        start in 0..1_000_u64,
        sightings in vec((prop_oneof![3 => Just(0), 3 => 1..3_u64, 1 => 3..200_u64], 0_u64..64), 0..60),
    ) {
        let mut bits: BTreeSet<(u64, u64)> = BTreeSet::new();
        let mut word = moved_on(0, start);
        let mut slice = start;
        for (pause, hash) in sightings {
            slice += pause;
            let now = note(&mut word, hash, slice);
            let both = [hash & 7, hash >> 3];
            for ago in 0..7 {
                let expected = both
                    .iter()
                    .all(|bit| slice.checked_sub(ago).is_some_and(|at| bits.contains(&(at, *bit))));
                prop_assert_eq!(was_seen(now, mark(hash), ago), expected, "{} slices ago", ago);
            }
            bits.extend(both.map(|bit| (slice, bit)));
        }
    }
}

#[test]
fn a_mark_depends_on_the_lowest_bits_of_a_hash_alone() {
    for low in 0..1 << HASH_BITS {
        assert_eq!(mark(low | u64::MAX << HASH_BITS), mark(low));
    }
    let marks: BTreeSet<u64> = (0..1 << HASH_BITS).map(mark).collect();
    // Two of eight bits in any order, or one twice.
    assert_eq!(marks.len(), 8 * 7 / 2 + 8);
}

/// libtirpc asks again after 15.0 seconds, and a little for the way.
#[test]
#[cfg_attr(miri, ignore = "simulates a flood")]
fn who_asks_again_is_recognised() {
    const CLIENTS: u64 = 100_000;
    for (name, pause, slices_ago) in [
        ("libtirpc", 15 * SECOND, &[LIBTIRPC][..]),
        ("mount.nfs", SECOND, &[0, MOUNT_NFS]),
    ] {
        for late in [0, SECOND / 1000, SECOND / 50] {
            let recognised = (0..CLIENTS).filter(|client| {
                let first = hash(*client, 1) % (1_000_000 * SECOND);
                let mut word = 0;
                note(&mut word, *client, slice(first));
                let now = note(&mut word, *client, slice(first + pause + late));
                slices_ago
                    .iter()
                    .any(|ago| was_seen(now, mark(*client), *ago))
            });
            let share = recognised.count() as f64 / CLIENTS as f64;
            println!(
                "{name}, late by {} ms: {:.2}% recognised",
                late / 1_000_000,
                100.0 * share
            );
            assert!(share > 0.99, "{name}: {share}");
        }
    }
}

/// The clock of the slices neither drifts nor jumps.
#[test]
fn a_slice_is_two_and_a_half_seconds() {
    for time in [0, 15 * SECOND, 86_400 * SECOND, 10 * 365 * 86_400 * SECOND] {
        let begun = slice(time);
        let length = (0..10_000)
            .map(|step| time + step * SECOND / 1_000)
            .filter(|time| slice(*time) == begun + 1);
        let milliseconds = length.count();
        assert!(
            (2_498..=2_502).contains(&milliseconds),
            "{milliseconds} at {time}"
        );
    }
}

/// How many strangers are taken for somebody who asks again, by how many share a word in a slice.
#[test]
fn strangers_are_mistaken_for_others_no_more_often_than_chance_has_it() {
    const WORDS: u64 = if cfg!(miri) { 10 } else { 50_000 };
    for sharing in [1, 2, 4] {
        let mut mistaken = 0;
        for number in 0..WORDS {
            let mut word = 0;
            for ago in 0..7 {
                for other in 0..sharing {
                    note(
                        &mut word,
                        hash(number << 8 | ago << 4 | other, 2),
                        100 + ago,
                    );
                }
            }
            let stranger = mark(hash(number, 3));
            mistaken += u64::from(was_seen(moved_on(word, 106), stranger, LIBTIRPC));
        }
        let rate = mistaken as f64 / WORDS as f64;
        // As if bits were set independently of each other, which is a little more.
        let bit = 1.0 - (7.0_f64 / 8.0).powi(2 * sharing as i32);
        let expected = bit * bit * 7.0 / 8.0 + bit / 8.0;
        println!(
            "{sharing} in a word and slice: {:.1}% of strangers are mistaken",
            100.0 * rate
        );
        // Ten words tell nothing about chance.
        assert!(
            cfg!(miri) || rate < 1.05 * expected,
            "{rate}, not {expected}"
        );
    }
}
