//! More prefixes than fit.

use rpcguard_common::abi::MAX_PREFIXES;

use crate::machine::{Machine, addresses};

/// One list, filled to its limit once: that takes most of the time.
#[test]
fn a_list_takes_its_limit_and_not_one_prefix_more() {
    let Some(machine) = Machine::or_skip("a_list_takes_its_limit_and_not_one_prefix_more") else {
        return;
    };
    let limit = MAX_PREFIXES.to_string();
    let beyond = machine.file("beyond", addresses(MAX_PREFIXES + 1));
    let full = machine.file("full", addresses(MAX_PREFIXES));
    let attach = format!("attach eth0 --allow-file {}", full.display());
    machine
        .refuses(&format!("{attach} --allow 192.0.2.1"))
        .exited_with(1)
        .saying("1048577 IPv4 prefixes are more than the allow list holds: 1048576")
        .hinting("merge neighbouring prefixes");

    let attached = machine.does(&format!("{attach} --allow 2001:db8::/32"));
    assert!(attached.stdout.contains("from 1,048,577 prefixes"));
    let allowed = || {
        let status = machine.does("status --json").json();
        status["interfaces"][0]["prefixes"]["allow"].clone()
    };
    let before = allowed();
    let commands = [
        "allow add 192.0.2.1".to_owned(),
        "attach eth0 --replace --allow 192.0.2.1".to_owned(),
        format!("allow replace {}", beyond.display()),
    ];
    for command in commands {
        let finished = machine.rpcguard(&command).exited_with(1);
        assert_eq!(finished.stdout, "");
        assert!(finished.stderr.contains(&limit), "{finished}");
        assert_eq!(allowed(), before, "{finished}");
    }
    // The other lists have room of their own.
    machine.does("deny add 192.0.2.1");
    machine.does("allow add 2001:db8::1");
    machine.does("allow remove 10.0.0.0");
    machine.does("allow add 192.0.2.2");
}
