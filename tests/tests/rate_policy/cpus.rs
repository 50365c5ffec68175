//! Two CPUs at once admit hardly more than one.

use std::time::Duration;

use rpcguard::policy::RateLimit;
use rpcguard_tests::{kernel::Program, lab::Lab, packet::peers::STRANGER_V4};

use crate::{
    bench::{Run, ample, call_from, kernel, limit, measure, offer, on_two_cpus, policy, turn},
    many::{UNTIL_ENOUGH, Wire},
};

const TIME: Duration = Duration::from_millis(800);

/// The limit that is measured.
const RATE: u32 = 20_000;
/// Enough for times in which the machine has other work than to offer packets.
const BURST: u32 = RATE;

fn narrow() -> RateLimit {
    limit(&format!("{RATE}/s"), BURST)
}

/// What two CPUs admit, in terms of what one does.
fn excess(name: &str, one: Run, two: Run) -> f64 {
    for (cpus, run) in [("one CPU", one), ("two CPUs", two)] {
        println!(
            "{name}, {cpus}: {} of {} admitted in {:.3} s, {:.1}% of the rate",
            run.admitted,
            run.offered,
            run.elapsed.as_secs_f64(),
            100.0 * run.rate() / f64::from(RATE)
        );
    }
    two.rate() / one.rate()
}

#[test]
fn two_cpus_admit_no_more_of_one_source_than_one_does() {
    const TEST: &str = "two_cpus_admit_no_more_of_one_source_than_one_does";
    let Some(_turn) = turn(TEST, 2) else { return };
    for (tier, limits) in [
        ("source", policy(narrow(), ample(), ample())),
        ("neighbourhood", policy(ample(), narrow(), ample())),
        ("total", policy(ample(), ample(), narrow())),
    ] {
        let frame = call_from(STRANGER_V4.into(), 1);
        let Some(alone) = kernel(TEST, limits) else {
            return;
        };
        let one = measure(&alone, TIME, |enough| {
            offer(&alone, Program::Linear, &frame, enough);
        });
        let Some(both) = kernel(TEST, limits) else {
            return;
        };
        let two = measure(&both, TIME, |enough| {
            on_two_cpus(|_| offer(&both, Program::Linear, &frame, enough));
        });
        let excess = excess(tier, one, two);
        assert!(excess < 1.05, "{tier}: {excess}");
    }
}

/// With a burst of one, both wait for the same moment, again and again; only one of them may have it.
#[test]
fn two_cpus_never_take_the_same_place() {
    const TEST: &str = "two_cpus_never_take_the_same_place";
    const OFTEN: u32 = 100_000;
    let Some(_turn) = turn(TEST, 2) else { return };
    let often = || limit(&format!("{OFTEN}/s"), 1);
    for (tier, limits) in [
        ("source", policy(often(), ample(), ample())),
        ("neighbourhood", policy(ample(), often(), ample())),
        ("total", policy(ample(), ample(), often())),
    ] {
        let frame = call_from(STRANGER_V4.into(), 1);
        let Some(kernel) = kernel(TEST, limits) else {
            return;
        };
        let run = measure(&kernel, TIME, |enough| {
            on_two_cpus(|_| offer(&kernel, Program::Linear, &frame, enough));
        });
        let share = run.rate() / f64::from(OFTEN);
        println!(
            "{tier}, burst 1, two CPUs: {} of {} admitted in {:.3} s, {:.1}% of the rate",
            run.admitted,
            run.offered,
            run.elapsed.as_secs_f64(),
            100.0 * share
        );
        assert!(share < 1.01, "{tier}: {share}");
    }
}

#[test]
fn two_cpus_admit_no_more_of_random_sources_than_one_does() {
    const TEST: &str = "two_cpus_admit_no_more_of_random_sources_than_one_does";
    let Some(_turn) = turn(TEST, 2) else { return };
    let Some(lab) = Lab::or_skip(TEST) else {
        return;
    };
    let wires = [(); 2].map(|()| {
        let kernel = kernel(TEST, policy(limit("5/s", 20), ample(), narrow()));
        Wire::guarded_by(&lab, kernel.expect("this process is root"))
    });
    let [one, two] = [false, true].map(|both| {
        let wire = &wires[usize::from(both)];
        let floods = [(); 2].map(|()| wire.flood("0.0.0.0/0"));
        measure(&wire.kernel, TIME, |enough| {
            let send = |number: usize| {
                floods[number].run(UNTIL_ENOUGH, enough).unwrap();
            };
            if both { on_two_cpus(send) } else { send(0) }
        })
    });
    let excess = excess("random sources", one, two);
    assert!(excess < 1.05, "{excess}");
}
