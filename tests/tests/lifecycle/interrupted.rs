//! Killed before or after any of its system calls, a command has done all of its work or none, the
//! next command finds nothing wrong, and nothing is left behind.

use std::mem::offset_of;

use rpcguard_common::abi::State;
use rpcguard_tests::lab::{in_vm, skip};

use crate::{
    effort::choice,
    kill_points::{Several, kill_everywhere},
    lists::{file, hosts},
    scene::{ATTACH, ATTACH_BOTH, Scene},
    traced::{CAN_WATCH, Calls, Interference},
};

const ONE: &[&str] = &["eth0"];
const BOTH: &[&str] = &["eth0", "eth1"];

#[test]
fn attach_is_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "attach_is_all_or_nothing",
            interfaces: ONE,
            before: &[],
            command: ATTACH,
            undo: &["detach eth0"],
        },
        Several::Together,
    );
}

#[test]
fn attaching_to_two_interfaces_is_all_or_nothing_for_each() {
    kill_everywhere(
        &Scene {
            test: "attaching_to_two_interfaces_is_all_or_nothing_for_each",
            interfaces: BOTH,
            before: &[],
            command: ATTACH_BOTH,
            undo: &["detach --all"],
        },
        Several::OneByOne,
    );
}

#[test]
fn detach_is_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "detach_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH],
            command: "detach eth0",
            undo: &[ATTACH],
        },
        Several::Together,
    );
}

#[test]
fn detaching_two_interfaces_is_all_or_nothing_for_each() {
    kill_everywhere(
        &Scene {
            test: "detaching_two_interfaces_is_all_or_nothing_for_each",
            interfaces: BOTH,
            before: &[ATTACH_BOTH],
            command: "detach --all",
            undo: &[ATTACH_BOTH],
        },
        Several::OneByOne,
    );
}

#[test]
fn renewing_the_program_and_adding_to_its_lists_is_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "renewing_the_program_and_adding_to_its_lists_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH],
            command: "attach eth0 --replace --allow 192.0.2.0/24 --tcp",
            undo: &["allow remove 192.0.2.0/24", "set eth0 --tcp off"],
        },
        Several::Together,
    );
}

#[test]
fn adding_prefixes_around_and_inside_others_is_all_or_nothing() {
    const PREFIXES: &str =
        "0.0.0.0/0 10.0.0.0/24 10.1.0.0/17 192.0.2.1 2001:db8::/32 2001:db8:a:b::/80";
    kill_everywhere(
        &Scene {
            test: "adding_prefixes_around_and_inside_others_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH],
            command: &format!("allow add {PREFIXES}"),
            undo: &[&format!("allow remove {PREFIXES}")],
        },
        Several::Together,
    );
}

#[test]
fn removing_prefixes_around_and_inside_others_is_all_or_nothing() {
    const PREFIXES: &str = "10.0.0.0/8 10.1.2.0/24 2001:db8:a::/48";
    kill_everywhere(
        &Scene {
            test: "removing_prefixes_around_and_inside_others_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH],
            command: &format!("allow remove {PREFIXES}"),
            undo: &[&format!("allow add {PREFIXES}")],
        },
        Several::Together,
    );
}

#[test]
fn replacing_a_list_on_two_interfaces_is_all_or_nothing() {
    let lists = [["10.0.0.0/8", "192.0.2.0/24"], ["10.0.0.0/16", "192.0.2.1"]];
    let files = lists.map(|list| file(&list.map(|prefix| prefix.parse().unwrap())));
    let replace = files
        .each_ref()
        .map(|file| format!("allow replace {}", file.path().display()));
    kill_everywhere(
        &Scene {
            test: "replacing_a_list_on_two_interfaces_is_all_or_nothing",
            interfaces: BOTH,
            before: &[ATTACH_BOTH, &replace[0]],
            command: &replace[1],
            undo: &[&replace[0]],
        },
        Several::Together,
    );
}

