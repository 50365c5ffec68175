//! Limits that are changed while packets come are in force at once.

use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use aya::{
    TestRunOptions,
    programs::{TestRun as _, Xdp},
};
use aya_obj::programs::XdpAttachType;
use rpcguard_common::reason::Reason;
use rpcguard_tests::{
    packet::{peers::STRANGER_V4, rpc},
    site::Site,
};

use crate::bench::turn;

/// How long each limit is measured, and how long all of it takes at most.
const TIME: Duration = Duration::from_millis(600);
const OFFERED: Duration = Duration::from_secs(7);

/// How many packets are served in about [`TIME`], and in which time exactly.
fn served(site: &Site) -> (u64, f64) {
    let count = || site.guard(|guard| guard.counters().unwrap().reason(Reason::WithinRate).packets);
    let (before, start) = (count(), Instant::now());
    thread::sleep(TIME);
    (count() - before, start.elapsed().as_secs_f64())
}

/// Shows the guard's program a frame so many times; returns how long each took.
fn repeat(program: &Xdp, frame: &[u8], times: u32) -> Duration {
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat: times,
        ..TestRunOptions::default()
    };
    program
        .test_run(options)
        .expect("the program runs")
        .duration
}

#[test]
fn limits_that_are_set_are_in_force_at_once() {
    const TEST: &str = "limits_that_are_set_are_in_force_at_once";
    /// Rate and burst of a source, in the order in which they are set.
    const LIMITS: [(u32, u32); 5] = [(1_000, 100), (5_000, 500), (200, 20), (1, 1), (3_000, 300)];
    let Some(_turn) = turn(TEST, 2) else { return };
    let Some(site) = Site::or_skip(TEST) else {
        return;
    };
    let ample =
        "--rate-prefix 100000/s --burst-prefix 20000 --rate-total 100000/s --burst-total 60000";
    site.rpcguard(&format!("attach eth0 --rate 100/s --burst 10 {ample}"));
    let source = IpAddr::from(STRANGER_V4);
    let call = site.packet_from(source).udp(111).payload(&rpc::call(2, 0));
    let frame = call.build();
    let pin = site.pins().join("program");
    let program = site
        .host
        .enter(|| Xdp::from_pin(&pin, XdpAttachType::Interface))
        .expect("a pinned program");
    let each = repeat(&program, &frame, 200_000);
    let times = OFFERED.as_nanos() / each.as_nanos().max(1);
    thread::scope(|scope| {
        let offering = scope.spawn(|| repeat(&program, &frame, times as u32));
        for (limit, burst) in LIMITS {
            site.rpcguard(&format!("set eth0 --rate {limit}/s --burst {burst}"));
            let (served, seconds) = served(&site);
            let due = f64::from(limit) * seconds;
            println!(
                "set to {limit}/s, burst {burst}: {served} served in {seconds:.3} s, {due:.0} due"
            );
            // The command returns a little after its change is in force, when some of the burst may
            // be left; and the machine may be slow to look.
            let slack = 0.05 * due + 2.0;
            let most = due + f64::from(burst) + slack;
            assert!(
                (due - slack..=most).contains(&(served as f64)),
                "{served} at {limit}/s"
            );
        }
        site.rpcguard("set eth0 --rate off");
        let (served, _) = served(&site);
        println!("set to off: {served} served");
        assert_eq!(served, 0);
        assert!(!offering.is_finished(), "too little was offered");
    });
    site.rpcguard("detach eth0");
}
