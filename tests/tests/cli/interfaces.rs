//! Interfaces that cannot be guarded, or are not, or are already.

use aya::maps::{Array, Map, MapData};
use rpcguard_common::abi::{ABI_VERSION, State, map};
use rpcguard_tests::{
    lab::{LabProgram, skip},
    release::{Version, kernel_version},
};
use serde_json::json;

use crate::{
    documents::{self, StatusDocument},
    machine::Machine,
    tun,
};

#[test]
fn an_interface_that_does_not_exist_is_named() {
    let Some(machine) = Machine::or_skip("an_interface_that_does_not_exist_is_named") else {
        return;
    };
    let refused = |command: &str| {
        machine
            .refuses(command)
            .exited_with(1)
            .saying("there is no interface `eth9` in this network namespace")
            .hinting("ip -br link");
    };
    refused("attach eth9 --allow 10.0.0.0/8");
    refused("status eth9");
    machine.does("attach eth0");
    refused("attach eth9 --allow 10.0.0.0/8");
    refused("detach eth9");
    refused("set eth9 --tcp on");
    refused("allow add 10.0.0.0/8 -i eth9");
    refused("deny list -i eth9");
    refused("attach eth9 --replace");
}

#[test]
fn an_interface_that_is_guarded_is_not_guarded_again() {
    let Some(machine) = Machine::or_skip("an_interface_that_is_guarded_is_not_guarded_again")
    else {
        return;
    };
    machine.does("attach eth0 --allow 192.0.2.0/24");
    machine
        .refuses("attach eth0 --allow 10.0.0.0/8")
        .exited_with(1)
        .saying("`eth0` is already guarded")
        .hinting("--replace");
}

#[test]
fn an_interface_that_is_not_guarded_is_named() {
    let Some(machine) = Machine::or_skip("an_interface_that_is_not_guarded_is_named") else {
        return;
    };
    machine.does("attach eth0");
    for command in [
        "detach eth1",
        "detach eth0 eth1",
        "status eth1",
        "set eth1 --tcp on",
        "allow add 10.0.0.0/8 -i eth1",
        "allow list -i eth0 -i eth1",
        "deny test 10.0.0.1 -i eth1",
        "attach eth1 --replace",
    ] {
        machine
            .refuses(command)
            .exited_with(1)
            .saying("`eth1` is not guarded")
            .hinting("`rpcguard attach eth1` guards it");
    }
}

#[test]
fn where_nothing_is_guarded_there_is_nothing_to_change() {
    let Some(machine) = Machine::or_skip("where_nothing_is_guarded_there_is_nothing_to_change")
    else {
        return;
    };
    for command in [
        "detach --all",
        "detach eth0",
        "set eth0 --tcp on",
        "allow add 10.0.0.0/8",
        "allow list",
        "deny test 10.0.0.1",
    ] {
        machine
            .refuses(command)
            .exited_with(1)
            .saying("no interface of this network namespace is guarded")
            .hinting("`rpcguard attach IFACE`");
    }
    let status = machine.does("status");
    let nothing = "no interface of this network namespace is guarded\n";
    assert_eq!(status.stdout, nothing);
}

#[test]
fn a_program_of_somebody_else_is_named_and_left_alone() {
    let Some(machine) = Machine::or_skip("a_program_of_somebody_else_is_named_and_left_alone")
    else {
        return;
    };
    let mut theirs = LabProgram::load(LabProgram::PASS).unwrap();
    theirs.attach(machine.host(), "eth0").unwrap();
    let id = machine.programs()["eth0"];
    for options in ["", "--replace", "--mode native", "--mode generic"] {
        let refusal = machine
            .refuses(&format!("attach eth0 {options}"))
            .exited_with(1);
        if options == "--replace" {
            refusal.saying("`eth0` is not guarded");
            continue;
        }
        refusal
            .saying("`eth0` has an XDP program of somebody else")
            .saying(&format!("id {id}, name `pass`, attached in native mode"))
            .hinting(&format!("`bpftool prog show id {id}`"))
            .hinting("never replaces");
    }
}

#[test]
fn a_refusal_without_a_reason_of_the_drivers_leads_to_doctor() {
    const TEST: &str = "a_refusal_without_a_reason_of_the_drivers_leads_to_doctor";
    /// The first kernel that lets no program below another.
    const NONE_BELOW: Version = (5, 15);
    if kernel_version() < NONE_BELOW {
        return skip(TEST, "this kernel attaches programs below others");
    }
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.host().ip("link add br0 up type bridge").unwrap();
    machine.host().ip("link set eth0 master br0").unwrap();
    machine.does("attach br0");
    for (options, hint) in [
        ("", "`rpcguard doctor eth0`"),
        ("--mode generic", "`rpcguard doctor eth0`"),
        ("--mode native", "without --mode"),
    ] {
        machine
            .refuses(&format!("attach eth0 {options}"))
            .exited_with(1)
            .saying("cannot attach to `eth0`")
            .hinting(hint);
    }
}

#[test]
fn an_interface_without_a_header_that_is_understood_is_refused() {
    const TEST: &str = "an_interface_without_a_header_that_is_understood_is_refused";
    /// `ARPHRD_IEEE80211` of linux/if_arp.h.
    const RADIO: u16 = 801;
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    tun::create(machine.host(), "radio0", RADIO).unwrap();
    machine
        .refuses("attach radio0")
        .exited_with(1)
        .saying("cannot guard `radio0`: its link layer (801) is not supported")
        .hinting("attach to the Ethernet interface");
}

