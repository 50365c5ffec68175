//! A process that may not do what it is asked to, or has nowhere to pin it.

use rpcguard_tests::lab::{Finished, rpcguard_binary};

use crate::machine::Machine;

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
    // Where it is built, others may not look.
    let copy = "/run/rpcguard";
    machine
        .host()
        .enter(|| std::fs::copy(rpcguard_binary(), copy))
        .unwrap();
    for arguments in COMMANDS {
        let mut command = machine.host().command("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", copy])
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
