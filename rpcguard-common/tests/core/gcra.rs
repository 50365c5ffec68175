//! A rate limit in one number.

use proptest::{collection::vec, prelude::*};
use rpcguard_common::gcra::{MAX_TOLERANCE, charged, conforms, latest, tolerance};

use crate::tables::{config, steps};

/// The other formulation of the same algorithm, as a bucket that leaks (ITU-T I.371, figure A.1).
#[derive(Default)]
struct LeakyBucket {
    content: i128,
    last_conforming: i128,
}

impl LeakyBucket {
    fn conforms(&mut self, now: u64, period: u64, tolerance: u64) -> bool {
        let now = i128::from(now);
        let content = self.content - (now - self.last_conforming);
        if content > i128::from(tolerance) {
            return false;
        }
        self.content = content.max(0) + i128::from(period);
        self.last_conforming = now;
        true
    }
}

proptest! {
    #![proptest_config(config(1024))]

    #[test]
    fn the_cell_says_what_a_leaky_bucket_says(
        start in 0_u64..1 << 60,
        period in 1_u64..4_000_000_000_000,
        burst in 1_u32..200,
        // In hundredths of the period.
        pauses in vec(prop_oneof![3 => Just(0_u64), 6 => 0..150_u64, 1 => 0..40_000_u64], 1..steps(400)),
    ) {
        let tolerance = tolerance(burst, period);
        let mut bucket = LeakyBucket { content: 0, last_conforming: i128::from(start) };
        let mut cell = 0;
        let mut now = start;
        for pause in pauses {
            now += pause * (period / 100).max(1);
            let admitted = conforms(cell, now, tolerance);
            prop_assert_eq!(admitted, bucket.conforms(now, period, tolerance));
            if admitted {
                cell = charged(cell, now, period);
            }
            prop_assert!(cell <= latest(now, period, tolerance));
        }
    }
}

#[test]
fn a_burst_is_as_many_packets_as_it_says() {
    for period in [1, 1000, 200_000_000, 3_600_000_000_000] {
        for burst in [1, 2, 20, 1000] {
            let tolerance = tolerance(burst, period);
            let mut cell = 0;
            let now = 1 << 50;
            let admitted = (0..2 * burst).filter(|_| {
                let conforms = conforms(cell, now, tolerance);
                if conforms {
                    cell = charged(cell, now, period);
                }
                conforms
            });
            assert_eq!(admitted.count() as u32, burst, "period {period}");
        }
    }
}

/// A million packets, one an hour, would be a tolerance of a century and more.
#[test]
fn a_tolerance_is_bounded() {
    const HOUR: u64 = 3_600_000_000_000;
    assert_eq!(tolerance(0, HOUR), 0);
    assert_eq!(tolerance(1, HOUR), 0);
    assert_eq!(tolerance(1_000, HOUR), 999 * HOUR);
    assert_eq!(tolerance(1_000_000, HOUR), MAX_TOLERANCE);
    assert_eq!(tolerance(u32::MAX, u64::MAX), MAX_TOLERANCE);
    // Nothing overflows after three centuries without reboot.
    let now = 3 * MAX_TOLERANCE;
    assert!(latest(now, HOUR, MAX_TOLERANCE) > now);
    assert!(conforms(latest(now, 0, MAX_TOLERANCE), now, MAX_TOLERANCE));
}
