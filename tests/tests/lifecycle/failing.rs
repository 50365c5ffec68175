//! When one of its system calls fails, a command fails and has changed nothing, or succeeds.

use nix::errno::Errno;
use rpcguard_tests::{
    lab::{rpcguard_binary, skip},
    site::Site,
};

use crate::{
    interrupted::{ATTACH, samples},
    snapshot::{Snapshot, entries},
    traced::{self, CAN_FAIL_CALLS, Interference},
};

/// Lets each call of `command` fail in turn, for lack of memory.
fn fail_everywhere(test: &str, before: &[&str], command: &str, undo: &[&str]) {
    if !CAN_FAIL_CALLS {
        return skip(test, "system calls can only be made to fail on x86-64");
    }
    let Some(site) = Site::or_skip(test) else {
        return;
    };
    let run_all = |commands: &[&str]| {
        for command in commands {
            site.rpcguard(command);
        }
    };
    let traced = |at| {
        let mut process = site.host.command(rpcguard_binary());
        traced::run(process.args(command.split_whitespace()), at)
    };
    let snapshot = || Snapshot::of(&site, &samples());

    run_all(before);
    let (old, old_pins) = (snapshot(), site.lab.pins());
    let whole = traced(None);
    assert_eq!(whole.code, Some(0));
    let new = snapshot();
    run_all(undo);
    let mut failures = 0;
    // The last call is the process's end, which does not fail.
    for call in 0..whole.calls - 1 {
        let failed = traced(Some((call, Interference::Fail(Errno::ENOMEM))));
        let found = snapshot();
        match failed.code {
            Some(0) => {
                assert_eq!(found, new, "call {call} of `{command}` failed");
                run_all(undo);
            }
            Some(1) => {
                failures += 1;
                assert_eq!(found, old, "call {call} of `{command}` failed");
                assert_eq!(
                    site.lab.pins(),
                    old_pins,
                    "call {call} of `{command}` failed"
                );
            }
            code => panic!("call {call} of `{command}` failed, and the exit code is {code:?}"),
        }
        if let Some(found) = snapshot() {
            site.rpcguard("allow add 203.0.113.99");
            site.rpcguard("allow remove 203.0.113.99");
            assert_eq!(entries(&site), found.prefixes.len());
        }
    }
    eprintln!(
        "{test}: {failures} of {} failing calls were failures",
        whole.calls - 1
    );
    assert!(failures > 0);
    if old.is_some() {
        site.rpcguard("detach eth0");
    }
}

#[test]
fn an_attach_that_fails_leaves_nothing() {
    fail_everywhere(
        "an_attach_that_fails_leaves_nothing",
        &[],
        ATTACH,
        &["detach eth0"],
    );
}

#[test]
fn a_change_that_fails_changes_nothing() {
    fail_everywhere(
        "a_change_that_fails_changes_nothing",
        &[ATTACH],
        "allow add 0.0.0.0/0 10.0.0.0/24 10.1.0.0/17 192.0.2.1 2001:db8::/32",
        &["allow remove 0.0.0.0/0 10.0.0.0/24 10.1.0.0/17 192.0.2.1 2001:db8::/32"],
    );
}

#[test]
fn a_removal_that_fails_changes_nothing() {
    fail_everywhere(
        "a_removal_that_fails_changes_nothing",
        &[ATTACH],
        "allow remove 10.0.0.0/8 10.1.2.0/24",
        &["allow add 10.0.0.0/8 10.1.2.0/24"],
    );
}

#[test]
fn a_rate_policy_that_fails_to_begin_changes_nothing() {
    fail_everywhere(
        "a_rate_policy_that_fails_to_begin_changes_nothing",
        &[ATTACH],
        "set eth0 --rate 5/s",
        &["detach eth0", ATTACH],
    );
}