/// Hosts that are looked at, and so many others.
fn long_list(looked_at: &[&str], others: u32) -> tempfile::NamedTempFile {
    let looked_at = looked_at.iter().map(|prefix| prefix.parse().unwrap());
    file(&looked_at.chain(hosts(0..others)).collect::<Vec<_>>())
}

#[test]
fn a_list_that_becomes_long_does_so_at_once() {
    let list = long_list(&["192.0.2.1", "2001:db8:c::1", "2001:db8:a::/48"], 1100);
    kill_everywhere(
        &Scene {
            test: "a_list_that_becomes_long_does_so_at_once",
            interfaces: ONE,
            before: &[ATTACH, "allow add 198.51.100.7 2001:db8:c::1"],
            command: &format!("allow replace {}", list.path().display()),
            undo: &[
                "detach eth0",
                ATTACH,
                "allow add 198.51.100.7 2001:db8:c::1",
            ],
        },
        Several::Together,
    );
}

#[test]
fn a_long_list_that_becomes_much_longer_does_so_at_once() {
    let [small, large] = [
        long_list(&["198.51.100.7", "2001:db8:c::1"], 1100),
        long_list(&["192.0.2.1", "2001:db8:c::1"], 5000),
    ];
    let attach = format!("attach eth0 --allow-file {}", small.path().display());
    kill_everywhere(
        &Scene {
            test: "a_long_list_that_becomes_much_longer_does_so_at_once",
            interfaces: ONE,
            before: &[&attach],
            command: &format!("allow replace {}", large.path().display()),
            undo: &["detach eth0", &attach],
        },
        Several::Together,
    );
}

#[test]
fn removing_hosts_from_a_long_list_is_all_or_nothing() {
    const HOSTS: &str = "192.0.2.1 2001:db8:c::1 10.1.2.3";
    let list = long_list(&["192.0.2.1", "2001:db8:c::1", "10.1.2.3"], 1100);
    let attach = format!("attach eth0 --allow-file {}", list.path().display());
    kill_everywhere(
        &Scene {
            test: "removing_hosts_from_a_long_list_is_all_or_nothing",
            interfaces: ONE,
            before: &[&attach, "deny add 10.1.0.0/16"],
            command: &format!("allow remove {HOSTS}"),
            undo: &[&format!("allow add {HOSTS}")],
        },
        Several::Together,
    );
}

#[test]
fn denying_prefixes_is_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "denying_prefixes_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH],
            command: "deny add 10.0.0.0/24 2001:db8:a::/64",
            undo: &["deny remove 10.0.0.0/24 2001:db8:a::/64"],
        },
        Several::Together,
    );
}

#[test]
fn an_addition_for_some_time_is_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "an_addition_for_some_time_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH, "allow add 10.2.0.0/16 --for 1h"],
            command: "allow add 10.1.0.0/24 10.2.0.0/16 10.2.0.0/24 192.0.2.1 --for 2h",
            undo: &[
                "allow remove 10.1.0.0/24 10.2.0.0/24 192.0.2.1",
                "allow add 10.2.0.0/16 --for 1h",
            ],
        },
        Several::Together,
    );
}

#[test]
fn what_is_added_for_some_time_and_then_for_good_is_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "what_is_added_for_some_time_and_then_for_good_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH, "allow add 10.2.0.0/16 192.0.2.1 --for 1h"],
            command: "allow add 10.2.0.0/16 10.2.0.0/24 192.0.2.1",
            undo: &[
                "allow remove 10.2.0.0/16 10.2.0.0/24 192.0.2.1",
                "allow add 10.2.0.0/16 192.0.2.1 --for 1h",
            ],
        },
        Several::Together,
    );
}

#[test]
fn settings_are_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "settings_are_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH],
            command: "set eth0 --observe on --tcp on --port 111 --port 2049",
            undo: &["set eth0 --observe off --tcp off --port 111"],
        },
        Several::Together,
    );
}

