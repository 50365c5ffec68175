//! A process that may not do what it is asked to, or has nowhere to pin it.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rpcguard_tests::lab::{Finished, LabProgram, rpcguard_binary};

use crate::machine::{Machine, Refusal};

/// Where everything is pinned.
const PINS: &str = "/sys/fs/bpf/rpcguard";

/// Somebody who is not root.
const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

/// Every kind of command.
const COMMANDS: [&str; 5] = [
    "attach eth1 --allow 10.0.0.0/8",
    "detach eth0",
    "status",
    "allow add 10.0.0.0/8",
    "set eth0 --tcp on",
];

fn guarded(test: &str) -> Option<Machine> {
    let machine = Machine::or_skip(test)?;
    machine.does("attach eth0 --allow 192.0.2.0/24");
    Some(machine)
}

#[test]
fn somebody_who_is_not_root_is_told_what_is_missing() {
    let Some(machine) = guarded("somebody_who_is_not_root_is_told_what_is_missing") else {
        return;
    };
    let copy = copy_for_others(&machine);
    for arguments in COMMANDS {
        let mut command = machine.host().command("setpriv");
        command
            .args(NOBODY)
            .arg(copy)
            .args(arguments.split_whitespace());
        machine
            .refuses_command(&mut command)
            .exited_with(1)
            .saying("not permitted to ")
            .saying("this process lacks CAP_BPF, CAP_NET_ADMIN")
            .hinting("root (sudo)");
    }
}

#[test]
fn a_missing_capability_is_named() {
    let Some(machine) = guarded("a_missing_capability_is_named") else {
        return;
    };
    let sets = [
        ("-bpf,-sys_admin", "lacks CAP_BPF\n"),
        ("-net_admin", "lacks CAP_NET_ADMIN\n"),
    ];
    for (dropped, missing) in sets {
        let wrapper = ["setpriv", &format!("--bounding-set={dropped}")];
        for arguments in COMMANDS {
            machine
                .refuses_command(&mut machine.wrapped(&wrapper, arguments))
                .exited_with(1)
                .saying(missing)
                .hinting("give it the capabilities");
        }
    }
    let wrapper = ["setpriv", "--bounding-set=-perfmon,-sys_admin"];
    for arguments in ["attach eth1", "attach eth0 --replace"] {
        machine
            .refuses_command(&mut machine.wrapped(&wrapper, arguments))
            .exited_with(1)
            .saying("not permitted to attach the filter: this process lacks CAP_PERFMON\n");
    }
    // The first rate policy brings another program.
    machine
        .refuses_command(&mut machine.wrapped(&wrapper, "set eth0 --rate 5/s"))
        .exited_with(1)
        .saying("not permitted to load the program: this process lacks CAP_PERFMON\n");
}

#[test]
fn the_capabilities_that_are_asked_for_are_enough() {
    let Some(machine) = guarded("the_capabilities_that_are_asked_for_are_enough") else {
        return;
    };
    let with = |capabilities: &str, arguments: &str| {
        let wrapper = ["setpriv", &format!("--bounding-set=-all,{capabilities}")];
        let mut command = machine.wrapped(&wrapper, arguments);
        let _ = Finished::wait_for(&mut command).succeeded();
    };
    with("+bpf,+net_admin,+perfmon", "attach eth1 --allow 10.0.0.0/8");
    with("+bpf,+net_admin,+perfmon", "attach eth1 --replace --tcp");
    with("+bpf,+net_admin,+perfmon", "set eth1 --rate 5/s");
    with("+bpf,+net_admin", "set eth1 --rate 9/s");
    with("+bpf,+net_admin", "allow list");
    with("+bpf,+net_admin", "deny add 10.0.0.0/16");
    with("+bpf,+net_admin", "allow add 10.1.0.0/16");
    with("+bpf,+net_admin", "set eth1 --observe on");
    with("+bpf,+net_admin", "status");
    with("+bpf,+net_admin", "detach eth1");
    with("+sys_admin,+net_admin", "attach eth1");
}

