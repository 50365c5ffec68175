//! When one of its calls to BPF or netlink or about files fails, for whatever reason, a command fails, says so and
//! has changed nothing; or it succeeds, and has done all of its work.

use std::collections::BTreeSet;

use nix::errno::Errno;
use rpcguard_tests::lab::skip;

use crate::{
    effort::{amount, choice, is_exhaustive},
    lists::{file, hosts},
    scene::{ATTACH, Scene},
    traced::{CAN_FAIL_CALLS, Calls, Interference, Traced},
};

/// What calls fail with.
const ERRORS: [Errno; 5] = [
    Errno::EPERM,
    Errno::ENOMEM,
    Errno::E2BIG,
    Errno::ENOSPC,
    Errno::EBUSY,
];

/// How many calls of a command fail in a quick test.
const QUICK: usize = 15;

/// What came of the failing calls of a command.
#[derive(Default)]
struct Tally {
    /// How often the command failed.
    failures: usize,
    /// How often the reason that it gave was another than the fault itself.
    in_other_words: usize,
    /// How often it succeeded and left something to the next command.
    left: usize,
    /// Calls that it can do without.
    tolerated: BTreeSet<usize>,
}

/// Lets each call of the command fail in turn.
fn fail_everywhere(scene: &Scene<'_>) {
    if !CAN_FAIL_CALLS {
        return skip(
            scene.test,
            "system calls can only be made to fail on x86-64",
        );
    }
    let Some(site) = scene.set() else {
        return;
    };
    let old = scene.see(&site);
    let whole = scene.traced(&site, Calls::Fallible, None);
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    let new = scene.see(&site);
    scene.run_all(&site, scene.undo);

    let calls = whole.calls.len();
    let faults: Vec<(usize, Errno)> = if is_exhaustive() {
        (0..calls)
            .flat_map(|call| ERRORS.map(|errno| (call, errno)))
            .collect()
    } else {
        let one = |call| (call, ERRORS[call % ERRORS.len()]);
        choice((0..calls).map(one).collect(), amount(QUICK, 5))
    };
    let mut tally = Tally::default();
    for (call, errno) in &faults {
        let fault = Interference::Fail(*errno);
        let traced = scene.traced(&site, Calls::Fallible, Some((*call, fault)));
        let about = format!(
            "call {call} of `{}` ({:?}) failed with {errno}; {}",
            scene.command, whole.calls[*call], traced.stderr
        );
        let succeeded = match traced.code {
            Some(0) => true,
            Some(1) => false,
            code => panic!("{about}: the exit code is {code:?}"),
        };
        if succeeded && site.lab.pins() != new.pins {
            // Pins of a filter that is off, which the next command finds.
            assert!(new.guards.iter().all(Option::is_none), "{about}");
            assert_eq!(scene.guards(&site), new.guards, "{about}");
            let _ = site.host.rpcguard(["detach", "eth0"]);
            tally.left += 1;
        }
        let mut expected = if succeeded { new.clone() } else { old.clone() };
        if succeeded && new.guards.iter().any(Option::is_some) {
            // The program for frames in several buffers, which stands in for the other one, has a map
            // more.
            let guarded = new.guards.iter().flatten().count();
            let [maps, ..] = site.lab.objects_of(guarded).counts();
            expected.counts[0] += usize::from(maps == expected.counts[0] + 1);
        }
        scene.assert_is(&site, &expected, &about);
        if whole.calls[*call].is_changing() {
            scene.probe(&site, &about);
        }
        if succeeded {
            tally.tolerated.insert(*call);
            scene.run_all(&site, scene.undo);
        } else {
            tally.failures += 1;
            tally.in_other_words += usize::from(!says_why(&traced, *errno, &about));
        }
    }
    if old.guards.iter().any(Option::is_some) {
        site.rpcguard("detach --all");
    }
    eprintln!(
        "{}: {} faults in {calls} calls: {} failures, {} of them told as what they led to; {} calls \
         that it can do without, and {} faults that left something to the next command",
        scene.test,
        faults.len(),
        tally.failures,
        tally.in_other_words,
        tally.tolerated.len(),
        tally.left
    );
    assert!(tally.failures > 0);
}

/// Asserts that a failure was told as it should be: what failed, on what, and why. Returns whether the
/// reason is the very error: where a call is tried again in another way, it can be what that led to.
fn says_why(traced: &Traced, errno: Errno, about: &str) -> bool {
    let mut lines = traced.stderr.lines();
    let error = lines.find_map(|line| line.strip_prefix("error: "));
    let error = error.unwrap_or_else(|| panic!("{about}: there is no error"));
    assert!(!traced.stderr.contains("panicked"), "{about}");
    assert!(error.starts_with("cannot "), "{about}: not what failed");
    assert!(error.contains(": "), "{about}: not why");
    error.contains(&format!("(os error {})", errno as i32))
}

const ONE: &[&str] = &["eth0"];

