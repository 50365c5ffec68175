//! One source, and nobody else.

use rpcguard_common::{abi::Limit, gcra::MAX_TOLERANCE, limiter::TICK};

use super::{Limiter, SECOND, limit, v4, v6};

/// From the smallest to the largest that there is, and some whose period is no whole number.
const RATES: [(u32, u32); 14] = [
    (1, 3600),
    (20, 3600),
    (1, 60),
    (100, 60),
    (1, 1),
    (5, 1),
    (7, 1),
    (99, 1),
    (999, 1),
    (1_000, 1),
    (33_333, 1),
    (100_000, 1),
    (999_999, 1),
    (1_000_000, 1),
];

const BURSTS: [u32; 6] = [1, 2, 3, 20, 1_000, 100_000];

fn rates_and_bursts() -> impl Iterator<Item = Limit> {
    let limits = |(packets, seconds)| BURSTS.map(|burst| limit(packets, seconds, burst));
    RATES.into_iter().flat_map(limits)
}

/// A burst that would take longer to be earned again is cut.
fn within_ten_years(limit: &Limit) -> u32 {
    let most = 1 + MAX_TOLERANCE / limit.period;
    u32::try_from(most).map_or(limit.burst, |most| limit.burst.min(most))
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn it_gets_its_burst_exactly() {
    for limit in rates_and_bursts() {
        let limiter = Limiter::of_sources(limit);
        for source in [v4(0xc633_6407), v6(0x2001_0db8_000b_0000, 7)] {
            let burst = within_ten_years(&limit);
            let admitted = limiter.admitted(source, burst + 100);
            assert_eq!(admitted, burst, "{limit:?}");
            // After a pause that is long enough, again.
            limiter.pass_time((u64::from(burst) + 1) * limit.period + SECOND);
            assert_eq!(limiter.admitted(source, burst + 100), burst);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn it_gets_its_rate_exactly() {
    let mut worst: f64 = 0.0;
    for limit in rates_and_bursts() {
        let limiter = Limiter::of_sources(limit);
        let source = v4(0xc633_6407);
        limiter.admitted(source, 2 * limit.burst);
        // As it was asked for; then four times as many calls, for so long that a late clock is no
        // excuse.
        let period = f64::from(limit.seconds) * SECOND as f64 / f64::from(limit.packets);
        let periods = (50.0 * TICK as f64 / period).ceil().max(4_000.0) as u32;
        let start = limiter.memory.time.get();
        let mut admitted = 0;
        for call in 1..=4 * periods {
            let time = (f64::from(call) * period / 4.0) as u64;
            limiter.memory.time.set(start + time);
            admitted += limiter.admitted(source, 1);
        }
        let error = f64::from(admitted) / f64::from(periods) - 1.0;
        if error.abs() > worst.abs() {
            worst = error;
        }
        assert!(error.abs() <= 0.02, "{error:+.5} with {limit:?}");
    }
    let limits = RATES.len() * BURSTS.len();
    println!(
        "of {limits} limits, the worst is off by {:+.2}%",
        100.0 * worst
    );
}

#[test]
fn below_its_rate_nothing_is_refused() {
    for limit in rates_and_bursts() {
        let limiter = Limiter::of_sources(limit);
        for _ in 0..200 {
            assert!(limiter.admits(v4(7)), "{limit:?}");
            limiter.pass_time(limit.period);
        }
    }
}

#[test]
fn a_limit_that_is_changed_holds_at_once() {
    // Used up for two years, then raised.
    let mut limiter = Limiter::of_sources(limit(1, 3600, 20_000));
    let source = v4(7);
    assert_eq!(limiter.admitted(source, 30_000), 20_000);
    limiter.limits.source = limit(5, 1, 20);
    let mut admitted = 0;
    for _ in 0..10 {
        admitted += limiter.admitted(source, 10);
        limiter.pass_time(SECOND);
    }
    println!("in the ten seconds after the change, {admitted} of 50 are served");
    assert!((44..=50).contains(&admitted), "{admitted}");
    // Lowered again: no more than the new burst is left.
    limiter.pass_time(100 * SECOND);
    limiter.limits.source = limit(1, 60, 3);
    assert_eq!(limiter.admitted(source, 100), 3);
}

/// The same for the limits that sources share.
#[test]
fn a_total_that_is_changed_holds_at_once() {
    let mut limiter = Limiter::new(limit(50, 1, 50), limit(50, 1, 50), limit(1, 3600, 400));
    for number in 0..1_000 {
        limiter.admits(v4(number << 16));
    }
    limiter.pass_time(SECOND);
    limiter.limits.total = limit(200, 1, 400);
    let mut admitted = 0;
    for number in 0..1_000 {
        admitted += limiter.admitted(v4(number << 16), 1);
        limiter.pass_time(SECOND / 100);
    }
    println!("in the ten seconds after the change, {admitted} of 1000 are served");
    // The reserves fill up first, for those that nobody here is.
    assert!(admitted > 850, "{admitted}");
}
