//! Commands that tests and the demo run, and the Debian packages that bring them.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use rpcguard_ebpf::build::workspace;

use crate::{process, progress::step, root};

/// A package, the command it brings, and what that is for.
struct Package {
    name: &'static str,
    command: &'static str,
    why: &'static str,
}

const PACKAGES: [Package; 7] = [
    Package {
        name: "iproute2",
        command: "ip",
        why: "makes the namespaces and interfaces of the tests and the demo",
    },
    Package {
        name: "ethtool",
        command: "ethtool",
        why: "switches offloads of those interfaces",
    },
    Package {
        name: "bpftool",
        command: "bpftool",
        why: "loads the BPF object as others would; lists the programs that tests leave behind",
    },
    Package {
        name: "xdp-tools",
        command: "xdp-loader",
        why: "loads the BPF object, and stands for somebody else's XDP program",
    },
    Package {
        name: "ipset",
        command: "ipset",
        why: "writes lists that rpcguard has to read, and holds them beside it in the benchmark",
    },
    Package {
        name: "nftables",
        command: "nft",
        why: "writes lists that rpcguard has to read, and holds them and limits rates beside it",
    },
    Package {
        name: "iptables",
        command: "iptables",
        why: "limits rates beside rpcguard in the benchmark",
    },
];

/// What `cargo xtask vm` needs besides.
const VM_PACKAGES: [Package; 5] = [
    Package {
        name: "qemu-system-x86",
        command: "qemu-system-x86_64",
        why: "runs the tests on other kernels",
    },
    Package {
        name: "busybox-static",
        command: "busybox",
        why: "the shell in those virtual machines",
    },
    Package {
        name: "cpio",
        command: "cpio",
        why: "packs what they boot",
    },
    Package {
        name: "kmod",
        command: "depmod",
        why: "finds the kernel modules that they need",
    },
    Package {
        name: "xz-utils",
        command: "xz",
        why: "unpacks those modules",
    },
];

/// What the tests of `rpcguard disable` need besides.
const TREE_PACKAGES: [Package; 2] = [
    Package {
        name: "debootstrap",
        command: "debootstrap",
        why: "makes small Debian systems, to disable their portmappers",
    },
    Package {
        name: "e2fsprogs",
        command: "mke2fs",
        why: "makes the disk of one that runs in a virtual machine",
    },
];

/// What `cargo xtask dist` needs besides.
const DIST_PACKAGES: [Package; 2] = [
    Package {
        name: "gzip",
        command: "gzip",
        why: "packs manual pages",
    },
    Package {
        name: "xz-utils",
        command: "xz",
        why: "packs archives",
    },
];

/// What `cargo xtask bench` needs besides.
const BENCH_PACKAGES: [Package; 1] = [Package {
    name: "iperf3",
    command: "iperf3",
    why: "the connection that a flood gets in the way of",
}];

