//! Guards that a deleted network namespace left behind: nobody can be in it to detach them.

use std::{fs, os::fd::AsFd as _, path::Path};

use rpcguard_common::abi::map;

use super::{
    Lock, Registry, confirm, pins,
    registry::{netns_inode, read_header},
};
use crate::{
    error::{Doing as _, Result},
    foreign_text,
    sys::bpf,
};

impl Registry {
    /// Removes the pins of guards whose interface and network namespace are both gone, and what an
    /// interrupted `attach` left outside of them.
    ///
    /// # Errors
    ///
    /// If pins cannot be read or removed.
    pub(super) fn remove_orphans(&self, _lock: &Lock) -> Result<()> {
        pins::Attaching::clear(&self.directory())?;
        for directory in self.directories()? {
            let state = directory.join(map::STATE);
            if !state.exists() || guards_interface(&directory)? {
                continue;
            }
            let netns = read_header(&state)?.netns;
            if netns != self.netns() && !is_seen(netns) {
                log::info!("removing {}", foreign_text::path(&directory));
                pins::remove(&directory)?;
            }
        }
        Ok(())
    }
}

/// Whether the link that is pinned in a directory, or will be, is attached to something.
fn guards_interface(directory: &Path) -> Result<bool> {
    let path = directory.join(pins::LINK);
    if !path.exists() {
        return confirm::is_held(directory);
    }
    let failed = format!("open the pinned link {}", path.display());
    let link = bpf::open_pin(&path).doing(&failed)?;
    Ok(bpf::xdp_link(link.as_fd()).doing(failed)?.ifindex != 0)
}

/// Whether a process is in this network namespace, or a mount holds it.
fn is_seen(netns: u64) -> bool {
    let holds = |path: &Path| netns_inode(path).is_ok_and(|inode| inode == netns);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(3))
        .any(|root| root == format!("net:[{netns}]"));
    mounted
        || fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .any(|process| holds(&process.path().join("ns/net")))
}