#[test]
fn without_a_bpf_file_system_the_mount_command_is_offered() {
    let Some(machine) = guarded("without_a_bpf_file_system_the_mount_command_is_offered") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().to_str().unwrap();
    let missing = format!("{plain}/none");
    for bpffs in [plain, missing.as_str()] {
        for arguments in COMMANDS {
            let mut command = machine.command(arguments);
            machine
                .refuses_command(command.env("RPCGUARD_BPFFS", bpffs))
                .exited_with(1)
                .saying(&format!("there is no BPF file system at {bpffs}"))
                .hinting(&format!("`mount -t bpf bpf {bpffs}`"));
        }
    }
    assert_eq!(std::fs::read_dir(plain).unwrap().count(), 0);
}

#[test]
fn the_bpf_file_system_can_be_elsewhere() {
    let Some(machine) = guarded("the_bpf_file_system_can_be_elsewhere") else {
        return;
    };
    let elsewhere = "/sys/fs/bpf/elsewhere";
    machine
        .host()
        .enter(|| std::fs::create_dir(elsewhere))
        .unwrap();
    let run = |arguments: &str| {
        let mut command = machine.command(arguments);
        command.env("RPCGUARD_BPFFS", elsewhere);
        Finished::wait_for(&mut command).succeeded()
    };
    let _ = run("attach eth1");
    assert!(run("status").stdout.starts_with("eth1: guarded"));
    assert!(machine.does("status").stdout.starts_with("eth0: guarded"));
    let _ = run("detach --all");
    assert_eq!(machine.programs().len(), 1);
}

/// Where the command is built, others may not look. Another process copies it: children that other tests
/// are just starting would hold a descriptor of this one for writing, and the copy could not be executed.
fn copy_for_others(machine: &Machine) -> &'static str {
    let copy = "/run/rpcguard";
    let binary = rpcguard_binary();
    let binary = binary.to_str().expect("a path in UTF-8");
    machine.host().run("cp", &[binary, copy]).unwrap();
    copy
}

/// Runs the command as somebody who is not root, with these capabilities.
fn nobody_with(machine: &Machine, capabilities: &str, arguments: &str) -> Finished {
    let copy = copy_for_others(machine);
    let mut command = machine.host().command("setpriv");
    command
        .args(NOBODY)
        .arg(format!("--inh-caps=-all,{capabilities}"))
        .arg(format!("--ambient-caps=-all,{capabilities}"))
        .arg(copy)
        .args(arguments.split_whitespace());
    Finished::wait_for(&mut command)
}

#[test]
fn without_root_the_capabilities_are_enough_where_the_bpf_file_system_is_open() {
    let Some(machine) = Machine::or_skip("without_root_the_capabilities_are_enough") else {
        return;
    };
    for arguments in [
        "attach eth0 --allow 10.0.0.0/8",
        "attach eth0 --replace --tcp",
        "set eth0 --rate 5/s",
        "detach eth0",
        "attach eth0",
    ] {
        let _ = nobody_with(&machine, "+bpf,+net_admin,+perfmon", arguments).succeeded();
    }
    for arguments in [
        "allow add 10.1.0.0/16",
        "set eth0 --observe on",
        "status",
        "allow list",
        "detach eth0",
    ] {
        let _ = nobody_with(&machine, "+bpf,+net_admin", arguments).succeeded();
    }
    assert_eq!(machine.programs().len(), 0);
}

#[test]
fn nobody_else_gets_at_the_pins_of_root() {
    let Some(machine) = guarded("nobody_else_gets_at_the_pins_of_root") else {
        return;
    };
    for arguments in ["status", "allow add 10.0.0.1", "detach eth0", "attach eth1"] {
        let refused = nobody_with(&machine, "+bpf,+net_admin,+perfmon", arguments).exited_with(1);
        let error = &refused.stderr;
        assert!(error.contains("Permission denied"), "{refused}");
        assert!(error.contains("/sys/fs/bpf/rpcguard"), "{refused}");
    }
    assert_eq!(machine.programs().len(), 1);
}

/// The mode of a file, and of everything below it.
fn modes(path: &Path) -> Vec<(PathBuf, u32)> {
    let metadata = fs::symlink_metadata(path).unwrap();
    let mut found = vec![(path.to_owned(), metadata.mode() & 0o7777)];
    if metadata.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        found.extend(entries.flat_map(|entry| modes(&entry.unwrap().path())));
    }
    found
}

