//! Command lines that are wrong in themselves: exit code 2, whatever is attached.

use crate::machine::Machine;

/// A machine with something to lose.
fn guarded(test: &str) -> Option<Machine> {
    let machine = Machine::or_skip(test)?;
    machine.does("attach eth0 --allow 192.0.2.0/24 --deny 192.0.2.7");
    Some(machine)
}

#[test]
fn what_cannot_be_an_interface_name_is_refused_by_every_command() {
    const TEST: &str = "what_cannot_be_an_interface_name_is_refused_by_every_command";
    let Some(machine) = guarded(TEST) else { return };
    let commands = [
        "attach",
        "detach",
        "status",
        "set --tcp on",
        "allow add 10.0.0.0/8 -i",
        "deny list -i",
    ];
    let names = [
        ("sixteen-bytes-xy", "it has more than 15 bytes"),
        ("../eth0", "it contains a slash"),
        ("", "it is empty"),
        (".", "it is a directory"),
        ("..", "it is a directory"),
        ("eth 0", "it contains white space"),
        ("eth0:1", "it contains a colon"),
    ];
    for command in commands {
        for (name, why) in names {
            machine
                .refuses_with(command, name)
                .exited_with(2)
                .saying(why);
        }
    }
}

#[test]
fn what_is_no_prefix_is_refused() {
    let Some(machine) = guarded("what_is_no_prefix_is_refused") else {
        return;
    };
    let prefixes = [
        (
            "10.0.0.0/33",
            "`/33` is not a prefix length; this address has 0 to 32",
        ),
        (
            "2001:db8::/129",
            "`/129` is not a prefix length; this address has 0 to 128",
        ),
        ("10.0.0.0/", "`/` is not a prefix length"),
        ("10.0.0.0/-1", "`/-1` is not a prefix length"),
        ("10.0.0/8", "`10.0.0` is not an IPv4 or IPv6 address"),
        (
            "example.org",
            "`example.org` is not an IPv4 or IPv6 address",
        ),
    ];
    for command in [
        "attach eth1 --allow",
        "attach eth1 --deny",
        "allow add",
        "allow remove",
        "deny add",
    ] {
        for (prefix, why) in prefixes {
            let refusal = machine.refuses(&format!("{command} {prefix}"));
            refusal.exited_with(2).saying(prefix).saying(why);
        }
    }
    for address in ["10.0.0.0/8", "10.0.0", "localhost"] {
        let refusal = machine.refuses(&format!("allow test {address}"));
        refusal.exited_with(2).saying(address);
    }
}

#[test]
fn a_prefix_given_twice_is_refused() {
    let Some(machine) = guarded("a_prefix_given_twice_is_refused") else {
        return;
    };
    for (command, list) in [
        (
            "attach eth1 --allow 10.1.0.0/16 --allow 10.1.0.0/16",
            "allow",
        ),
        ("attach eth1 --deny 10.1.0.0/16 --deny 10.1.2.3/16", "deny"),
        (
            "attach eth0 --replace --allow 10.1.0.0/16 --allow 10.1.0.0/16",
            "allow",
        ),
        ("allow add 10.1.0.0/16 10.1.0.0/16", "allow"),
        ("deny remove 10.1.0.0/16 10.1.0.0/16", "deny"),
    ] {
        machine
            .refuses(command)
            .exited_with(2)
            .saying(&format!("`10.1.0.0/16` is given twice for the {list} list"))
            .hinting("once");
    }
}

#[test]
fn a_prefix_to_be_allowed_and_denied_is_refused() {
    let Some(machine) = guarded("a_prefix_to_be_allowed_and_denied_is_refused") else {
        return;
    };
    let file = machine.file("list", "10.0.0.1\n10.1.0.0/16\n");
    let file = file.display();
    for command in [
        "attach eth1 --allow 10.1.0.0/16 --deny 10.1.0.0/16",
        &format!("attach eth1 --allow-file {file} --deny 10.1.0.0/16"),
        "attach eth0 --replace --allow 10.1.0.0/16 --deny 10.1.0.0/16",
    ] {
        machine
            .refuses(command)
            .exited_with(2)
            .saying("`10.1.0.0/16` is to be both allowed and denied")
            .hinting("leave it out of one");
    }
}

#[test]
fn what_clap_cannot_parse_is_refused() {
    let Some(machine) = guarded("what_clap_cannot_parse_is_refused") else {
        return;
    };
    for (command, word) in [
        ("attach", "<IFACE>"),
        ("attach eth1 --port 65536", "65536"),
        ("attach eth1 --port rpc", "rpc"),
        ("attach eth1 --mode offload", "offload"),
        ("attach eth0 --replace --mode generic", "--mode"),
        ("attach eth1 --nonsense", "--nonsense"),
        ("detach", "IFACE"),
        ("detach --all eth0", "--all"),
        ("set eth0", "--observe"),
        ("set eth0 --observe maybe", "maybe"),
        ("allow", "Usage"),
        ("allow add", "<CIDR>"),
        ("allow add 192.0.2.1 --for 0s", "no time at all"),
        ("allow add 192.0.2.1 --for=-1h", "in the past"),
        ("allow add 192.0.2.1 --for 2mo", "months differ"),
        ("allow add 192.0.2.1 --for 400d", "more than a year"),
        ("allow add 192.0.2.1 --for soon", "2h or 7d"),
        ("allow remove 192.0.2.1 --for 2h", "--for"),
        ("attach eth1 --only-to all", "all"),
        ("set eth0 --only-to nobody", "nobody"),
        ("frobnicate", "frobnicate"),
    ] {
        let before = machine.state();
        let finished = machine.rpcguard(command).exited_with(2);
        assert_eq!(finished.stdout, "");
        assert!(finished.stderr.contains(word), "{finished}");
        assert_eq!(machine.state(), before, "{finished}");
    }
}
