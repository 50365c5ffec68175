//! A laboratory: hosts in network namespaces of their own, joined by virtual Ethernet, with the
//! real rpcbind and its real clients.
//!
//! Nothing in it has a name outside: no named namespace, no mount, no pinned object can be seen
//! from the machine, so any number of labs run side by side, and when the last handle is gone the
//! kernel has removed everything, even after `kill -9`.

mod cards;
mod cli;
mod flood;
mod host;
mod link;
mod listener;
mod namespace;
mod paced;
mod packet_socket;
mod programs;
mod replay;
mod rpcbind;
mod rpcinfo;
mod skip;
mod stranger;
#[cfg(test)]
mod tests;
mod tools;
mod tun;
mod tuntap;
mod waiting;

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context as _, Result};
use nix::{
    mount::{MsFlags, mount},
    unistd::Uid,
};

use self::namespace::Namespaces;
pub use self::{
    cards::{Cards, Model, has_wires_or_skip, in_vm, in_vm_or_skip},
    cli::{Finished, rpcguard_binary},
    flood::{Bounds, Flood, Flooded, Sources},
    host::Host,
    link::{Statistics, Switch, connect},
    listener::{Datagram, Listener, bind},
    paced::{MAX_BURST, PacedWire},
    packet_socket::{PacketReceiver, PacketSocket},
    programs::{LabProgram, ReflectionCounter},
    replay::{REPLAYED_SOURCES, Replay},
    rpcbind::Rpcbind,
    rpcinfo::{Query, rpcinfo},
    skip::{is_boot_or_skip, skip},
    stranger::{STRANGERS_TOOLS, Stranger},
    tools::{find_tool, missing_tools},
    tun::Tun,
    tuntap::TunTap,
    waiting::wait_for,
};

/// Where the hosts' common bpffs is mounted before each host mounts it at its usual place.
const SHARED_BPFFS: &str = "/run/bpf";

/// A set of hosts that share one bpffs, as the network namespaces of one machine do.
#[derive(Debug)]
pub struct Lab {
    base: Namespaces,
}

impl Lab {
    /// An empty lab.
    ///
    /// # Errors
    ///
    /// If the process is not root, or the kernel has no BPF file system.
    pub fn new() -> Result<Self> {
        anyhow::ensure!(
            Uid::effective().is_root(),
            "the lab makes network namespaces and loads BPF programs: it has to run as root"
        );
        let base = Namespaces::new_mounts(|| {
            mount_run()?;
            std::fs::create_dir(SHARED_BPFFS)
                .with_context(|| format!("cannot make {SHARED_BPFFS}"))?;
            mount_new("bpf", SHARED_BPFFS)?;
            rpcbind::provide_user()
        })?;
        Ok(Self { base })
    }

    /// As [`Lab::new`]; if this process may not, says so with [`skip`] and returns `None`.
    ///
    /// # Panics
    ///
    /// If it fails for another reason.
    #[must_use]
    pub fn or_skip(test: &str) -> Option<Self> {
        if !Uid::effective().is_root() {
            skip(test, "needs root, for network namespaces and BPF");
            return None;
        }
        Some(Self::new().expect("the lab can be set up"))
    }

    /// A new host with a loopback interface, IPv6 without duplicate address detection, its own
    /// `/run` and `/sys`, and the lab's bpffs at `/sys/fs/bpf`.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn host(&self) -> Result<Host> {
        let namespaces = self.base.new_host(|| {
            // sysfs shows the interfaces of the network namespace that it was mounted in.
            mount_new("sysfs", "/sys")?;
            mount(
                Some(SHARED_BPFFS),
                "/sys/fs/bpf",
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )
            .context("cannot mount the lab's bpffs at /sys/fs/bpf")?;
            mount_run()
        })?;
        Host::new(namespaces)
    }
}

/// A `/run` that only root can write, as that of every system.
fn mount_run() -> Result<()> {
    mount_new("tmpfs", "/run")?;
    std::fs::set_permissions("/run", PermissionsExt::from_mode(0o755))
        .context("cannot set the mode of /run")
}

fn mount_new(kind: &str, target: &str) -> Result<()> {
    mount(
        Some(kind),
        target,
        Some(kind),
        MsFlags::empty(),
        None::<&str>,
    )
    .with_context(|| format!("cannot mount {kind} at {target}"))
}