#[test]
fn pins_are_for_their_owner_alone_whatever_the_umask() {
    let Some(machine) = Machine::or_skip("pins_are_for_their_owner_alone_whatever_the_umask")
    else {
        return;
    };
    let wrapper = ["sh", "-c", "umask 0; exec \"$@\"", "sh"];
    let mut attach = machine.wrapped(&wrapper, "attach eth0");
    let _ = Finished::wait_for(&mut attach).succeeded();
    let found = machine.host().enter(|| modes(Path::new(PINS)));
    assert!(found.len() > 10, "{found:?}");
    for (path, mode) in found {
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn a_directory_that_is_open_to_others_is_closed() {
    let Some(machine) = guarded("a_directory_that_is_open_to_others_is_closed") else {
        return;
    };
    let mode = || machine.host().enter(|| modes(Path::new(PINS))[0].1);
    for arguments in ["allow add 10.0.0.1", "attach eth1"] {
        let open = fs::Permissions::from_mode(0o777);
        let opened = machine.host().enter(|| fs::set_permissions(PINS, open));
        opened.unwrap();
        let did = machine.does(arguments);
        assert!(did.stderr.contains("was open to other users"), "{did}");
        assert_eq!(mode(), 0o700);
    }
}

#[test]
fn a_directory_that_somebody_else_made_is_not_trusted() {
    let Some(machine) = Machine::or_skip("a_directory_that_somebody_else_made_is_not_trusted")
    else {
        return;
    };
    let as_nobody = |arguments: &[&str]| {
        let mut command = machine.host().command("setpriv");
        let _ = Finished::wait_for(command.args(NOBODY).args(arguments)).succeeded();
    };
    as_nobody(&["mkdir", "-m", "755", PINS]);
    for arguments in ["attach eth0", "status", "detach eth0", "allow add 10.0.0.1"] {
        // What is there cannot be compared before and after: nobody looks into it.
        Refusal::of(machine.rpcguard(arguments))
            .exited_with(1)
            .saying(&format!(
                "a filter is not safe in {PINS}: it belongs to user 65534"
            ))
            .hinting(&format!("`rm -r {PINS}`"));
    }
    as_nobody(&["rmdir", PINS]);
    as_nobody(&["ln", "-s", "/sys/fs/bpf/other", PINS]);
    Refusal::of(machine.rpcguard("attach eth0"))
        .exited_with(1)
        .saying("it is not a directory");
    assert_eq!(machine.programs().len(), 0);
    as_nobody(&["rm", PINS]);
    machine.does("attach eth0");
}

#[test]
fn a_bpffs_that_others_can_change_is_not_trusted() {
    const BPFFS: &str = "/sys/fs/bpf";
    let Some(machine) = guarded("a_bpffs_that_others_can_change_is_not_trusted") else {
        return;
    };
    let host = machine.host();
    let change = |program: &str, to: &str| host.run(program, &[to, BPFFS]).unwrap();
    let refused = |why: &str| {
        for arguments in ["attach eth1", "status", "detach eth0", "allow add 10.0.0.1"] {
            Refusal::of(machine.rpcguard(arguments))
                .exited_with(1)
                .saying(&format!("a filter is not safe in {BPFFS}: {why}"))
                .hinting(&format!("`chmod 0700 {BPFFS}`"));
        }
    };
    change("chmod", "0777");
    refused("everybody can write it");
    change("chmod", "0755");
    change("chown", "65534");
    refused("it belongs to user 65534");
    change("chown", "0");
    // As the kernel makes it: nobody takes away what belongs to others.
    change("chmod", "1777");
    machine.does("attach eth1");
}

#[test]
fn a_dispatcher_that_somebody_else_made_is_not_adopted() {
    const DISPATCHERS: &str = "/sys/fs/bpf/xdp";
    let test = "a_dispatcher_that_somebody_else_made_is_not_adopted";
    let Some(machine) = Machine::or_skip(test) else {
        return;
    };
    let mut theirs = LabProgram::load(LabProgram::PASS).unwrap();
    theirs.attach(machine.host(), "eth0").unwrap();
    let adopt = || Refusal::of(machine.rpcguard("adopt eth0")).exited_with(1);
    adopt().saying("no program of rpcguard's is on `eth0`");
    let mut command = machine.host().command("setpriv");
    command.args(NOBODY).args(["mkdir", DISPATCHERS]);
    let _ = Finished::wait_for(&mut command).succeeded();
    adopt().saying(&format!(
        "a filter is not safe in {DISPATCHERS}: it belongs to user 65534"
    ));
}
