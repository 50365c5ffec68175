//! Changes of the lists: all or nothing, on one interface and on several.

use std::ops::Range;

use serde_json::{Value, json};

use crate::machine::{Machine, Refusal};

/// The prefixes of a list on an interface.
fn prefixes(machine: &Machine, list: &str, interface: &str) -> Vec<String> {
    let arguments = format!("{list} list --json -i {interface}");
    let document = machine.does(&arguments).json();
    let prefixes = document["interfaces"][0]["prefixes"].as_array().unwrap();
    let text = |listed: &Value| listed["prefix"].as_str().unwrap().to_owned();
    prefixes.iter().map(text).collect()
}

fn in_the_other_list(refusal: Refusal, prefix: &str, list: &str, interface: &str) {
    refusal
        .exited_with(1)
        .saying(&format!(
            "`{prefix}` is in the {list} list of `{interface}`"
        ))
        .hinting(&format!("`rpcguard {list} remove {prefix} -i {interface}`"));
}

#[test]
fn a_prefix_is_not_added_to_the_list_opposite_to_its_own() {
    const TEST: &str = "a_prefix_is_not_added_to_the_list_opposite_to_its_own";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0 --allow 10.0.0.0/8 --deny 10.1.0.0/16 --deny 2001:db8::1");
    let list = machine.file("list", "198.18.0.0/15\n10.1.0.0/16\n");
    for (command, prefix, list) in [
        ("allow add 198.18.0.1 10.1.0.0/16", "10.1.0.0/16", "deny"),
        (
            "allow add 198.18.0.1 2001:db8::1",
            "2001:db8::1/128",
            "deny",
        ),
        ("deny add 198.18.0.1 10.0.0.0/8", "10.0.0.0/8", "allow"),
        (
            &format!("allow replace {}", list.display()),
            "10.1.0.0/16",
            "deny",
        ),
        (
            "attach eth0 --replace --tcp --deny 10.0.0.0/8",
            "10.0.0.0/8",
            "allow",
        ),
    ] {
        in_the_other_list(machine.refuses(command), prefix, list, "eth0");
    }
}

#[test]
fn more_ends_than_there_is_room_for_are_renewed_in_portions() {
    const TEST: &str = "more_ends_than_there_is_room_for_are_renewed_in_portions";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    let add = |hosts: Range<u32>, time: &str| {
        let hosts: Vec<String> = hosts
            .map(|host| format!("10.0.{}.{}", host / 256, host % 256))
            .collect();
        format!("allow add {} --for {time}", hosts.join(" "))
    };
    machine.does(&add(0..2500, "1h"));
    machine
        .refuses(&add(0..2500, "2h"))
        .exited_with(1)
        .saying("has room for 1595 more ends, of 4095 in all")
        .saying("2500 of the prefixes are there already")
        .hinting("1595 at a time");
    for portion in [0..1595, 1595..2500] {
        machine.does(&add(portion, "2h"));
    }
    machine
        .refuses(&add(2500..4100, "1h"))
        .exited_with(1)
        .saying("has room for 1595 more prefixes that end by themselves, of 4095 in all")
        .hinting("remove some");
    machine.does(&add(2500..4095, "1h"));
    machine
        .refuses(&add(0..1, "3h"))
        .exited_with(1)
        .saying("has room for 0 more ends")
        .hinting("remove some first");
}

#[test]
fn a_change_that_one_of_two_guards_refuses_changes_neither() {
    const TEST: &str = "a_change_that_one_of_two_guards_refuses_changes_neither";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    machine.does("attach eth1 --deny 10.0.0.0/8");
    let refusal = machine.refuses("allow add 10.0.0.0/8 10.1.0.0/16");
    in_the_other_list(refusal, "10.0.0.0/8", "deny", "eth1");
    let refusal = machine.refuses("deny remove 10.0.0.0/8");
    refusal.exited_with(1).saying("deny list of `eth0`");
    // What the other guard does not mind can be done there.
    let added = machine.does("allow add 10.0.0.0/8 -i eth0");
    assert_eq!(added.stdout, "eth0: allow list: 1 added, 0 removed\n");
}

