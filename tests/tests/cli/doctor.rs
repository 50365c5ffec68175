//! `rpcguard doctor`, and what it prints as JSON.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use expect_test::expect_file;
use rpcguard_tests::lab::{Finished, LabProgram};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{documents, json::is_schema_of, machine::Machine};

/// What `rpcguard doctor --json` prints.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "rpcguard doctor")]
pub(crate) struct DoctorDocument {
    /// Fields may be added under the same version.
    #[schemars(extend("const" = 1))]
    pub(crate) schema_version: u32,
    /// What it comes to.
    pub(crate) verdict: Verdict,
    /// The verdict in words.
    pub(crate) summary: String,
    /// The command to type next.
    pub(crate) next_step: String,
    /// What was found, what matters most first.
    pub(crate) findings: Vec<Finding>,
    /// The interface.
    pub(crate) interface: Interface,
    /// The machine.
    pub(crate) machine: MachineFacts,
}

/// What an examination came to.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It is guarded already.
    Guarded,
    /// It can be guarded in the driver.
    Native,
    /// It can be guarded, in the driver or else in the network stack: only trying tells.
    NativeOrGeneric,
    /// It can be guarded in the network stack.
    Generic,
    /// It cannot be guarded as things are.
    Refused,
}

/// Something that was found.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Finding {
    /// How much it matters.
    pub(crate) severity: Severity,
    /// What was found, in words.
    pub(crate) what: String,
    /// The command that changes it; null if there is none.
    pub(crate) command: Option<String>,
    /// What that costs, in words; null without a command.
    pub(crate) cost: Option<String>,
}

/// How much a finding matters.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// Nothing can be attached.
    Blocks,
    /// Nothing can be attached in the driver.
    Generic,
    /// Good to know.
    Note,
}

/// An interface.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) name: String,
    /// `veth`, `vlan` and so on; empty for hardware.
    pub(crate) kind: String,
    /// The driver, as ethtool names it; null if it has none.
    pub(crate) driver: Option<String>,
    /// Whether it is up.
    pub(crate) up: bool,
    /// In bytes.
    pub(crate) mtu: u32,
    /// Null if the driver does not tell.
    pub(crate) queues: Option<Queues>,
    /// Those that matter to XDP.
    pub(crate) offloads: Vec<Offload>,
    /// What the driver says that it can do, `NETDEV_XDP_ACT_*` of linux/netdev.h; null before Linux 6.3.
    pub(crate) xdp_features: Option<u64>,
    /// The bond or bridge that it is a port of; else null.
    pub(crate) master: Option<String>,
    /// The interface that it is on top of; else null.
    pub(crate) lower: Option<String>,
    /// The ports of a bond or bridge.
    pub(crate) ports: Vec<String>,
    /// XDP programs on it, a guard's included.
    pub(crate) programs: Vec<Program>,
}

/// How many queues are in use, and how many there may be.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Queues {
    /// That receive as well as send.
    pub(crate) combined: u32,
    /// That receive only.
    pub(crate) rx: u32,
    /// That send only.
    pub(crate) tx: u32,
    /// At most.
    pub(crate) max_combined: u32,
    /// At most.
    pub(crate) max_rx: u32,
    /// At most.
    pub(crate) max_tx: u32,
}

/// An offload.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Offload {
    /// As `ethtool -K` takes it.
    pub(crate) name: String,
    /// Whether it is on.
    pub(crate) on: bool,
    /// Whether it cannot be switched.
    pub(crate) fixed: bool,
}

/// An XDP program.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Program {
    /// The kernel's id.
    pub(crate) id: u32,
    /// May be empty.
    pub(crate) name: String,
    /// `native`, `generic` or `offloaded`.
    pub(crate) mode: String,
}

/// The machine.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct MachineFacts {
    /// The kernel's release, as uname(1) has it.
    pub(crate) kernel: String,
    /// Processors that there may ever be.
    pub(crate) processors: usize,
    /// Whether the kernel has its types with it (/sys/kernel/btf/vmlinux), which rpcguard does not need.
    pub(crate) btf: bool,
    /// Whether BPF programs are compiled; null if that is not told.
    pub(crate) jit: Option<bool>,
    /// How much memory a process may lock, which maps count as before Linux 5.11; null without a limit.
    pub(crate) memlock_bytes: Option<u64>,
    /// Where guards are pinned.
    pub(crate) bpffs: String,
    /// What is wrong with it; else null.
    pub(crate) bpffs_error: Option<String>,
    /// Capabilities that are missing to attach; else null.
    pub(crate) missing_capabilities: Option<String>,
}

#[test]
fn the_schema_of_doctor_is_that_of_the_document() {
    is_schema_of::<DoctorDocument>(&expect_file!["../../../docs/schema/doctor.json"]);
}

/// Runs it, and sees that nothing has changed.
#[track_caller]
fn doctor(machine: &Machine, arguments: &str) -> Finished {
    let before = machine.state();
    let finished = machine.rpcguard(&format!("doctor {arguments}"));
    assert_eq!(machine.state(), before, "something changed: {finished}");
    finished
}

