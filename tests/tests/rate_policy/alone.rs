//! One source, and nobody else, gets its rate and its burst.

use std::{net::IpAddr, time::Duration};

use rpcguard_tests::{
    kernel::{Kernel, Program},
    packet::peers::{STRANGER_V4, STRANGER_V6},
};

use crate::bench::{ample, call_from, count, kernel, limit, measure, offer, policy, turn};

const SOURCES: [IpAddr; 2] = [IpAddr::V4(STRANGER_V4), IpAddr::V6(STRANGER_V6)];

/// A kernel in which only sources are limited.
fn limiting_sources(test: &str, rate: &str, burst: u32) -> Option<Kernel> {
    kernel(test, policy(limit(rate, burst), ample(), ample()))
}

/// How long each limit is measured. Bursts are of a second, so that nothing is lost when the machine
/// offers nothing for a while.
const TIME: Duration = Duration::from_millis(600);

/// What a kernel admits of one source, in terms of its rate.
fn share(name: &str, kernel: &Kernel, program: Program, source: IpAddr, rate: u32) -> f64 {
    let frame = call_from(source, 1);
    let run = measure(kernel, TIME, |enough| {
        offer(kernel, program, &frame, enough);
    });
    let share = run.rate() / f64::from(rate);
    println!(
        "{name}, {source}: {} of {} admitted in {:.3} s, {:+.2}%",
        run.admitted,
        run.offered,
        run.elapsed.as_secs_f64(),
        100.0 * (share - 1.0)
    );
    share
}

#[test]
fn one_source_gets_its_rate_to_within_two_percent() {
    const TEST: &str = "one_source_gets_its_rate_to_within_two_percent";
    let Some(_turn) = turn(TEST, 2) else { return };
    for rate in [1_000, 10_000, 100_000] {
        for (source, program) in SOURCES.into_iter().zip([Program::Linear, Program::Frags]) {
            let Some(kernel) = limiting_sources(TEST, &format!("{rate}/s"), rate) else {
                return;
            };
            let share = share(&format!("{rate}/s"), &kernel, program, source, rate);
            assert!((share - 1.0).abs() < 0.02, "{share}");
        }
    }
}

/// With a burst of one, each moment in which nothing is offered is lost: it is what the machine had
/// other work for.
#[test]
fn a_burst_of_one_is_never_exceeded() {
    const TEST: &str = "a_burst_of_one_is_never_exceeded";
    let Some(_turn) = turn(TEST, 2) else { return };
    for rate in [50, 1_000] {
        let Some(kernel) = limiting_sources(TEST, &format!("{rate}/s"), 1) else {
            return;
        };
        let name = format!("{rate}/s, burst 1");
        let share = share(&name, &kernel, Program::Linear, SOURCES[0], rate);
        // In the time that is measured there may be one more than the rate.
        let one = 1.0 / (f64::from(rate) * TIME.as_secs_f64());
        assert!(share <= 1.01 + one && share > 0.0, "{share}");
    }
}

#[test]
fn one_source_gets_its_burst_exactly() {
    const TEST: &str = "one_source_gets_its_burst_exactly";
    let Some(_turn) = turn(TEST, 1) else { return };
    for burst in [1, 2, 20, 1_000, 100_000] {
        for (source, program) in SOURCES.into_iter().zip([Program::Linear, Program::Frags]) {
            let Some(kernel) = limiting_sources(TEST, "1/h", burst) else {
                return;
            };
            let frame = call_from(source, 1);
            let run = count(&kernel, || {
                kernel.repeat(program, &frame, 2 * burst + 100).unwrap();
            });
            println!(
                "burst {burst}, {source}: {} of {}",
                run.admitted, run.offered
            );
            // A tenth of a million packets of one an hour is more than ten years.
            assert_eq!(run.admitted, u64::from(burst).min(87_601));
        }
    }
}

/// A neighbourhood and all together are limited no less exactly than a source.
#[test]
fn every_tier_keeps_its_rate_to_within_two_percent() {
    const TEST: &str = "every_tier_keeps_its_rate_to_within_two_percent";
    const RATE: u32 = 5_000;
    let Some(_turn) = turn(TEST, 2) else { return };
    let narrow = || limit(&format!("{RATE}/s"), RATE);
    for (tier, limits) in [
        ("source", policy(narrow(), ample(), ample())),
        ("neighbourhood", policy(ample(), narrow(), ample())),
        ("total", policy(ample(), ample(), narrow())),
    ] {
        let Some(kernel) = kernel(TEST, limits) else {
            return;
        };
        let share = share(tier, &kernel, Program::Linear, SOURCES[0], RATE);
        assert!((share - 1.0).abs() < 0.02, "{tier}: {share}");
    }
}
