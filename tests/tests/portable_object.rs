//! The BPF object for other loaders is one that they accept.

use std::{path::PathBuf, process::Command};

use rpcguard_ebpf::build::{Flavour, build};
use rpcguard_tests::lab;

/// Runs a shell script in a network and a mount namespace of its own, with a bpffs of its own and a
/// pair of interfaces, `va` and `vb`; `$1` is the object. All of that goes when the script ends.
fn accepted(script: &str) -> String {
    let object: PathBuf = build(Flavour::Portable { cpus: 1 })
        .unwrap()
        .join("rpcguard");
    let prepared = format!(
        "PATH=$PATH:/usr/sbin:/sbin
         mount -t bpf bpf /sys/fs/bpf
         ip link add va type veth peer name vb
         ip link set va up
         ip link set vb up
         {script}"
    );
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-euc", &prepared, "sh"])
        .arg(object)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert!(output.status.success(), "{printed}");
    printed
}

#[test]
fn bpftool_loads_and_attaches_both_programs() {
    const TEST: &str = "bpftool_loads_and_attaches_both_programs";
    if !lab::missing_tools(&["bpftool"]).is_empty() {
        return lab::skip(TEST, "bpftool is not installed");
    }
    accepted(
        "bpftool prog loadall $1 /sys/fs/bpf/loaded
         for program in rpcguard rpcguard_frags; do
             bpftool net attach xdpdrv pinned /sys/fs/bpf/loaded/$program dev vb
             ip link show vb | grep -q \"prog/xdp .* name $program \"
             bpftool net detach xdpdrv dev vb
         done",
    );
}

#[test]
fn xdp_loader_loads_and_unloads_both_programs() {
    const TEST: &str = "xdp_loader_loads_and_unloads_both_programs";
    if !lab::missing_tools(&["xdp-loader"]).is_empty() {
        return lab::skip(TEST, "xdp-loader is not installed");
    }
    accepted(
        "for program in rpcguard rpcguard_frags; do
             xdp-loader load -m native -n $program vb $1
             xdp-loader status vb | grep -q \" $program .* native \"
             xdp-loader unload --all vb
         done",
    );
}

#[test]
fn the_object_is_dual_licensed() {
    let object = std::fs::read(
        build(Flavour::Portable { cpus: 1 })
            .unwrap()
            .join("rpcguard"),
    )
    .unwrap();
    let license = b"Dual MIT/GPL\0";
    assert!(object.windows(license.len()).any(|bytes| bytes == license));
}