/// Has the guard of eth0 look like one that another rpcguard attached.
fn set_abi_version(machine: &Machine, version: u32) {
    machine.host().enter(|| {
        let mut directories = std::fs::read_dir("/sys/fs/bpf/rpcguard").unwrap();
        let pin = directories.next().unwrap().unwrap().path().join(map::STATE);
        let map = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
        let mut array: Array<_, State> = map.try_into().unwrap();
        let mut state = array.get(&0, 0).unwrap();
        state.abi_version = version;
        array.set(0, state, 0).unwrap();
    });
}

#[test]
fn a_guard_of_another_abi_version_is_refused_until_it_is_detached() {
    const TEST: &str = "a_guard_of_another_abi_version_is_refused_until_it_is_detached";
    const OTHER: u32 = 99;
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0 --allow 192.0.2.0/24");
    set_abi_version(&machine, OTHER);
    let refused = |commands: &[&str]| {
        for command in commands {
            machine
                .refuses(command)
                .exited_with(1)
                .saying("guard of `eth0`")
                .saying(&format!("ABI version {OTHER}"))
                .saying(&format!("works with version {ABI_VERSION}"))
                .hinting("`rpcguard detach eth0`");
        }
    };
    refused(&[
        "attach eth0",
        "attach eth0 --replace",
        "status eth0",
        "set eth0 --tcp on",
        "allow add 10.0.0.0/8",
        "allow list -i eth0",
        "deny test 10.0.0.1",
    ]);
    // It is not left out silently where another guard could be changed.
    machine.does("attach eth1");
    refused(&["allow add 10.0.0.0/8", "deny list"]);

    let status = machine.does("status").stdout;
    assert!(status.contains("eth0: guarded by an rpcguard of ABI version 99"));
    let status = machine.does("status --json").json();
    documents::read::<StatusDocument>(&status);
    let expected = json!({ "name": "eth0", "state": "incompatible", "abi_version": OTHER });
    assert_eq!(status["interfaces"][0], expected);

    let detached = machine.does("detach eth0");
    assert_eq!(detached.stdout, "eth0: no longer guarded\n");
    assert!(!machine.programs().contains_key("eth0"));
    machine.does("attach eth0");
}

#[test]
fn several_interfaces_are_attached_to_or_none() {
    let Some(machine) = Machine::or_skip("several_interfaces_are_attached_to_or_none") else {
        return;
    };
    let refusal = machine.refuses("attach eth0 eth9 --allow 10.0.0.0/8");
    refusal.exited_with(1).saying("`eth9`");
    let mut theirs = LabProgram::load(LabProgram::PASS).unwrap();
    theirs.attach(machine.host(), "eth1").unwrap();
    let refusal = machine.refuses("attach eth0 eth1");
    refusal.exited_with(1).saying("`eth1` has an XDP program");
    assert_eq!(machine.programs().len(), 1);
}

#[test]
fn an_interface_named_twice_counts_once() {
    let Some(machine) = Machine::or_skip("an_interface_named_twice_counts_once") else {
        return;
    };
    let lines = |arguments: &str| {
        let finished = machine.does(arguments);
        finished
            .stdout
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("attach eth0 eth0 --allow 10.0.0.0/8").len(), 1);
    assert_eq!(lines("status eth0 eth0"), lines("status eth0"));
    assert_eq!(lines("allow list -i eth0 -i eth0"), lines("allow list"));
    assert_eq!(
        lines("allow add 10.1.0.0/16 -i eth0 -i eth0"),
        ["eth0: allow list: 1 added, 0 removed"]
    );
    assert_eq!(lines("attach eth0 eth0 --replace").len(), 1);
    assert_eq!(lines("detach eth0 eth0"), ["eth0: no longer guarded"]);
}

#[test]
fn replace_renews_all_programs_or_changes_nothing() {
    let Some(machine) = Machine::or_skip("replace_renews_all_programs_or_changes_nothing") else {
        return;
    };
    machine.does("attach eth0 --observe");
    let refusal = machine.refuses("attach eth0 eth1 --replace --allow 10.0.0.0/8");
    refusal.exited_with(1).saying("`eth1` is not guarded");
    machine.does("attach eth1 --deny 10.0.0.0/8 --port 2049");
    let refusal = machine.refuses("attach eth0 eth1 --replace --allow 10.0.0.0/8");
    refusal.exited_with(1).saying("deny list of `eth1`");

    let before = machine.programs();
    let command = "attach eth0 eth1 --replace --allow 10.1.0.0/16 --tcp --json";
    let document = machine.does(command).json();
    let policies: Vec<_> = document["interfaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|guard| {
            let policy = &guard["policy"];
            let allowed = &guard["prefixes"]["allow"]["v4"];
            json!([policy["observe"], policy["tcp"], policy["ports"], allowed])
        })
        .collect();
    let kept_and_added = [
        json!([true, true, [111], 1]),
        json!([false, true, [2049], 1]),
    ];
    assert_eq!(policies, kept_and_added);
    let after = machine.programs();
    assert_ne!(before["eth0"], after["eth0"]);
    assert_ne!(before["eth1"], after["eth1"]);
}
