//! Lists in files: those that are taken, and those that are refused whole.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use rpcguard_tests::lab::{Finished, missing_tools, skip};
use serde_json::Value;

use crate::machine::{Machine, addresses};

fn guarded(test: &str) -> Option<Machine> {
    let machine = Machine::or_skip(test)?;
    machine.does("attach eth0 --allow 192.0.2.0/24");
    Some(machine)
}

/// Everything that takes a list file.
const TAKERS: [&str; 4] = [
    "attach eth1 --allow-file",
    "attach eth0 --replace --allow-file",
    "allow replace",
    "deny replace",
];

#[track_caller]
fn everybody_refuses(machine: &Machine, file: &Path, words: &[&str]) {
    for command in TAKERS {
        let mut refusal = machine.refuses_with(command, file).exited_with(1);
        for word in words {
            refusal = refusal.saying(word);
        }
    }
}

#[test]
fn a_file_that_is_no_list_is_refused() {
    let Some(machine) = guarded("a_file_that_is_no_list_is_refused") else {
        return;
    };
    let binary = machine.file("binary", b"10.0.0.0/8\n\x7fELF\0\n");
    everybody_refuses(
        &machine,
        &binary,
        &["is not a text file", "NUL byte in line 2"],
    );
    everybody_refuses(
        &machine,
        Path::new("/nowhere/list"),
        &["`/nowhere/list` does not exist"],
    );
    everybody_refuses(&machine, binary.parent().unwrap(), &["is a directory"]);
    let large = machine.file("large", "");
    let bytes = (64 << 20) + 1;
    File::options()
        .write(true)
        .open(&large)
        .unwrap()
        .set_len(bytes)
        .unwrap();
    everybody_refuses(
        &machine,
        &large,
        &["too large: 67108865 bytes", "limit is 67108864 bytes"],
    );
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let Some(machine) = guarded("a_file_that_may_not_be_read_is_refused") else {
        return;
    };
    let file = machine.file("list", "10.0.0.0/8\n");
    // Not even root reads it without these.
    let wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    let command = format!("allow replace {}", file.display());
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    machine
        .refuses_command(&mut machine.wrapped(&wrapper, &command))
        .exited_with(1)
        .saying("cannot be read: Permission denied");
}

#[test]
fn one_bad_line_in_a_large_file_is_named_and_nothing_is_applied() {
    const TEST: &str = "one_bad_line_in_a_large_file_is_named_and_nothing_is_applied";
    let Some(machine) = guarded(TEST) else { return };
    let file = machine.file("list", addresses(70_000) + "  10.0.0.0/33\n10.9.9.9\n");
    let place = format!("{}:70001:3: `10.0.0.0/33`", file.display());
    everybody_refuses(&machine, &file, &[&place, "takes /0 to /32"]);
}

#[test]
fn every_bad_line_is_named() {
    let Some(machine) = guarded("every_bad_line_is_named") else {
        return;
    };
    let file = machine.file("list", "10.0.0.0/8\nexample.org\n10.0.0.1 10.0.0.2\n");
    let name = file.display();
    everybody_refuses(
        &machine,
        &file,
        &[
            &format!("{name}:2:1: `example.org` is not an IPv4 or IPv6 address"),
            &format!("{name}:3:10: `10.0.0.2` stands where"),
        ],
    );
}

/// The prefixes of the allow list of eth0, with their packets.
fn listed(machine: &Machine) -> Vec<(String, u64)> {
    let document = machine.does("allow list -i eth0 --json").json();
    let prefixes = document["interfaces"][0]["prefixes"].as_array().unwrap();
    let one = |listed: &Value| {
        let prefix = listed["prefix"].as_str().unwrap().to_owned();
        (prefix, listed["packets"].as_u64().unwrap())
    };
    prefixes.iter().map(one).collect()
}

fn listed_prefixes(machine: &Machine) -> Vec<String> {
    listed(machine)
        .into_iter()
        .map(|(prefix, _)| prefix)
        .collect()
}

#[test]
fn standard_input_is_a_list_too() {
    let Some(machine) = guarded("standard_input_is_a_list_too") else {
        return;
    };
    let good = machine.file("good", "10.0.0.1/8\n");
    let bad = machine.file("bad", "10.0.0.0/8\nmistake\n");
    let fed = |arguments: &str, from: &Path| {
        let mut command = machine.command(arguments);
        command.stdin(File::open(from).unwrap());
        command
    };
    machine
        .refuses_command(&mut fed("allow replace -", &bad))
        .exited_with(1)
        .saying("standard input:2:1: `mistake`");
    let replaced = Finished::wait_for(&mut fed("allow replace -", &good)).succeeded();
    let noted = "note: standard input: line 1: `10.0.0.1/8` has host bits set";
    assert!(replaced.stderr.starts_with(noted), "{replaced}");
    assert_eq!(listed_prefixes(&machine), ["10.0.0.0/8"]);
    let _ = Finished::wait_for(&mut fed("attach eth1 --allow-file /dev/stdin", &good)).succeeded();
    let list = machine.does("allow list -i eth1");
    assert!(list.stdout.contains("10.0.0.0/8"), "{list}");
}