/// A package that is unpacked and not installed, its commands, and what they are for.
struct Unpacked {
    name: &'static str,
    commands: [&'static str; 2],
    why: &'static str,
}

/// Their installation would start an open portmapper (or a server of metrics) and have it started at every
/// boot, on a machine whose owner may be here to get rid of one.
const UNPACKED: [Unpacked; 4] = [
    Unpacked {
        name: "rpcbind",
        commands: ["rpcbind", "rpcinfo"],
        why: "the portmapper to guard, and a client of it (do not leave it enabled or running)",
    },
    Unpacked {
        name: "nfs-common",
        commands: ["showmount", "mount.nfs"],
        why: "the clients that have to be served",
    },
    Unpacked {
        name: "nfs-kernel-server",
        commands: ["rpc.mountd", "exportfs"],
        why: "a service to be registered with the portmapper",
    },
    Unpacked {
        name: "prometheus",
        commands: ["prometheus", "promtool"],
        why: "scrapes rpcguard's metrics, and checks them and the rules about them",
    },
];

/// What the commands of [`UNPACKED`] need that a minimal Debian lacks: libraries, and the number of
/// the port called sunrpc. None of them brings a service.
const UNPACKED_NEEDS: [&str; 4] = ["libkeyutils1", "libtirpc3", "libwrap0", "netbase"];

const WHY_ROOT: &str = "to install Debian packages";

pub(super) fn ensure() -> Result<()> {
    ensure_these(&PACKAGES, &UNPACKED)
}

/// What the virtual machines need, besides what the tests do.
pub(super) fn ensure_for_vm() -> Result<()> {
    ensure_these(&VM_PACKAGES, &[])
}

/// What makes Debian systems for tests.
pub(super) fn ensure_for_trees() -> Result<()> {
    ensure_these(&TREE_PACKAGES, &[])
}

/// What packages are made with.
pub(super) fn ensure_for_dist() -> Result<()> {
    ensure_these(&DIST_PACKAGES, &[])
}

/// What the benchmark needs, besides what the tests do.
pub(super) fn ensure_for_bench() -> Result<()> {
    ensure_these(&BENCH_PACKAGES, &[])
}

fn ensure_these(packages: &[Package], others: &[Unpacked]) -> Result<()> {
    let missing: Vec<_> = packages
        .iter()
        .filter(|package| !process::exists(package.command))
        .collect();
    let to_unpack: Vec<_> = others
        .iter()
        .filter(|package| !package.commands.iter().all(|c| is_here(c)))
        .collect();
    if missing.is_empty() && to_unpack.is_empty() {
        return Ok(());
    }
    if !(process::exists("apt-get") && process::exists("dpkg")) {
        bail!("{}", by_hand(&missing, &to_unpack));
    }
    let mut packages: Vec<_> = missing.iter().map(|package| package.name).collect();
    if !to_unpack.is_empty() {
        packages.extend(UNPACKED_NEEDS);
    }
    step("updating the list of Debian packages", || {
        process::run(&mut apt_get(&["update"])?)
    })?;
    step(&format!("installing {}", packages.join(", ")), || {
        let mut install = apt_get(&["install", "--yes", "--no-install-recommends"])?;
        process::run(install.args(packages))
    })?;
    if !to_unpack.is_empty() {
        let names: Vec<_> = UNPACKED.iter().map(|package| package.name).collect();
        let what = format!(
            "unpacking {} into {}",
            names.join(" and "),
            process::relative(&unpacked()).display()
        );
        step(&what, || unpack(&names))?;
    }
    Ok(())
}

/// Unpacks packages without installing them, in place of what was unpacked before.
fn unpack(packages: &[&str]) -> Result<()> {
    let parent = workspace().join("target/tools");
    fs::create_dir_all(&parent)?;
    let scratch = tempfile::tempdir_in(&parent)?;
    let archives = scratch.path().join("archives");
    fs::create_dir(&archives)?;
    process::run(
        process::command("apt-get")
            // As the user who runs this: apt's own user may not write here.
            .args(["-qq", "--option", "APT::Sandbox::User=root", "download"])
            .args(packages)
            .current_dir(&archives),
    )?;
    let tree = scratch.path().join("tree");
    for archive in fs::read_dir(&archives)? {
        process::run(
            process::command("dpkg")
                .arg("--extract")
                .args([&archive?.path(), &tree]),
        )?;
    }
    // Renamed when complete, so that an interrupted set-up is not mistaken for a finished one.
    if unpacked().exists() {
        fs::remove_dir_all(unpacked())?;
    }
    fs::rename(&tree, unpacked()).with_context(|| format!("moving {}", tree.display()))?;
    Ok(())
}

/// The same directory as `RPCGUARD_DEBIAN` in `.cargo/config.toml`, which is where the tests look.
pub(super) fn unpacked() -> PathBuf {
    env::var_os("RPCGUARD_DEBIAN")
        .map_or_else(|| workspace().join("target/tools/debian"), PathBuf::from)
}

/// Whether a command is installed or unpacked.
fn is_here(command: &str) -> bool {
    process::exists(command)
        || ["usr/sbin", "usr/bin", "sbin", "bin"]
            .iter()
            .any(|directory| unpacked().join(directory).join(command).is_file())
}

fn apt_get(arguments: &[&str]) -> Result<Command> {
    let mut command = root::command("env", WHY_ROOT)?;
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1"])
        .args(["apt-get", "-qq"])
        .args(arguments);
    Ok(command)
}

fn by_hand(missing: &[&Package], to_unpack: &[&Unpacked]) -> String {
    let mut text =
        "there is no apt-get here; install these commands and run this again:".to_owned();
    for Package { command, why, name } in missing {
        text.push_str(&format!("\n  {command}: {why} (Debian's package {name})"));
    }
    for Unpacked {
        commands,
        why,
        name,
    } in to_unpack
    {
        let commands = commands.join(" and ");
        text.push_str(&format!("\n  {commands}: {why} (Debian's package {name})"));
    }
    text
}