#[test]
fn what_is_not_listed_cannot_be_removed() {
    let Some(machine) = Machine::or_skip("what_is_not_listed_cannot_be_removed") else {
        return;
    };
    machine.does("attach eth0 --allow 10.0.0.0/8 --deny 10.1.0.0/16");
    for (command, prefix, list) in [
        ("allow remove 10.0.0.0/8 10.0.0.0/9", "10.0.0.0/9", "allow"),
        ("allow remove 10.1.0.0/16", "10.1.0.0/16", "allow"),
        (
            "deny remove 10.1.0.0/16 2001:db8::/32",
            "2001:db8::/32",
            "deny",
        ),
    ] {
        machine
            .refuses(command)
            .exited_with(1)
            .saying(&format!("`{prefix}` is not in the {list} list of `eth0`"))
            .hinting(&format!("`rpcguard {list} list -i eth0`"));
    }
}

#[test]
fn what_is_listed_already_may_be_added_again() {
    let Some(machine) = Machine::or_skip("what_is_listed_already_may_be_added_again") else {
        return;
    };
    machine.does("attach eth0 --allow 10.0.0.0/8");
    let added = machine.does("allow add 10.0.0.0/8 10.1.0.0/16");
    assert_eq!(
        added.stdout,
        "eth0: allow list: 1 added, 0 removed, 1 already there\n"
    );
}

#[test]
fn every_verb_does_what_it_says_on_the_interfaces_that_it_is_given() {
    const TEST: &str = "every_verb_does_what_it_says_on_the_interfaces_that_it_is_given";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0 eth1");
    for list in ["allow", "deny"] {
        let base = if list == "allow" { "10" } else { "172" };
        let prefix = |rest: &str| format!("{base}.{rest}");
        let (wide, host) = (prefix("0.0.0/8"), prefix("0.0.1/32"));
        let run = |arguments: &str| machine.does(&format!("{list} {arguments}"));
        run(&format!("add {wide}"));
        run(&format!("add {host} -i eth1"));
        assert_eq!(
            prefixes(&machine, list, "eth0"),
            std::slice::from_ref(&wide)
        );
        assert_eq!(prefixes(&machine, list, "eth1"), [&*wide, &*host]);
        run(&format!("remove {wide} -i eth0"));
        assert!(prefixes(&machine, list, "eth0").is_empty());
        let file = machine.file("list", format!("{host}\n"));
        let replaced = run(&format!("replace {}", file.display()));
        assert_eq!(
            replaced.stdout,
            format!(
                "eth0: {list} list: 1 added, 0 removed\n\
                 eth1: {list} list: 0 added, 1 removed, 1 already there\n"
            )
        );
        assert_eq!(
            prefixes(&machine, list, "eth0"),
            std::slice::from_ref(&host)
        );
        assert_eq!(prefixes(&machine, list, "eth1"), [host]);
    }
}

#[test]
fn lists_are_tables_for_people() {
    let Some(machine) = Machine::or_skip("lists_are_tables_for_people") else {
        return;
    };
    machine.does("attach eth0 --allow 10.0.0.0/8 --allow 2001:db8::/32");
    let listed = |list: &str| machine.does(&format!("{list} list")).stdout;
    assert_eq!(
        listed("allow"),
        "eth0: allow list\n  \
           prefix         packets  bytes\n  \
           10.0.0.0/8           0      0\n  \
           2001:db8::/32        0      0\n"
    );
    assert_eq!(listed("deny"), "eth0: the deny list is empty\n");
}

#[test]
fn settings_change_and_the_rest_stays() {
    let Some(machine) = Machine::or_skip("settings_change_and_the_rest_stays") else {
        return;
    };
    machine.does("attach eth0 --allow 10.0.0.0/8 --observe");
    let policy = |arguments: &str| {
        let document = machine.does(arguments).json();
        let policy = &document["interfaces"][0]["policy"];
        json!([policy["observe"], policy["tcp"], policy["ports"]])
    };
    assert_eq!(policy("status --json"), json!([true, false, [111]]));
    assert_eq!(
        policy("set eth0 --tcp on --json"),
        json!([true, true, [111]])
    );
    assert_eq!(
        policy("set eth0 --observe off --json"),
        json!([false, true, [111]])
    );
    assert_eq!(
        policy("set eth0 --tcp off --port 2049 --port 111 --json"),
        json!([false, false, [111, 2049]])
    );
    assert_eq!(prefixes(&machine, "allow", "eth0"), ["10.0.0.0/8"]);
    let said = machine.does("set eth0 --observe on").stdout;
    assert_eq!(
        said,
        "eth0: observed in native mode, nothing is dropped: UDP ports 111, 2049, allowed from 1 \
         prefix only\n"
    );
}
