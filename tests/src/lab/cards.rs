//! Network cards of the virtual machines that `cargo xtask vm` starts.

use std::{
    env, fs,
    path::Path,
    process::{self, Command},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{Host, skip};

/// Cards come back from a host some time after it has gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// A model of which there are two cards on one wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// QEMU's and KVM's own.
    VirtioNet,
    /// VMware's.
    Vmxnet3,
    /// Intel's, of 2000.
    E1000,
    /// [`VirtioNet`](Self::VirtioNet) with four pairs of queues.
    VirtioNetQueues,
    /// [`VirtioNet`](Self::VirtioNet) that merges packets whether the machine likes it or not; there is
    /// only one.
    VirtioNetOffload,
}

/// Each model's cards serve one test at a time.
static IN_USE: [Mutex<()>; 5] = [const { Mutex::new(()) }; 5];

/// Whether this runs in one of those virtual machines.
#[must_use]
pub fn in_vm() -> bool {
    env::var_os("RPCGUARD_VM").is_some()
}

/// As [`in_vm`]; if not, says that the test is skipped.
#[must_use]
pub fn in_vm_or_skip(test: &str) -> bool {
    if !in_vm() {
        skip(
            test,
            "needs the network cards of a virtual machine, as in `cargo xtask vm`",
        );
    }
    in_vm()
}

/// As [`in_vm_or_skip`], for the models that need more than QEMU's own wires.
#[must_use]
pub fn has_wires_or_skip(test: &str) -> bool {
    match env::var("RPCGUARD_NO_WIRES") {
        Ok(why) => {
            let why = why.replace('_', " ");
            skip(test, &format!("no tap devices where this runs: {why}"));
            false
        }
        Err(_) => in_vm_or_skip(test),
    }
}

/// The cards of a model, in hosts, until this value goes.
#[derive(Debug)]
pub struct Cards {
    _in_use: MutexGuard<'static, ()>,
}

impl Cards {
    /// Puts one card into each host, under a name and with addresses as for
    /// [`connect`](super::connect).
    ///
    /// # Errors
    ///
    /// If this is no virtual machine with such cards, or a name is taken.
    pub fn connect(model: Model, ends: &[(&Host, (&str, &[&str]))]) -> Result<Self> {
        let number = model as usize;
        let in_use = IN_USE[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (end, (host, (name, addresses))) in ends.iter().enumerate() {
            let card = wait_for(&format!("52:54:00:00:0{number}:0{end}"))?;
            // A host may have a card of that name, on its way.
            let passing = format!("card{number}{end}");
            ip(&["link", "set", &card, "down"])?;
            if card != passing {
                ip(&["link", "set", &card, "name", &passing])?;
            }
            let namespace = format!("/proc/{}/fd/{}", process::id(), host.network_fd());
            ip(&["link", "set", &passing, "netns", &namespace])?;
            host.ip(&format!("link set {passing} name {name}"))?;
            host.ip(&format!("link set {name} up"))?;
            for address in *addresses {
                host.add_address(name, address)?;
            }
        }
        Ok(Self { _in_use: in_use })
    }
}

/// The name of the card with that address, once it is in this process's network namespace.
fn wait_for(mac: &str) -> Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(name) = find(mac)? {
            return Ok(name);
        }
        if Instant::now() > deadline {
            bail!("there is no network card {mac} here");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn find(mac: &str) -> Result<Option<String>> {
    for entry in fs::read_dir("/sys/class/net").context("cannot list interfaces")? {
        let entry = entry?;
        let address = fs::read_to_string(entry.path().join("address")).unwrap_or_default();
        // Not a bond or a VLAN device that has taken the card's address.
        if address.trim() == mac && Path::new(&entry.path()).join("device").exists() {
            return Ok(Some(entry.file_name().to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// Runs `ip` where this process is.
fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .context("cannot run ip")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`ip {}` failed: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}
