//! What the daemon and the filters use.

use std::fs;

use anyhow::{Context as _, Result, ensure};

/// By how many KiB the daemon may grow: allocators keep some of what they are given back.
const LEEWAY: u64 = 32 << 10;

/// By how many descriptors it may differ from one moment to another: those of guards that it is looking at.
const DESCRIPTORS: usize = 64;

/// What the daemon uses at one moment, while it does nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// KiB of memory.
    pub(crate) resident: u64,
    pub(crate) descriptors: usize,
}

impl Resources {
    pub(crate) fn of(process: u32) -> Result<Self> {
        Ok(Self {
            resident: number(&format!("/proc/{process}/status"), "VmRSS:")?,
            descriptors: fs::read_dir(format!("/proc/{process}/fd"))?.count(),
        })
    }

    /// Asserts that no more is in use than before.
    pub(crate) fn check(self, before: Self) -> Result<()> {
        ensure!(
            self.resident <= before.resident + LEEWAY
                && self.descriptors <= before.descriptors + DESCRIPTORS,
            "the daemon has grown from {before:?} to {self:?}"
        );
        Ok(())
    }
}

/// KiB of memory that are left on this machine.
pub(crate) fn available() -> Result<u64> {
    number("/proc/meminfo", "MemAvailable:")
}

/// Datagrams that the host's sockets had no room for.
pub(crate) fn overflowed(snmp: &str) -> u64 {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let mut pairs = names.split(' ').zip(values.split(' '));
    let found = pairs.find(|(name, _)| *name == "RcvbufErrors");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// The number behind this name in a file of the kernel's.
fn number(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{path} has no number {name}"))
}
