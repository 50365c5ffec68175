//! `rpcguard set` changes the rate policy while clients call, and refuses what makes no sense.

use std::{
    net::{IpAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rpcguard_tests::{lab::Host, packet::rpc, site::PATIENCE};
use serde_json::Value;

use super::{
    procedures::AMPLE,
    town::{Town, ask},
};
use crate::{
    in_both_modes,
    segment::{FRIEND, HOST, STRANGER, Segment},
};

/// How long to wait for what must not come.
const IMPATIENCE: Duration = Duration::from_millis(200);

const NULL: u32 = 0;
const DUMP: u32 = 4;

/// A client with one socket.
struct Client(UdpSocket);

impl Client {
    fn new(host: &Host, address: IpAddr) -> Self {
        Self(host.enter(|| UdpSocket::bind((address, 0))).unwrap())
    }

    /// Whether the portmapper replies to a call of this procedure of version 2.
    fn is_served(&self, procedure: u32, patience: Duration) -> bool {
        ask(&self.0, HOST[0], &rpc::call(2, procedure), patience).is_some()
    }

    /// How many of so many calls at once are replied to.
    fn served_of(&self, calls: usize) -> usize {
        let served = |_: &usize| self.is_served(NULL, IMPATIENCE);
        (0..calls).filter(served).count()
    }

    /// Calls until told to stop; each must be replied to.
    fn call_until(&self, stop: &AtomicBool) -> usize {
        const PAUSE: Duration = Duration::from_millis(2);
        let mut calls = 0;
        while !stop.load(Ordering::Relaxed) {
            assert!(self.is_served(NULL, PATIENCE), "after {calls} calls");
            calls += 1;
            thread::sleep(PAUSE);
        }
        calls
    }
}

/// Calls `changes` while clients call, who must be served all the time.
fn while_served<const N: usize>(clients: [&Client; N], changes: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let calling = clients.map(|client| scope.spawn(|| client.call_until(&stop)));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(changes));
        stop.store(true, Ordering::Relaxed);
        for calling in calling {
            assert!(calling.join().unwrap() > 0);
        }
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// What of a guard a change of its settings must leave alone.
fn identity(segment: &Segment) -> [Value; 2] {
    let status = segment.status();
    ["link_id", "attached_at"].map(|field| status[field].clone())
}

#[test]
fn a_rate_policy_begins_and_ends_while_clients_call() {
    let test = "a_rate_policy_begins_and_ends_while_clients_call";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        segment.attach(mode, &format!("--allow {}", FRIEND[0]));
        let friend = Client::new(&segment.friend, FRIEND[0]);
        let stranger = Client::new(&segment.stranger, STRANGER[0]);
        let before = identity(segment);
        while_served([&friend], || {
            for _ in 0..2 {
                assert!(!stranger.is_served(NULL, IMPATIENCE));
                segment.rpcguard(&format!("set eth0 {AMPLE}"));
                assert_eq!(segment.status()["policy"]["unlisted"], "rate");
                assert!(stranger.is_served(NULL, PATIENCE));
                assert!(!stranger.is_served(DUMP, IMPATIENCE));
                segment.rpcguard("set eth0 --rate off");
                let policy = &segment.status()["policy"];
                assert_eq!(policy["unlisted"], "drop");
                assert!(policy["rate"].is_null());
            }
            assert!(!stranger.is_served(NULL, IMPATIENCE));
        });
        assert_eq!(identity(segment), before);
        assert_eq!(segment.packets("within_rate"), 2);
        assert_eq!(segment.packets("amplifier"), 2);
        assert_eq!(segment.packets("unlisted"), 3);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn each_limit_takes_effect_with_the_next_packet() {
    let test = "each_limit_takes_effect_with_the_next_packet";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        segment.attach(mode, &format!("{AMPLE} --allow {}", FRIEND[0]));
        let friend = Client::new(&segment.friend, FRIEND[0]);
        let stranger = Client::new(&segment.stranger, STRANGER[0]);
        while_served([&friend], || {
            assert_eq!(stranger.served_of(5), 5);
            // Each limit alone keeps the stranger out, and does so no longer once it is raised.
            for (strict, generous) in [
                ("--rate 1/h --burst 1", "--rate 1000000/s --burst 1000"),
                (
                    "--rate-prefix 1/h --burst-prefix 1",
                    "--rate-prefix 1000000/s --burst-prefix 1000",
                ),
                (
                    "--rate-total 1/h --burst-total 1",
                    "--rate-total 1000000/s --burst-total 1000",
                ),
            ] {
                let over = segment.packets("over_rate");
                segment.rpcguard(&format!("set eth0 {strict}"));
                let served = stranger.served_of(4);
                assert!(served <= 1, "{served} with {strict}");
                assert_eq!(segment.packets("over_rate") - over, 4 - served as u64);
                segment.rpcguard(&format!("set eth0 {generous}"));
                // What was used up of the strict limit is used up of the generous one, so the first
                // call may come too early, by a microsecond.
                assert!(stranger.served_of(2) >= 1, "after {generous}");
                assert_eq!(stranger.served_of(5), 5, "after {generous}");
            }
            // A smaller burst alone.
            segment.rpcguard("set eth0 --rate 1/h --burst 1000");
            assert_eq!(stranger.served_of(5), 5);
            segment.rpcguard("set eth0 --burst 1");
            assert!(stranger.served_of(4) <= 1);
        });
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn who_is_within_every_limit_loses_no_packet_while_limits_change() {
    let test = "who_is_within_every_limit_loses_no_packet_while_limits_change";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        segment.attach(mode, &format!("{AMPLE} --allow {}", FRIEND[0]));
        let friend = Client::new(&segment.friend, FRIEND[0]);
        let stranger = Client::new(&segment.stranger, STRANGER[0]);
        while_served([&friend, &stranger], || {
            for change in [
                "--rate 2000/s --burst 3000",
                "--rate-total 5000/s",
                "--burst-total 9000",
                "--rate-prefix 3000/s",
                "--procedures default,DUMP",
                "--observe on",
                "--procedures v2.NULL",
                "--observe off",
                "--procedures default",
                "--rate 1000/s --burst 1000",
            ] {
                segment.rpcguard(&format!("set eth0 {change}"));
            }
        });
        assert_eq!(segment.packets("over_rate"), 0);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn a_limit_without_a_rate_is_refused_and_changes_nothing() {
    let test = "a_limit_without_a_rate_is_refused_and_changes_nothing";
    let Some(town) = Town::or_skip(test) else {
        return;
    };
    let segment = &town.segment;
    let limits = [
        "--burst 5",
        "--rate-prefix 5/s",
        "--burst-prefix 5",
        "--rate-total 5/s",
        "--burst-total 5",
        "--procedures NULL",
    ];
    let run = |command: String| segment.host.rpcguard(command.split_whitespace());
    for limit in limits {
        let refused = run(format!("attach eth0 {limit}")).exited_with(2);
        assert!(refused.stderr.contains("--rate"), "{refused}");
    }
    assert!(segment.status().is_null(), "something is attached");

    segment.attach("native", "--allow 192.0.2.16");
    let before = segment.status();
    for limit in limits {
        let refused = run(format!("set eth0 --observe on {limit}")).exited_with(1);
        assert!(refused.stderr.contains("--rate"), "{refused}");
    }
    assert_eq!(segment.status(), before);
    segment.rpcguard("detach eth0");
}
