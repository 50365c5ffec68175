//! Samples of drops, and their sources.

use std::collections::HashMap;

use arbitrary::{Arbitrary as _, Result, Unstructured};
use rpcguard_common::{
    abi::{Sampler, SourceSet},
    sampling::MAX_STRETCH,
};

/// Whatever the clock and the random numbers say.
pub(crate) fn samples_stand_for_all_drops(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut sampler = Sampler::default();
    let mut now = 0_u64;
    let [mut drops, mut weights] = [0_i64; 2];
    while !bytes.is_empty() {
        let pause = match u8::arbitrary(bytes)? {
            // Also back in time.
            0xff => u64::arbitrary(bytes)?,
            small => u64::from(small) * 1000,
        };
        let random = u32::arbitrary(bytes)?;
        // Short pauses are what makes stretches long.
        let count = if pause < 20_000 { 200 } else { 1 };
        for _ in 0..count {
            now = now.wrapping_add(pause);
            drops += 1;
            if sampler.is_due() {
                let weight = sampler.sample(now, random.rotate_left(drops as u32));
                assert!(weight.is_power_of_two() && weight <= MAX_STRETCH);
                weights += i64::from(weight);
            }
            let missing = weights - drops;
            assert!(missing.abs() < i64::from(MAX_STRETCH), "{missing}");
        }
    }
    Ok(())
}

/// What is known of a source is at most too much, and by no more than is said.
pub(crate) fn sources_sent_about_as_much(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut set = SourceSet::default();
    let mut sent: HashMap<u64, u64> = HashMap::new();
    while !bytes.is_empty() {
        let prefix = u64::arbitrary(bytes)? % 32;
        let packets = u64::from(u32::arbitrary(bytes)?) + 1;
        set.add(prefix, packets, packets * 60);
        *sent.entry(prefix).or_default() += packets;
        let all: u64 = sent.values().sum();
        assert_eq!(set.entries.iter().map(|e| e.packets).sum::<u64>(), all);
        for entry in set.entries.iter().filter(|entry| entry.packets != 0) {
            let exact = sent[&entry.prefix];
            assert!(entry.packets - entry.excess <= exact && exact <= entry.packets);
            assert_eq!(entry.bytes, (entry.packets - entry.excess) * 60);
        }
    }
    Ok(())
}
