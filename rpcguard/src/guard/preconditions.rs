//! What must be there before anything is tried, so that its absence has a name.

use std::{fs, path::Path};

use rustix::{
    fs::statfs,
    process::{Resource, Rlimit, setrlimit},
    system::uname,
    thread::{CapabilitySet, capabilities},
};

use crate::{
    error::{Error, Result},
    writers::others,
};

/// linux/magic.h
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// A capability, and what it is called.
pub(crate) type Needed = (CapabilitySet, &'static str);

/// What it takes to work with maps and links.
pub(crate) const TO_CHANGE: &[Needed] = &[
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
];

/// What it takes to load the program as well: the verifier only follows it in full for those who
/// may trace the kernel.
pub(crate) const TO_LOAD: &[Needed] = &[
    (CapabilitySet::BPF, "CAP_BPF"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
];

/// The oldest kernel that has all that is used: XDP links (5.9), and what the verifier learned until
/// this long-term version.
const OLDEST_KERNEL: (u32, u32) = (5, 10);

/// Checks that the kernel is not older than it may be.
pub(super) fn kernel() -> Result<()> {
    check_release(&uname().release().to_string_lossy())
}

fn check_release(release: &str) -> Result<()> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < OLDEST_KERNEL => {
            Err(Error::Kernel(format!("it is Linux {release}")))
        }
        // What is not understood is not refused.
        _ => Ok(()),
    }
}

/// Checks that this process has what it needs.
pub(crate) fn privileges(action: &str, needed: &[Needed]) -> Result<()> {
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
pub(crate) fn bpffs(path: &Path) -> Result<()> {
    match statfs(path) {
        Ok(info) if info.f_type as u64 == BPF_FS_MAGIC => bpffs_of_root(path),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => Err(Error::File {
            action: "look into",
            path: path.to_owned(),
            source: rustix::io::Errno::ACCESS.into(),
        }),
        _ => Err(Error::NoBpffs(path.to_owned())),
    }
}

/// Checks that nobody else can rename or remove what is in a BPF file system.
fn bpffs_of_root(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|source| Error::File {
        action: "look at",
        path: path.to_owned(),
        source,
    })?;
    let path = path.to_owned();
    others(&metadata).map_or(Ok(()), |why| Err(Error::UnsafeBpffs { path, why }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_older_than_5_10_are_refused_by_name() {
        for release in [
            "5.9.16-1-amd64",
            "4.19.0-27-cloud-amd64",
            "3.10.0-1160.el7.x86_64",
        ] {
            let error = check_release(release).unwrap_err();
            assert!(error.to_string().contains(release), "{error}");
        }
        for release in [
            "5.10.0-33-amd64",
            "5.15.0",
            "6.1.0-9",
            "6.18.44-fc",
            "10.0",
            "strange",
        ] {
            check_release(release).unwrap();
        }
    }
}
