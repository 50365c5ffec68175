//! What the daemon and the filters use.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use anyhow::{Result, ensure};
use aya::maps::MapData;
use rpcguard_tests::kernel_file::number;

/// By how many KiB the daemon may grow: allocators keep some of what they are given back, and each guard that is
/// attached, or read because others may have changed it, takes copies of its lists for a moment.
const LEEWAY: u64 = 64 << 10;

/// What the daemon uses at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// KiB of memory.
    pub(crate) resident: u64,
    /// Those of guards that it is looking at are among them.
    pub(crate) descriptors: usize,
}

impl Resources {
    pub(crate) fn of(process: u32) -> Result<Self> {
        Ok(Self {
            resident: number(&format!("/proc/{process}/status"), "VmRSS:")?,
            descriptors: fs::read_dir(format!("/proc/{process}/fd"))?.count(),
        })
    }

    /// Asserts that no more memory is in use than before.
    pub(crate) fn check(self, before: Self) -> Result<()> {
        ensure!(
            self.resident <= before.resident + LEEWAY,
            "the daemon has grown from {before:?} to {self:?}"
        );
        Ok(())
    }
}

/// KiB of memory that are left on this machine.
pub(crate) fn available() -> Result<u64> {
    number("/proc/meminfo", "MemAvailable:")
}

/// Bytes of memory of these maps, as the kernel has it.
pub(crate) fn of_maps(ids: impl IntoIterator<Item = u32>) -> Result<u64> {
    let mut bytes = 0;
    for id in ids {
        let map = MapData::from_id(id)?;
        let path = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
        bytes += number(&path, "memlock:")?;
    }
    Ok(bytes)
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
