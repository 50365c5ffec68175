//! Many sources at once: what holds whatever they send.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};
use rpcguard_common::{
    abi::{LIMIT_CELLS, Limit},
    hash::hash,
    limiter::TICK,
    policy::Address,
    sampling::Aggregate,
};

use super::{Limiter, SECOND, limit, no_limit, v4, v6};
use crate::tables::config;

/// Few neighbourhoods of few sources, so that every limit is reached.
fn source() -> impl Strategy<Value = Address> {
    let number = (0..6_u32, 0..6_u32);
    prop_oneof![
        number.clone().prop_map(|(near, host)| v4(near << 8 | host)),
        number.prop_map(|(near, host)| v6(u64::from(near) << 16 | u64::from(host), host.into())),
    ]
}

/// The most that a limit admits in a time, by a clock that is late.
fn most(limit: &Limit, elapsed: u64) -> u64 {
    u64::from(limit.burst) + (elapsed + TICK) / limit.period
}

fn any_limit() -> impl Strategy<Value = Limit> {
    (1..2_000_u32, 1..60_u32).prop_map(|(rate, burst)| limit(rate, 1, burst))
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn no_limit_is_ever_exceeded(
        limits in (any_limit(), any_limit(), any_limit()),
        calls in vec((source(), 0..9_u32, prop_oneof![2 => Just(0), 2 => 0..1_000_000_u64, 1 => 0..SECOND]), 1..600),
    ) {
        let limiter = Limiter::new(limits.0, limits.1, limits.2);
        let start = limiter.memory.time.get();
        let mut total = 0;
        let mut served: [HashMap<_, u64>; 2] = Default::default();
        for (source, call, pause) in calls {
            limiter.pass_time(pause);
            if !limiter.admits_call(source, call) {
                continue;
            }
            let elapsed = limiter.memory.time.get() - start;
            total += 1;
            prop_assert!(total <= most(&limits.2, elapsed));
            let tiers = Aggregate::of(source).into_iter().zip(&mut served);
            for ((aggregate, served), limit) in tiers.zip([&limits.0, &limits.1]) {
                let served = served.entry(aggregate).or_default();
                *served += 1;
                prop_assert!(*served <= most(limit, elapsed), "{aggregate:?}");
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn ten_thousand_sources_get_no_more_than_the_total() {
    const SECONDS: u32 = 10;
    let limiter = Limiter::by_default();
    let mut admitted = 0;
    for call in 0..2 * 10_000 * SECONDS {
        let source = hash(u64::from(call % 10_000), 1) as u32;
        admitted += limiter.admitted(v4(source), 1);
        limiter.pass_time(SECOND / 20_000);
    }
    let most = 400 + 200 * SECONDS;
    println!("10,000 sources, 20,000 calls/s: {admitted} of at most {most} in {SECONDS} s");
    assert!(admitted <= most + 2, "{admitted}");
    // All but the reserves of those that come back moderately.
    assert!(admitted >= 200 * SECONDS, "{admitted}");
}

/// More than four times as many as there are cells.
const MANY: u32 = 300_000;

fn one_of_many(number: u32) -> Address {
    v4(hash(number.into(), 2) as u32)
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn more_sources_than_cells_do_not_lift_the_limit_of_any() {
    const { assert!(MANY > 4 * LIMIT_CELLS) }
    let limiter = Limiter::new(limit(5, 1, 20), limit(1_000, 1, 1_000), no_limit());
    let mut most = 0;
    for number in 0..MANY {
        most = most.max(limiter.admitted(one_of_many(number), 30));
        limiter.pass_time(1_000);
    }
    // Nor does going by let anybody begin anew.
    let again: u32 = (0..1_000)
        .map(|number| limiter.admitted(one_of_many(number), 30))
        .sum();
    println!(
        "of {MANY} sources, none got more than {most} at once; a thousand of them then {again}"
    );
    assert_eq!(most, 20);
    assert!(again < 4_000, "{again}");
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn more_sources_than_cells_do_not_shut_anybody_out() {
    // Used up by everybody...
    let limiter = Limiter::new(limit(5, 1, 20), limit(40, 1, 160), no_limit());
    for number in 0..MANY {
        limiter.admitted(one_of_many(number), 2);
        limiter.pass_time(10_000);
    }
    // ... and after a second, fresh ones find what they need.
    limiter.pass_time(SECOND);
    let fresh = 100_000;
    let served: u32 = (0..fresh)
        .map(|number| limiter.admitted(one_of_many(MANY + number), 1))
        .sum();
    println!("after {MANY} sources, {served} of {fresh} fresh ones are served at once");
    assert!(f64::from(served) > 0.999 * f64::from(fresh), "{served}");
}