#[test]
fn an_attach_that_fails_leaves_nothing() {
    fail_everywhere(&Scene {
        test: "an_attach_that_fails_leaves_nothing",
        interfaces: ONE,
        before: &[],
        command: ATTACH,
        undo: &["detach eth0"],
    });
}

#[test]
fn a_renewal_that_fails_leaves_the_old_program() {
    fail_everywhere(&Scene {
        test: "a_renewal_that_fails_leaves_the_old_program",
        interfaces: ONE,
        before: &[ATTACH],
        command: "attach eth0 --replace --tcp",
        undo: &["set eth0 --tcp off"],
    });
}

#[test]
fn an_addition_that_fails_changes_nothing() {
    const PREFIXES: &str = "0.0.0.0/0 10.0.0.0/24 10.1.0.0/17 192.0.2.1 2001:db8::/32";
    fail_everywhere(&Scene {
        test: "an_addition_that_fails_changes_nothing",
        interfaces: ONE,
        before: &[ATTACH],
        command: &format!("allow add {PREFIXES}"),
        undo: &[&format!("allow remove {PREFIXES}")],
    });
}

#[test]
fn a_removal_that_fails_changes_nothing() {
    fail_everywhere(&Scene {
        test: "a_removal_that_fails_changes_nothing",
        interfaces: ONE,
        before: &[ATTACH],
        command: "allow remove 10.0.0.0/8 10.1.2.0/24",
        undo: &["allow add 10.0.0.0/8 10.1.2.0/24"],
    });
}

#[test]
fn a_replacement_that_fails_changes_nothing() {
    let lists = [["10.0.0.0/8", "192.0.2.0/24"], ["10.0.0.0/16", "192.0.2.1"]];
    let files = lists.map(|list| file(&list.map(|prefix| prefix.parse().unwrap())));
    let replace = files
        .each_ref()
        .map(|file| format!("allow replace {}", file.path().display()));
    fail_everywhere(&Scene {
        test: "a_replacement_that_fails_changes_nothing",
        interfaces: ONE,
        before: &[ATTACH, &replace[0]],
        command: &replace[1],
        undo: &[&replace[0]],
    });
}

#[test]
fn a_list_that_fails_to_become_long_changes_nothing() {
    let looked_at = ["192.0.2.1", "2001:db8:c::1", "2001:db8:a::/48"];
    let list = looked_at.iter().map(|prefix| prefix.parse().unwrap());
    let list = file(&list.chain(hosts(0..1100)).collect::<Vec<_>>());
    let before = [ATTACH, "allow add 198.51.100.7 2001:db8:c::1"];
    fail_everywhere(&Scene {
        test: "a_list_that_fails_to_become_long_changes_nothing",
        interfaces: ONE,
        before: &before,
        command: &format!("allow replace {}", list.path().display()),
        undo: &["detach eth0", before[0], before[1]],
    });
}

#[test]
fn settings_that_fail_change_nothing() {
    fail_everywhere(&Scene {
        test: "settings_that_fail_change_nothing",
        interfaces: ONE,
        before: &[ATTACH],
        command: "set eth0 --tcp on --port 111 --port 2049",
        undo: &["set eth0 --tcp off --port 111"],
    });
}

#[test]
fn an_addition_for_some_time_that_fails_changes_nothing() {
    fail_everywhere(&Scene {
        test: "an_addition_for_some_time_that_fails_changes_nothing",
        interfaces: ONE,
        before: &[ATTACH, "allow add 10.2.0.0/16 --for 1h"],
        command: "allow add 10.2.0.0/16 10.2.0.0/24 192.0.2.1 --for 2h",
        undo: &[
            "allow remove 10.2.0.0/24 192.0.2.1",
            "allow add 10.2.0.0/16 --for 1h",
        ],
    });
}

#[test]
fn destinations_that_fail_to_be_written_change_nothing() {
    fail_everywhere(&Scene {
        test: "destinations_that_fail_to_be_written_change_nothing",
        interfaces: ONE,
        before: &[ATTACH],
        command: "set eth0 --only-to 203.0.113.9 --only-to 2001:db8::/64",
        undo: &["set eth0 --only-to all"],
    });
}

#[test]
fn a_rate_policy_that_fails_to_begin_changes_nothing() {
    fail_everywhere(&Scene {
        test: "a_rate_policy_that_fails_to_begin_changes_nothing",
        interfaces: ONE,
        before: &[ATTACH],
        command: "set eth0 --rate 5/s",
        undo: &["detach eth0", ATTACH],
    });
}

#[test]
fn a_detach_that_fails_leaves_the_guard() {
    fail_everywhere(&Scene {
        test: "a_detach_that_fails_leaves_the_guard",
        interfaces: ONE,
        before: &[ATTACH],
        command: "detach eth0",
        undo: &[ATTACH],
    });
}

#[test]
fn readers_that_fail_change_nothing() {
    for command in ["status --json", "allow list"] {
        fail_everywhere(&Scene {
            test: "readers_that_fail_change_nothing",
            interfaces: ONE,
            before: &[ATTACH],
            command,
            undo: &[],
        });
    }
}
