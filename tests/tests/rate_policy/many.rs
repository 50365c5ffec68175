//! Many sources, and more than the tables have cells.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use aya::programs::XdpMode;
use rpcguard::policy::RatePolicy;
use rpcguard_common::{abi::LIMIT_CELLS, reason::Action};
use rpcguard_tests::{
    kernel::{Kernel, Program},
    lab::{Bounds, Flood, Host, Lab, Sources, connect},
    packet::peers::STRANGER_V4,
};

use crate::bench::{ample, call_from, count, kernel, limit, measure, policy, source, turn};

/// A wire with the filter at its end, for as long as this value lives.
pub(crate) struct Wire {
    pub(crate) attacker: Host,
    pub(crate) kernel: Kernel,
    _host: Host,
}

impl Wire {
    pub(crate) fn guarded_by(lab: &Lab, mut kernel: Kernel) -> Self {
        let (attacker, host) = (lab.host().unwrap(), lab.host().unwrap());
        connect((&host, ("eth0", &[])), (&attacker, ("eth0", &[]))).unwrap();
        let program = kernel.xdp_mut(Program::Linear).unwrap();
        host.enter(|| program.attach("eth0", XdpMode::Driver))
            .unwrap();
        Self {
            attacker,
            kernel,
            _host: host,
        }
    }

    /// A flood of one call from any address of a prefix.
    pub(crate) fn flood(&self, sources: &str) -> Flood<'_> {
        let sources = Sources::any_of(sources.parse().unwrap());
        Flood::new(
            &self.attacker,
            "eth0",
            call_from(STRANGER_V4.into(), 1),
            sources,
        )
        .unwrap()
    }
}

/// A flood that is ended by who starts it.
pub(crate) const UNTIL_ENOUGH: Bounds = Bounds {
    packets: u64::MAX,
    time: Duration::from_secs(20),
    rate: None,
};

#[test]
fn ten_thousand_sources_get_no_more_than_the_total() {
    const TEST: &str = "ten_thousand_sources_get_no_more_than_the_total";
    const RATE: f64 = 2_000.0;
    let Some(_turn) = turn(TEST, 2) else { return };
    let Some(lab) = Lab::or_skip(TEST) else {
        return;
    };
    let limits = policy(limit("5/s", 20), limit("40/s", 160), limit("2000/s", 2_000));
    let wire = Wire::guarded_by(&lab, kernel(TEST, limits).expect("root"));
    // 16,384 of them.
    let flood = wire.flood("10.64.0.0/18");
    let run = measure(&wire.kernel, Duration::from_secs(1), |enough| {
        flood.run(UNTIL_ENOUGH, enough).unwrap();
    });
    println!(
        "of {} calls of 16,384 sources in {:.2} s, {} were admitted: {:.1}% of the total's rate",
        run.offered,
        run.elapsed.as_secs_f64(),
        run.admitted,
        100.0 * run.rate() / RATE
    );
    assert!((run.rate() / RATE - 1.0).abs() < 0.02, "{run:?}");
}

/// Eight times as many as there are cells.
const MANY: &str = "10.0.0.0/13";
const _: () = assert!(1 << (32 - 13) == 8 * LIMIT_CELLS);

/// So many calls that nearly all of the sources are among them.
const CALLS: u32 = 3_000_000;

#[test]
fn more_sources_than_cells_do_not_lift_the_limit_of_any() {
    const TEST: &str = "more_sources_than_cells_do_not_lift_the_limit_of_any";
    const BURST: u32 = 3;
    const PROBES: u32 = 100;
    let Some(_turn) = turn(TEST, 1) else { return };
    let Some(lab) = Lab::or_skip(TEST) else {
        return;
    };
    let limits = policy(limit("1/h", BURST), ample(), ample());
    let wire = Wire::guarded_by(&lab, kernel(TEST, limits).expect("root"));
    let flood = wire.flood(MANY);
    // A wire loses some of a flood that its end is too slow for.
    let flood = count(&wire.kernel, || {
        for _ in 0..30 {
            flood.send(CALLS / 10).unwrap();
            if count_packets(&wire.kernel) >= u64::from(CALLS) {
                break;
            }
        }
    });
    // Of sources that have been by, and have not.
    let probe = |number: u32| {
        let frame = call_from(source(number << 3), 1);
        count(&wire.kernel, || {
            wire.kernel.repeat(Program::Linear, &frame, 50).unwrap();
        })
        .admitted
    };
    let most = (0..PROBES).map(probe).max().unwrap();
    println!(
        "{} of {} calls admitted to 524,288 sources; of {PROBES} sources then, none gets more than {most} \
         of 50 calls",
        flood.admitted, flood.offered
    );
    assert!(flood.offered >= u64::from(CALLS), "{flood:?}");
    // Each cell stands for a source's limit, and no source has two.
    assert!(
        flood.admitted <= u64::from(BURST * LIMIT_CELLS),
        "{flood:?}"
    );
    assert!(most <= u64::from(BURST), "{most}");
}

#[test]
fn more_sources_than_cells_do_not_shut_a_fresh_one_out() {
    const TEST: &str = "more_sources_than_cells_do_not_shut_a_fresh_one_out";
    const FRESH: u32 = 100;
    let Some(_turn) = turn(TEST, 2) else { return };
    let Some(lab) = Lab::or_skip(TEST) else {
        return;
    };
    let wire = Wire::guarded_by(&lab, kernel(TEST, RatePolicy::default()).expect("root"));
    let flood = wire.flood(MANY);
    let stop = AtomicBool::new(false);
    let (flooded, served) = thread::scope(|scope| {
        let flood = scope.spawn(|| flood.run(UNTIL_ENOUGH, &stop).unwrap());
        // All of the sources have been by.
        while count_packets(&wire.kernel) < u64::from(CALLS) {
            thread::sleep(Duration::from_millis(10));
        }
        let mut served = 0;
        for number in 0..FRESH {
            let frame = call_from(source(0x1_0000 + number), 1_000 + number);
            let action = wire.kernel.run(Program::Linear, &frame).unwrap();
            served += u32::from(action == Action::Pass);
            thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
        (flood.join().unwrap(), served)
    });
    println!(
        "while 524,288 sources flood with {:.1} million calls a second, {served} of {FRESH} fresh ones are \
         served by their first call",
        flooded.rate() / 1e6
    );
    assert!(served >= FRESH * 95 / 100, "{served}");
}

/// Whatever the reason.
fn count_packets(kernel: &Kernel) -> u64 {
    let counters = kernel.counters().unwrap();
    counters.reasons.iter().map(|counter| counter.packets).sum()
}
