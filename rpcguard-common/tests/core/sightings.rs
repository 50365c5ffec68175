//! Who was seen lately.

use std::collections::VecDeque;

use proptest::{collection::vec, prelude::*};
use rpcguard_common::{
    hash::hash,
    sightings::{HASH_BITS, sight},
};

use crate::tables::config;

const PLACES: usize = 5;

/// The same, plainly: the latest first.
#[derive(Default)]
struct Queue(VecDeque<u64>);

impl Queue {
    fn sight(&mut self, hash: u64) -> bool {
        let fingerprint = (hash % (1 << HASH_BITS)).max(1);
        let seen = self.0.contains(&fingerprint);
        if !self.0.iter().take(2).any(|latest| *latest == fingerprint) {
            self.0.push_front(fingerprint);
            self.0.truncate(PLACES);
        }
        seen
    }
}

proptest! {
    #![proptest_config(config(2048))]

    #[test]
    fn a_word_is_a_queue_of_five(
        // Few, so that they come again; among them those that differ by one, or by a bit.
        hashes in vec(prop_oneof![4 => 0..9_u64, 2 => 4088..4100_u64, 1 => any::<u64>()], 0..100),
    ) {
        let mut queue = Queue::default();
        let mut word = 0;
        for hash in hashes {
            let (seen, after) = sight(word, hash);
            prop_assert_eq!(seen, queue.sight(hash));
            word = after;
        }
    }

    #[test]
    fn the_last_two_are_never_lost(word: u64, before in vec(any::<u64>(), 0..8), one: u64, other: u64) {
        let see = |word, hash: &u64| sight(word, *hash).1;
        let word = before.iter().fold(word >> 4, see);
        let word = see(see(word, &one), &other);
        prop_assert!(sight(word, one).0 && sight(word, other).0);
        // And looking at them changes nothing.
        prop_assert_eq!(see(see(word, &one), &other), word);
    }
}

#[test]
fn a_stranger_is_mistaken_for_another_in_five_of_4095_cases() {
    let strangers: u64 = if cfg!(miri) { 1000 } else { 2_000_000 };
    let mut word = 0;
    let mut mistaken = 0;
    for stranger in 0..strangers {
        let (seen, after) = sight(word, hash(stranger, 1));
        mistaken += u64::from(seen);
        word = after;
    }
    let rate = mistaken as f64 / strangers as f64;
    println!("{mistaken} of {strangers} strangers were taken for another: {rate:.5}");
    let expected = PLACES as f64 / 4095.0;
    assert!(
        cfg!(miri) || (rate / expected - 1.0).abs() < 0.1,
        "{rate}, not {expected}"
    );
}
