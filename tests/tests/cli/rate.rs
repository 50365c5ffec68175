//! The rate policy, as it is given and shown.

use serde_json::{Value, json};

use crate::{
    documents::{self, StatusDocument},
    machine::Machine,
};

fn policy(machine: &Machine) -> Value {
    let status = machine.does("status eth0 --json").json();
    documents::read::<StatusDocument>(&status);
    status["interfaces"][0]["policy"].clone()
}

fn limit(rate: &str, burst: u32) -> Value {
    json!({ "rate": rate, "burst": burst })
}

#[test]
fn a_rate_alone_has_the_documented_defaults() {
    let Some(machine) = Machine::or_skip("a_rate_alone_has_the_documented_defaults") else {
        return;
    };
    let attached = machine
        .does("attach eth0 --allow 192.0.2.0/24 --rate 5/s")
        .stdout;
    assert_eq!(
        attached,
        "eth0: guarded in native mode: UDP port 111, allowed from 1 prefix, others at 5/s each and \
         200/s in all\n"
    );
    let policy = policy(&machine);
    assert_eq!(policy["unlisted"], "rate");
    assert_eq!(policy["rate"]["source"], limit("5/s", 20));
    assert_eq!(policy["rate"]["prefix"], limit("40/s", 160));
    assert_eq!(policy["rate"]["total"], limit("200/s", 400));
    let harmless = [
        "v2.NULL",
        "v2.GETPORT",
        "v3.NULL",
        "v3.GETADDR",
        "v3.GETTIME",
        "v3.UADDR2TADDR",
        "v3.TADDR2UADDR",
        "v4.NULL",
        "v4.GETADDR",
        "v4.GETTIME",
        "v4.UADDR2TADDR",
        "v4.TADDR2UADDR",
        "v4.GETVERSADDR",
        "v0.NULL",
    ];
    assert_eq!(policy["rate"]["procedures"], json!(harmless));
}

#[test]
fn every_limit_can_be_given() {
    let Some(machine) = Machine::or_skip("every_limit_can_be_given") else {
        return;
    };
    machine.does(
        "attach eth0 --rate 10/m --burst 3 --rate-prefix 100/h --burst-prefix 7 --rate-total 9/s \
         --burst-total 11 --procedures NULL,v2.DUMP",
    );
    let rate = policy(&machine)["rate"].clone();
    assert_eq!(
        rate,
        json!({
            "source": limit("10/m", 3),
            "prefix": limit("100/h", 7),
            "total": limit("9/s", 11),
            "procedures": ["v2.NULL", "v2.DUMP", "v3.NULL", "v4.NULL", "v0.NULL"],
        })
    );
}

#[test]
fn what_a_large_burst_raises_can_be_given_too() {
    let Some(machine) = Machine::or_skip("what_a_large_burst_raises_can_be_given_too") else {
        return;
    };
    machine.does("attach eth0 --rate 1/s --burst 600000");
    assert_eq!(policy(&machine)["rate"]["total"], limit("200/s", 1_000_000));
    let shown = machine.does("config show").stdout;
    let file = machine.file("shown.toml", shown);
    machine.does(&format!("config check {}", file.display()));
}

#[test]
fn a_rate_begins_changes_and_ends_without_a_gap() {
    let Some(machine) = Machine::or_skip("a_rate_begins_changes_and_ends_without_a_gap") else {
        return;
    };
    machine.does("attach eth0 eth1 --allow 192.0.2.0/24");
    machine.call_portmapper([203, 0, 113, 1], 40);
    let unlisted = || {
        let status = machine.does("status eth0 --json").json();
        status["interfaces"][0]["counters"]["unlisted"]["packets"].clone()
    };
    assert_eq!(unlisted(), 1);

    // The first policy takes another program and more memory; the guard is the same.
    machine.does("set eth0 --rate 7/s");
    assert_eq!(policy(&machine)["rate"]["source"], limit("7/s", 20));
    assert_eq!(unlisted(), 1);
    let program = machine.programs()["eth0"];

    machine.does("set eth0 --burst 5 --procedures default,GETSTAT");
    let rate = policy(&machine)["rate"].clone();
    assert_eq!(rate["source"], limit("7/s", 5));
    let procedures = rate["procedures"].as_array().unwrap();
    assert!(procedures.contains(&json!("v4.GETSTAT")), "{rate}");

    machine.does("set eth0 --rate off");
    assert_eq!(policy(&machine)["unlisted"], "drop");
    assert_eq!(policy(&machine)["rate"], Value::Null);
    machine.does("set eth0 --rate 2/s");
    // A policy that ended leaves nothing to the next.
    assert_eq!(policy(&machine)["rate"]["source"], limit("2/s", 20));
    assert_eq!(
        machine.programs()["eth0"],
        program,
        "the maps are there already"
    );

    machine.does("attach eth1 --replace --rate 3/s");
    let status = machine.does("status eth1 --json").json();
    let rate = &status["interfaces"][0]["policy"]["rate"];
    assert_eq!(rate["source"], limit("3/s", 20));
}

#[test]
fn what_is_no_rate_policy_is_refused() {
    let Some(machine) = Machine::or_skip("what_is_no_rate_policy_is_refused") else {
        return;
    };
    for limit in ["--burst 5", "--rate-total 9/s", "--procedures NULL"] {
        machine
            .refuses(&format!("attach eth0 {limit}"))
            .exited_with(2)
            .saying("without `--rate`")
            .hinting("--rate 5/s");
    }
    machine.does("attach eth0");
    for limit in ["--burst 5", "--rate-prefix 9/s", "--procedures NULL"] {
        machine
            .refuses(&format!("set eth0 {limit}"))
            .exited_with(1)
            .saying("`eth0` has no rate policy to change")
            .hinting("rpcguard set eth0 --rate 5/s");
    }
    for (argument, words) in [
        ("--rate 5", "a rate is a number of packets"),
        ("--rate 5/d", "a rate is a number of packets"),
        ("--rate 0/s", "a rate is a number of packets"),
        ("--rate 5/s --burst 0", "0 is not in 1..=1000000"),
        (
            "--rate 5/s --procedures MOUNT",
            "there is no procedure `MOUNT`",
        ),
    ] {
        machine
            .refuses(&format!("set eth0 {argument}"))
            .exited_with(2)
            .saying(words);
    }
}

#[test]
fn a_tested_address_is_said_to_be_limited() {
    let Some(machine) = Machine::or_skip("a_tested_address_is_said_to_be_limited") else {
        return;
    };
    machine.does("attach eth0 --allow 10.0.0.0/8 --rate 5/s");
    let action = |address: &str| {
        let test = machine.does(&format!("allow test {address} --json")).json();
        test["interfaces"][0]["action"].clone()
    };
    assert_eq!(action("10.0.0.1"), "pass");
    assert_eq!(action("192.0.2.9"), "limit");
    let said = machine.does("allow test 192.0.2.9").stdout;
    assert!(said.contains("served within limits"), "{said}");
    machine.does("set eth0 --observe on");
    assert_eq!(action("192.0.2.9"), "pass");
}
