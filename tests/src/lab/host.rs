//! One machine of the lab.
#![expect(unsafe_code, reason = "Command::pre_exec is unsafe to call")]

use std::{
    io,
    os::{fd::RawFd, unix::process::CommandExt as _},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use nix::sys::{prctl, signal::Signal};

use super::{
    cli::{Finished, rpcguard_binary},
    namespace::Namespaces,
    tools::find_tool,
};

/// A host: a network namespace, with its own `/run`, `/sys` and view of the lab's bpffs.
///
/// It lives as long as this value or a process that runs in it.
#[derive(Debug)]
pub struct Host {
    namespaces: Namespaces,
}

impl Host {
    pub(super) fn new(namespaces: Namespaces) -> Result<Self> {
        let host = Self { namespaces };
        // An address is usable at once, and no router solicitation or multicast report of the
        // host's own gets between the packets of a test.
        for setting in [
            "net/ipv6/conf/all/accept_dad=0",
            "net/ipv6/conf/default/accept_dad=0",
            "net/ipv6/conf/default/dad_transmits=0",
            "net/ipv6/conf/default/router_solicitations=0",
        ] {
            host.sysctl(setting)?;
        }
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// Calls `body` on a thread in this host, and returns its result. Sockets and BPF links made
    /// there belong to this host, wherever they are used later. A panic goes on in the caller.
    pub fn enter<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        self.namespaces.enter(body)
    }

    /// A command that will run in this host, in the caller's working directory and with nothing on
    /// its standard input. It is killed when the thread that started it ends.
    ///
    /// # Panics
    ///
    /// If the process has no file descriptor left.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let program = program.as_ref();
        let found = program.to_str().and_then(find_tool);
        let namespaces = self
            .namespaces
            .try_clone()
            .expect("a file descriptor can be duplicated");
        let mut command = Command::new(found.as_deref().unwrap_or(program));
        command.stdin(Stdio::null());
        // SAFETY: between fork and exec only async-signal-safe functions may be called; this makes
        // system calls and does not allocate.
        unsafe {
            command.pre_exec(move || {
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                namespaces.view().join().map_err(io::Error::from)
            });
        }
        command
    }

    /// Runs a command to its end and returns what it printed.
    ///
    /// # Errors
    ///
    /// If it cannot be started or fails, with what it said.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let said = || format!("`{program} {}`", arguments.join(" "));
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run {}", said()))?;
        if !output.status.success() {
            bail!(
                "{} failed ({}): {}",
                said(),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `ip` (iproute2) with arguments separated by blanks.
    ///
    /// # Errors
    ///
    /// As [`Host::run`].
    pub fn ip(&self, arguments: &str) -> Result<String> {
        self.run("ip", &arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs `ethtool` with arguments separated by blanks.
    ///
    /// # Errors
    ///
    /// As [`Host::run`].
    pub fn ethtool(&self, arguments: &str) -> Result<String> {
        self.run("ethtool", &arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs the rpcguard binary in this host.
    ///
    /// # Panics
    ///
    /// If it is not built.
    #[must_use]
    pub fn rpcguard<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Finished {
        Finished::wait_for(self.command(rpcguard_binary()).args(arguments))
    }

    pub(super) fn network_fd(&self) -> RawFd {
        self.namespaces.network_fd()
    }

    /// Sets a kernel parameter of this host, written as `net/ipv4/ip_forward=1`.
    ///
    /// # Errors
    ///
    /// If there is no such parameter or the kernel refuses the value.
    pub fn sysctl(&self, setting: &str) -> Result<()> {
        let (name, value) = setting
            .split_once('=')
            .with_context(|| format!("`{setting}` is not of the form name=value"))?;
        self.enter(|| std::fs::write(format!("/proc/sys/{name}"), value))
            .with_context(|| format!("cannot set {setting}"))
    }
}
