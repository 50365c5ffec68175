//! File systems that are mounted now, as the kernel tells.

use std::{collections::BTreeSet, fs, net::IpAddr};

use super::{
    need::{Kind, Need},
    options::{self, Use, Version},
    table,
};
use crate::disable::machine::Machine;

/// A mounted NFS file system.
pub(super) struct Mounted {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) usage: Use,
    options: Vec<String>,
    line: usize,
}

/// Reads the mounts of this process's mount namespace.
pub(super) fn read(machine: &Machine) -> Vec<Mounted> {
    // The kernel answers at once, and nobody else writes it. Its file has no size that could be
    // compared.
    let Ok(text) = fs::read(machine.path("proc/self/mounts")) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&text);
    let mounts = text.lines().enumerate().filter_map(|(index, line)| {
        let row = table::Row::of(line)?;
        if !matches!(&*row.kind, "nfs" | "nfs4") {
            return None;
        }
        let usage = options::usage(&row.kind, &row.options, None);
        Some(Mounted {
            source: row.source,
            target: row.target,
            usage,
            options: row.options,
            line: index + 1,
        })
    });
    mounts.collect()
}

impl Mounted {
    /// Whether the server and the client have agreed on version 4.
    pub(super) fn is_new(&self) -> bool {
        options::version(&self.options) == Some(Version::New)
    }

    pub(super) fn need(&self) -> Option<Need> {
        let version = match self.usage {
            Use::Either => "with NFS of a version that the kernel does not tell",
            _ => "with NFSv3",
        };
        let text = format!("{} is mounted on {} {version}", self.source, self.target);
        (self.usage != Use::None)
            .then(|| Need::new(Kind::Mounted, text).at(format!("/proc/self/mounts:{}", self.line)))
    }
}

/// The addresses of NFSv3 servers that call the portmapper of this machine back, as the kernel has
/// them.
pub(crate) fn servers(machine: &Machine) -> BTreeSet<IpAddr> {
    read(machine)
        .iter()
        .filter(|mount| mount.usage != Use::None)
        .flat_map(|mount| &mount.options)
        .filter_map(|option| {
            let (name, value) = option.split_once('=')?;
            let address = value.split('%').next()?;
            matches!(name, "addr" | "mountaddr").then(|| address.parse().ok())?
        })
        .map(|address: IpAddr| address.to_canonical())
        .filter(|address| !address.is_loopback() && !address.is_unspecified())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{read, servers};
    use crate::disable::machine::fixture::machine;

    const MOUNTS: &str = "nas:/home /home nfs rw,vers=3,proto=tcp,mountaddr=192.0.2.1,mountvers=3,addr=192.0.2.1 0 0\n\
        nas:/pub /srv/my\\040pub nfs4 rw,vers=4.2,addr=192.0.2.2 0 0\n\
        nas:/old /old nfs rw,vers=4.1,addr=192.0.2.3 0 0\n\
        nas:/root / nfs rw,vers=3,nolock,local_lock=all,addr=192.0.2.4 0 0\n\
        [2001:db8::5]:/six /six nfs rw,vers=3,mountaddr=2001:db8::6,addr=2001:db8::5 0 0\n\
        [fe80::7]:/link /link nfs rw,vers=3,addr=fe80::7%eth0 0 0\n\
        me:/here /here nfs rw,vers=3,addr=127.0.0.1 0 0\n\
        nas:/x /x fuse.nfs rw,vers=3,addr=192.0.2.8 0 0\n\
        nas:/y /y nfs rw,vers=3,addr=nas.example 0 0\n\
        proc /proc proc rw 0 0\n";

    #[test]
    fn what_is_mounted_with_version_3_and_its_locks_needs_it() {
        let (_root, machine) = machine(&[("proc/self/mounts", MOUNTS)]);
        let needs: Vec<_> = read(&machine)
            .iter()
            .filter_map(|mount| Some(mount.need()?.to_string()))
            .collect();
        let expected = [
            "nas:/home is mounted on /home with NFSv3 (/proc/self/mounts:1)",
            "[2001:db8::5]:/six is mounted on /six with NFSv3 (/proc/self/mounts:5)",
            "[fe80::7]:/link is mounted on /link with NFSv3 (/proc/self/mounts:6)",
            "me:/here is mounted on /here with NFSv3 (/proc/self/mounts:7)",
            "nas:/y is mounted on /y with NFSv3 (/proc/self/mounts:9)",
        ];
        assert_eq!(needs, expected);
    }

    #[test]
    fn servers_are_the_numeric_addresses_that_the_kernel_has() {
        let (_root, machine) = machine(&[("proc/self/mounts", MOUNTS)]);
        let servers: Vec<_> = servers(&machine).iter().map(ToString::to_string).collect();
        assert_eq!(
            servers,
            ["192.0.2.1", "2001:db8::5", "2001:db8::6", "fe80::7"]
        );
    }
}