fn diagnosis(machine: &Machine, interface: &str) -> DoctorDocument {
    documents::read(&doctor(machine, &format!("{interface} --json")).json())
}

#[test]
fn an_interface_is_described_and_judged_from_attach_to_detach() {
    const TEST: &str = "an_interface_is_described_and_judged_from_attach_to_detach";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let found = diagnosis(&machine, "eth0");
    assert_eq!(found.verdict, Verdict::Native);
    assert_eq!(found.interface.name, "eth0");
    assert_eq!(found.interface.kind, "veth");
    assert_eq!(found.interface.driver.as_deref(), Some("veth"));
    assert_eq!((found.interface.up, found.interface.mtu), (true, 1500));
    assert!(found.interface.queues.is_some_and(|queues| queues.rx >= 1));
    assert_eq!(found.interface.programs, []);
    assert_eq!(found.machine.bpffs, "/sys/fs/bpf");
    assert_eq!(found.machine.bpffs_error, None);
    let told = doctor(&machine, "eth0").succeeded().stdout;
    assert!(told.starts_with("eth0: veth (veth), MTU 1500, up\n"));
    assert!(
        told.ends_with(
            "verdict: `eth0` can be guarded in native mode\n\
             next: rpcguard attach eth0 --allow CIDR --confirm 60\n"
        ),
        "{told}"
    );

    machine.does("attach eth0");
    let found = diagnosis(&machine, "eth0");
    assert_eq!(found.verdict, Verdict::Guarded);
    assert_eq!(found.interface.programs.len(), 1);
    assert_eq!(found.interface.programs[0].name, "rpcguard");
    assert_eq!(
        u64::from(found.interface.programs[0].id),
        machine.programs()["eth0"]
    );
    let told = doctor(&machine, "eth0").succeeded().stdout;
    assert!(told.ends_with("next: rpcguard status eth0\n"), "{told}");
    machine.does("detach eth0");
    machine.host().ip("link set eth0 down").unwrap();
    let told = doctor(&machine, "eth0").succeeded().stdout;
    assert!(told.contains("note: `eth0` is down"), "{told}");
}

#[test]
fn a_name_of_another_interface_that_is_not_utf_8_is_in_nobodys_way() {
    const TEST: &str = "a_name_of_another_interface_that_is_not_utf_8_is_in_nobodys_way";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let ip = |arguments: &str, name: &[u8], rest: &str| {
        let mut command = machine.host().command("ip");
        command
            .args(arguments.split_whitespace())
            .arg(OsStr::from_bytes(name))
            .args(rest.split_whitespace());
        let _ = Finished::wait_for(&mut command).succeeded();
    };
    ip("link add name", b"x\xff", "up type bridge");
    ip("link set eth0 master", b"x\xff", "");
    let found = diagnosis(&machine, "eth0");
    assert_eq!(found.verdict, Verdict::Native);
    assert_eq!(found.interface.master.as_deref(), Some("x\u{fffd}"));
    let attached = machine.does("attach eth0");
    let check = machine.rpcguard("check");
    for said in [&attached.stderr, &check.stderr] {
        assert!(!said.contains("UTF-8"), "{said}");
    }
}

#[test]
fn somebody_elses_program_is_named_and_what_it_stands_in_the_way_of() {
    const TEST: &str = "somebody_elses_program_is_named_and_what_it_stands_in_the_way_of";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let mut theirs = LabProgram::load("pass").unwrap();
    let _link = theirs.attach(machine.host(), "eth0").unwrap();
    let told = doctor(&machine, "eth0").exited_with(1).stdout;
    let id = machine.programs()["eth0"];
    assert!(
        told.contains(&format!(
            "NOT POSSIBLE: it has an XDP program of somebody else: id {id}"
        )),
        "{told}"
    );
    assert!(
        told.contains("  ip link set dev eth0 xdp off\n    costs: "),
        "{told}"
    );
    machine.refuses("attach eth0").exited_with(1);
}

#[test]
fn what_is_missing_is_told_all_at_once() {
    const TEST: &str = "what_is_missing_is_told_all_at_once";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let wrapper = ["setpriv", "--bounding-set=-bpf,-sys_admin"];
    let mut command = machine.wrapped(&wrapper, "doctor eth0");
    let told = Finished::wait_for(command.env("RPCGUARD_BPFFS", "/tmp"));
    let told = told.exited_with(1).stdout;
    assert!(
        told.contains("NOT POSSIBLE: this process lacks CAP_BPF"),
        "{told}"
    );
    assert!(told.contains("NOT POSSIBLE: there is no BPF file system at /tmp"));
    assert!(
        told.contains("  mount -t bpf bpf /tmp\n    costs: "),
        "{told}"
    );
    machine
        .refuses("doctor eth9")
        .exited_with(1)
        .saying("there is no interface `eth9`");
    machine.refuses("doctor a/b").exited_with(2);
    machine.refuses("doctor").exited_with(2);
}
