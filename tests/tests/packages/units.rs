//! What systemd thinks of the units.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::Uid;
use rpcguard_ebpf::build::workspace;
use rpcguard_tests::lab::{Finished, skip};

/// By `systemd-analyze security` of systemd 252, in tenths: lower is better, and 100 is a service that may do
/// anything.
const EXPOSURE: [(&str, u32); 2] = [("rpcguard.service", 30), ("rpcguard@eth0.service", 30)];

/// A Debian with systemd, as files.
fn tree_or_skip(test: &str) -> Option<PathBuf> {
    if !Uid::effective().is_root() {
        skip(test, "needs root, for namespaces and mounts");
        return None;
    }
    let tree = env::var_os("RPCGUARD_TREES").map(|trees| PathBuf::from(trees).join("systemd"));
    let tree = tree.filter(|tree| tree.is_dir());
    if tree.is_none() {
        skip(
            test,
            "there is no Debian with systemd; `cargo xtask test` makes it",
        );
    }
    tree
}

/// Runs a script in the tree, with the units where they are installed, in a mount namespace of its own.
fn in_tree(tree: &Path, script: &str) -> Finished {
    const LAY_OUT: &str = r#"
        set -e
        mount --make-rprivate /
        mount -t tmpfs tmpfs /mnt
        mkdir /mnt/upper /mnt/work /mnt/root
        mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
        mount -t proc proc /mnt/root/proc
        cp "$2"/rpcguard*.service /mnt/root/lib/systemd/system
        cp /mnt/root/lib/systemd/system/rpcguard@.service \
            /mnt/root/lib/systemd/system/rpcguard@eth0.service
        printf '#!/bin/sh\n' >/mnt/root/usr/bin/rpcguard
        chmod +x /mnt/root/usr/bin/rpcguard
        exec chroot /mnt/root sh -ec "$3"
    "#;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--net", "sh", "-c", LAY_OUT, "sh"])
        .arg(tree)
        .arg(workspace().join("deploy/systemd"))
        .arg(script)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Finished::wait_for(&mut command)
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let Some(tree) = tree_or_skip("systemd_has_nothing_to_say_against_the_units") else {
        return;
    };
    // Neither manual pages nor the machine's devices are in the tree.
    let script = "systemd-analyze verify --man=no rpcguard.service rpcguard@eth0.service";
    let verified = in_tree(&tree, script).succeeded();
    let said = format!("{}{}", verified.stdout, verified.stderr);
    assert!(!said.contains("rpcguard"), "{said}");

    let script = "sed -i s/ProtectSystem=/ProtectSystems=/ /lib/systemd/system/rpcguard.service
                  systemd-analyze verify --man=no rpcguard.service";
    let verified = in_tree(&tree, script);
    assert!(
        verified.stderr.contains("ProtectSystems"),
        "it does look: {verified}"
    );
}

#[test]
fn the_units_may_do_little() {
    let Some(tree) = tree_or_skip("the_units_may_do_little") else {
        return;
    };
    for (unit, exposure) in EXPOSURE {
        let script = format!("systemd-analyze security --offline=yes --no-pager {unit}");
        let analysed = in_tree(&tree, &script).succeeded();
        let (_, overall) = analysed
            .stdout
            .split_once("Overall exposure level for ")
            .unwrap();
        let (_, level) = overall.split_once(": ").unwrap();
        let level = level.split(' ').next().unwrap().replace('.', "");
        let level: u32 = level.parse().unwrap();
        assert_eq!(level, exposure, "{analysed}");
    }
}
