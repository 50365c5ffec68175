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

const PACKAGES: [Package; 6] = [
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
        why: "writes lists that rpcguard has to read",
    },
    Package {
        name: "nftables",
        command: "nft",
        why: "writes lists that rpcguard has to read",
    },
];

/// The real portmapper, and the client that asks it.
const RPCBIND: [&str; 2] = ["rpcbind", "rpcinfo"];

/// What rpcbind needs that a minimal Debian lacks: two libraries, and the number of the port called
/// sunrpc. None of them brings a service.
const RPCBIND_NEEDS: [&str; 3] = ["libtirpc3", "libwrap0", "netbase"];

const WHY_ROOT: &str = "to install Debian packages";

pub(super) fn ensure() -> Result<()> {
    let missing: Vec<_> = PACKAGES
        .iter()
        .filter(|package| !process::exists(package.command))
        .collect();
    let rpcbind = !RPCBIND
        .iter()
        .all(|command| process::exists(command) || is_unpacked(command));
    if missing.is_empty() && !rpcbind {
        return Ok(());
    }
    if !(process::exists("apt-get") && process::exists("dpkg")) {
        bail!("{}", by_hand(&missing, rpcbind));
    }
    let mut packages: Vec<_> = missing.iter().map(|package| package.name).collect();
    if rpcbind {
        packages.extend(RPCBIND_NEEDS);
    }
    step("updating the list of Debian packages", || {
        process::run(&mut apt_get(&["update"])?)
    })?;
    step(&format!("installing {}", packages.join(", ")), || {
        let mut install = apt_get(&["install", "--yes", "--no-install-recommends"])?;
        process::run(install.args(packages))
    })?;
    if rpcbind {
        let what = format!(
            "unpacking rpcbind into {}",
            process::relative(&unpacked()).display()
        );
        step(&what, unpack_rpcbind)?;
    }
    Ok(())
}

/// Unpacks rpcbind without installing it.
///
/// Its installation would start an open portmapper and have it started at every boot, on a machine
/// whose owner may be here to get rid of one.
fn unpack_rpcbind() -> Result<()> {
    let parent = workspace().join("target/tools");
    fs::create_dir_all(&parent)?;
    let scratch = tempfile::tempdir_in(&parent)?;
    process::run(
        process::command("apt-get")
            // As the user who runs this: apt's own user may not write here.
            .args([
                "-qq",
                "--option",
                "APT::Sandbox::User=root",
                "download",
                "rpcbind",
            ])
            .current_dir(scratch.path()),
    )?;
    let archive = fs::read_dir(scratch.path())?
        .next()
        .context("`apt-get download rpcbind` left no file")??
        .path();
    let tree = scratch.path().join("tree");
    process::run(
        process::command("dpkg")
            .arg("--extract")
            .args([&archive, &tree]),
    )?;
    // Renamed when complete, so that an interrupted set-up is not mistaken for a finished one.
    if unpacked().exists() {
        fs::remove_dir_all(unpacked())?;
    }
    fs::rename(&tree, unpacked()).with_context(|| format!("moving {}", tree.display()))?;
    Ok(())
}

/// The same directory as `RPCGUARD_DEBIAN` in `.cargo/config.toml`, which is where the tests look.
fn unpacked() -> PathBuf {
    env::var_os("RPCGUARD_DEBIAN")
        .map_or_else(|| workspace().join("target/tools/debian"), PathBuf::from)
}

fn is_unpacked(command: &str) -> bool {
    ["usr/sbin", "usr/bin", "sbin", "bin"]
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

fn by_hand(missing: &[&Package], rpcbind: bool) -> String {
    let mut text =
        "there is no apt-get here; install these commands and run this again:".to_owned();
    for Package { command, why, name } in missing {
        text.push_str(&format!("\n  {command}: {why} (Debian's package {name})"));
    }
    if rpcbind {
        text.push_str(
            "\n  rpcbind and rpcinfo: the portmapper to guard (do not leave it enabled or running)",
        );
    }
    text
}