#[test]
fn notes_go_to_standard_error() {
    let Some(machine) = guarded("notes_go_to_standard_error") else {
        return;
    };
    let file = machine.file("list", "10.0.0.1/8\n10.0.0.0/8\n");
    let command = format!(
        "attach eth1 --allow 198.18.7.7/15 --allow-file {}",
        file.display()
    );
    let attached = machine.does(&command);
    let name = file.display();
    assert_eq!(
        attached.stderr,
        format!(
            "note: `198.18.7.7/15` has host bits set, read as 198.18.0.0/15\n\
             note: {name}: line 1: `10.0.0.1/8` has host bits set, read as 10.0.0.0/8\n\
             note: {name}: 1 entry repeats an earlier one\n"
        )
    );
    assert_eq!(
        attached.stdout,
        "eth1: guarded in native mode: UDP port 111, allowed from 2 prefixes only\n"
    );
}

#[test]
fn several_files_and_prefixes_become_one_list() {
    let Some(machine) = Machine::or_skip("several_files_and_prefixes_become_one_list") else {
        return;
    };
    let first = machine.file("first", "10.0.0.0/8 # office\n\n# nobody\n2001:db8::/32\n");
    let second = machine.file("second", "198.18.0.0-198.18.0.2\n10.0.0.0/8\n");
    let command = format!(
        "attach eth0 --allow 192.0.2.7 --allow-file {} --allow-file {}",
        first.display(),
        second.display()
    );
    machine.does(&command);
    assert_eq!(
        listed_prefixes(&machine),
        [
            "10.0.0.0/8",
            "192.0.2.7/32",
            "198.18.0.0/31",
            "198.18.0.2/32",
            "2001:db8::/32"
        ]
    );
}

/// Has the real tool print a set of the lab's host, and takes that for a list.
fn takes_the_set_of(test: &str, tool: &str, fill: &[&[&str]], print: &[&str]) {
    let missing = missing_tools(&[tool]);
    if !missing.is_empty() {
        return skip(test, &format!("not installed: {}", missing.join(", ")));
    }
    let Some(machine) = guarded(test) else { return };
    for arguments in fill {
        if let Err(error) = machine.host().run(tool, arguments) {
            return skip(test, &format!("no sets in this kernel: {error}"));
        }
    }
    let saved = machine.host().run(tool, print).unwrap();
    let file = machine.file("saved", saved);
    machine.does(&format!("allow replace {}", file.display()));
    assert_eq!(listed_prefixes(&machine), ["10.0.0.0/8", "198.18.0.7/32"]);
}

#[test]
fn what_ipset_saves_is_a_list() {
    takes_the_set_of(
        "what_ipset_saves_is_a_list",
        "ipset",
        &[
            &["create", "clients", "hash:net"],
            &["add", "clients", "10.0.0.0/8"],
            &["add", "clients", "198.18.0.7"],
        ],
        &["save", "clients"],
    );
}

#[test]
fn what_nft_lists_is_a_list() {
    takes_the_set_of(
        "what_nft_lists_is_a_list",
        "nft",
        &[
            &["add", "table", "inet", "filter"],
            &["add set inet filter clients { type ipv4_addr; flags interval; }"],
            &["add element inet filter clients { 10.0.0.0/8, 198.18.0.7 }"],
        ],
        &["list", "set", "inet", "filter", "clients"],
    );
}

#[test]
fn replace_keeps_the_hits_of_prefixes_in_both_lists() {
    let Some(machine) = guarded("replace_keeps_the_hits_of_prefixes_in_both_lists") else {
        return;
    };
    machine.does("allow add 10.0.0.0/8 198.18.0.0/15");
    for source in [
        [10, 0, 0, 1],
        [10, 0, 0, 2],
        [192, 0, 2, 9],
        [198, 18, 0, 1],
    ] {
        machine.call_portmapper(source, 40);
    }
    let hits = |list: &[(&str, u64)]| -> Vec<(String, u64)> {
        list.iter()
            .map(|(prefix, packets)| ((*prefix).to_owned(), *packets))
            .collect()
    };
    let before = [("10.0.0.0/8", 2), ("192.0.2.0/24", 1), ("198.18.0.0/15", 1)];
    assert_eq!(listed(&machine), hits(&before));
    let file = machine.file("list", "203.0.113.0/24\n10.0.0.0/8\n192.0.2.0/24\n");
    let replaced = machine.does(&format!("allow replace {}", file.display()));
    assert_eq!(
        replaced.stdout,
        "eth0: allow list: 1 added, 1 removed, 2 already there\n"
    );
    let after = [
        ("10.0.0.0/8", 2),
        ("192.0.2.0/24", 1),
        ("203.0.113.0/24", 0),
    ];
    assert_eq!(listed(&machine), hits(&after));
}
