//! What must be there before anything is tried, so that its absence has a name.

use std::path::Path;

use rustix::{
    fs::statfs,
    process::{Resource, Rlimit, setrlimit},
    thread::{CapabilitySet, capabilities},
};

use crate::error::{Error, Result};

/// linux/magic.h
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// Checks that this process may load and attach programs.
pub(super) fn privileges(action: &str) -> Result<()> {
    // Without /proc/self or capget(2) there is nothing to check, and the kernel says what it thinks.
    let Ok(sets) = capabilities(None) else {
        return Ok(());
    };
    let has = |capability| sets.effective.contains(capability);
    let bpf = has(CapabilitySet::BPF) || has(CapabilitySet::SYS_ADMIN);
    let mut missing = Vec::new();
    if !bpf {
        missing.push("CAP_BPF");
    }
    if !has(CapabilitySet::NET_ADMIN) {
        missing.push("CAP_NET_ADMIN");
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::NotPermitted {
        action: action.to_owned(),
        missing: missing.join(" and "),
    })
}

/// Checks that `path` is on a BPF file system.
pub(super) fn bpffs(path: &Path) -> Result<()> {
    match statfs(path) {
        Ok(info) if info.f_type as u64 == BPF_FS_MAGIC => Ok(()),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => Err(Error::File {
            action: "look into",
            path: path.to_owned(),
            source: rustix::io::Errno::ACCESS.into(),
        }),
        _ => Err(Error::NoBpffs(path.to_owned())),
    }
}

/// Lifts the limit on locked memory, which kernels before 5.11 count maps against.
pub(super) fn lift_memlock() {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        log::debug!("RLIMIT_MEMLOCK stays as it is: {error}");
    }
}