#[test]
fn other_destinations_are_guarded_all_at_once() {
    kill_everywhere(
        &Scene {
            test: "other_destinations_are_guarded_all_at_once",
            interfaces: ONE,
            before: &[
                ATTACH,
                "set eth0 --only-to 203.0.113.1 --only-to 192.0.2.0/24",
            ],
            command: "set eth0 --only-to 203.0.113.9 --only-to 2001:db8::/64",
            undo: &["set eth0 --only-to 203.0.113.1 --only-to 192.0.2.0/24"],
        },
        Several::Together,
    );
}

/// Packets to a port are not looked at before it is known as one that may be guarded.
#[test]
fn guarding_another_port_is_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "guarding_another_port_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH],
            command: "set eth0 --port 111 --port 2049",
            undo: &["set eth0 --port 111"],
        },
        Several::Together,
    );
}

/// The first rate policy of a guard brings another program and larger maps.
#[test]
fn beginning_a_rate_policy_is_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "beginning_a_rate_policy_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH],
            command: "set eth0 --rate 5/s --rate-total 50/s --procedures NULL",
            undo: &["detach eth0", ATTACH],
        },
        Several::Together,
    );
}

#[test]
fn changing_a_rate_policy_is_all_or_nothing() {
    kill_everywhere(
        &Scene {
            test: "changing_a_rate_policy_is_all_or_nothing",
            interfaces: ONE,
            before: &[ATTACH, "set eth0 --rate 5/s"],
            command: "set eth0 --rate 9/m --burst 3 --rate-prefix 10/s --procedures default,GETSTAT",
            undo: &["set eth0 --rate off", "set eth0 --rate 5/s"],
        },
        Several::Together,
    );
}

/// Between the two stores that put a change in force on two guards, there is no system call.
#[test]
fn a_change_that_is_killed_between_two_guards_is_carried_on() {
    const ADD: &str = "allow add 192.0.2.0/24 2001:db8:c::/48";
    const REMOVE: &str = "allow remove 192.0.2.0/24 2001:db8:c::/48";
    let scene = Scene {
        test: "a_change_that_is_killed_between_two_guards_is_carried_on",
        interfaces: BOTH,
        before: &[ATTACH_BOTH],
        command: ADD,
        undo: &[REMOVE],
    };
    if !CAN_WATCH {
        return skip(scene.test, "stores can only be watched on x86-64");
    }
    if in_vm() {
        let why =
            "debug registers of emulated processors seem to miss stores while other tests run";
        return skip(scene.test, why);
    }
    let Some(site) = scene.set() else {
        return;
    };
    let old = scene.guards(&site);
    let whole = scene.traced(&site, Calls::Batches, None);
    let new = scene.guards(&site);
    let batches = whole.calls.len();
    let last_write = batches.checked_sub(1).expect("prefixes are written");

    let commands = [
        "detach eth0",
        "allow add 203.0.113.99 -i eth0",
        "set eth0 --observe off",
        "attach eth1 --replace",
        "allow add 203.0.113.99 -i eth1",
    ];
    for next in choice(commands.to_vec(), 3) {
        scene.run_all(&site, scene.undo);
        assert_eq!(scene.guards(&site), old);
        let kill = Interference::KillAtStore(offset_of!(State, epoch));
        let killed = scene.traced(&site, Calls::Batches, Some((last_write, kill)));
        assert_eq!(killed.code, None);
        let found = scene.guards(&site);
        assert_eq!(found, [new[0].clone(), old[1].clone()], "half of it");

        site.rpcguard(next);
        if next.starts_with("allow") {
            site.rpcguard(&next.replace("add", "remove"));
        }
        let expected = if next == "detach eth0" {
            &None
        } else {
            &new[0]
        };
        let found = scene.guards(&site);
        assert_eq!(found, [expected.clone(), new[1].clone()], "after `{next}`");
        scene.probe(&site, next);
        if next == "detach eth0" {
            site.rpcguard("detach eth1");
            site.rpcguard(ATTACH_BOTH);
            site.rpcguard(ADD);
        }
    }
    site.rpcguard("detach --all");
}
