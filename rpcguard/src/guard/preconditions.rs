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

/// A capability, and what it is called.
pub(super) type Needed = (CapabilitySet, &'static str);

/// What it takes to work with maps and links.
pub(super) const TO_CHANGE: &[Needed] = &[
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
];

/// What it takes to load the program as well: the verifier only follows it in full for those who
/// may trace the kernel.
pub(super) const TO_LOAD: &[Needed] = &[
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
];

/// Checks that this process has what it needs.
pub(super) fn privileges(action: &str, needed: &[Needed]) -> Result<()> {
    // Without /proc/self or capget(2) there is nothing to check, and the kernel says what it thinks.
    let Ok(sets) = capabilities(None) else {
        return Ok(());
    };
    let has = |capability| {
        // CAP_SYS_ADMIN stands for those that were split off it, but not for CAP_NET_ADMIN.
        sets.effective.contains(capability)
            || capability != CapabilitySet::NET_ADMIN
                && sets.effective.contains(CapabilitySet::SYS_ADMIN)
    };
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(capability, _)| !has(*capability))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::NotPermitted {
        action: action.to_owned(),
        missing: missing.join(", "),
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
