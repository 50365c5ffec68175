//! Where a guard's objects are pinned.
//!
//! ```text
//! <bpffs>/rpcguard/<interface>/{link,program,STATE,COUNTERS,...: a pin for each map}
//! ```
//!
//! bpffs refuses names with a dot, so a directory name is the interface's with `.`, `%` and `@`
//! percent-encoded. Several network namespaces can share one bpffs: a guard outside the initial one
//! has `@` and its namespace's inode number behind the interface name. What counts is in the state
//! map: the namespace and, in the link, the interface. The name only tells them apart.
//!
//! The link is pinned last and removed first. A directory without one is what an interrupted
//! command left, and guards nothing.

use std::{
    fs, io,
    os::{
        fd::AsFd as _,
        unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use aya::maps::{Map, MapData, MapInfo};
use rustix::process::geteuid;

use crate::{
    error::{Doing as _, Error, Result},
    foreign_text,
    sys::bpf,
};

/// Directory below the bpffs.
pub(super) const DIRECTORY: &str = "rpcguard";

/// Pin of the bpf_link.
pub(super) const LINK: &str = "link";

/// Pin of the program.
pub(super) const PROGRAM: &str = "program";

/// A second pin of a program that another loader attached, in the place of a link.
pub(super) const ADOPTED: &str = "adopted";

/// Pin of the state map of a guard that is being attached, beside the directories: no interface has this
/// name.
const ATTACHING: &str = "@state";

/// Only root looks at lists of addresses.
const DIRECTORY_MODE: u32 = 0o700;

/// The directory name for an interface; `netns` is given where the plain name is not unique.
pub(super) fn directory_name(interface: &str, netns: Option<u64>) -> String {
    let mut name = String::new();
    for c in interface.chars() {
        match c {
            '.' => name.push_str("%2E"),
            '%' => name.push_str("%25"),
            '@' => name.push_str("%40"),
            c => name.push(c),
        }
    }
    if let Some(netns) = netns {
        name.push('@');
        name.push_str(&netns.to_string());
    }
    name
}

/// The interface that a directory was named after.
pub(super) fn interface_name(directory: &str) -> String {
    let name = directory
        .split_once('@')
        .map_or(directory, |(name, _)| name);
    name.replace("%2E", ".")
        .replace("%40", "@")
        .replace("%25", "%")
}

/// Creates a directory for pins, and those above it.
pub(super) fn create_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(|source| Error::File {
            action: "create",
            path: path.to_owned(),
            source,
        })
}

/// Checks that a directory for pins, if it is there, is one that nobody else can take pins out of: a
/// bpffs may be open to all, and whoever comes first can make a directory of this name.
pub(super) fn check_directory(path: &Path) -> Result<()> {
    let unsafe_because = |why: String| {
        let path = path.to_owned();
        Err(Error::UnsafeDirectory { path, why })
    };
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(|source| Error::File {
            action: "look at",
            path: path.to_owned(),
            source,
        })?,
    };
    let owner = metadata.uid();
    if !metadata.is_dir() {
        unsafe_because("it is not a directory".to_owned())
    } else if owner != 0 && owner != geteuid().as_raw() {
        unsafe_because(format!("it belongs to user {owner}"))
    } else {
        Ok(())
    }
}

/// Takes others' rights to a directory away, should they have any.
pub(super) fn close_directory(path: &Path) -> Result<()> {
    let failed = |source| Error::File {
        action: "set the mode of",
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            log::warn!("{} was open to other users", foreign_text::path(path));
            let mode = fs::Permissions::from_mode(DIRECTORY_MODE);
            fs::set_permissions(path, mode).map_err(failed)
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Whether this is no directory of a guard.
pub(super) fn is_attaching(path: &Path) -> bool {
    path.ends_with(ATTACHING)
}

/// The pin of the state map of a guard that is being attached, as long as this value lives.
pub(super) struct Attaching(PathBuf);

impl Attaching {
    /// Pins a map, below the directory that all guards are in. What an interrupted command left there is
    /// removed.
    pub(super) fn pin(state: &MapData, directory: &Path) -> Result<Self> {
        let path = directory.join(ATTACHING);
        remove_if_there(&path)?;
        let failed = format!("pin the state in {}", directory.display());
        state.pin(&path).doing(failed)?;
        Ok(Self(path))
    }

    /// Removes what an interrupted command left.
    pub(super) fn clear(directory: &Path) -> Result<()> {
        remove_if_there(&directory.join(ATTACHING))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it, now that a loader has the map. Should that fail, it is tried once more.
    pub(super) fn remove(self) -> Result<()> {
        remove_if_there(&self.0)
    }
}

impl Drop for Attaching {
    fn drop(&mut self) {
        if let Err(error) = remove_if_there(&self.0) {
            log::warn!("{error}");
        }
    }
}

/// The path for an object that is to take the place of the one pinned under `name`; what an
/// interrupted command left there is removed.
pub(super) fn next(directory: &Path, name: &str) -> Result<PathBuf> {
    let next = next_path(directory, name);
    remove_if_there(&next)?;
    Ok(next)
}

/// See [`next`].
pub(super) fn next_path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}_next"))
}

/// Gives an object that is to take the place of the one pinned under `name` that place, if there is one.
pub(super) fn put_next_in_place(directory: &Path, name: &str) -> Result<()> {
    let path = directory.join(name);
    match fs::rename(next_path(directory, name), &path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::File {
            action: "replace",
            path,
            source,
        }),
        _ => Ok(()),
    }
}

/// What the kernel tells of a pinned map.
pub(super) fn map_info(directory: &Path, name: &str) -> Result<MapInfo> {
    let path = directory.join(name);
    let failed = format!("look at the pinned map {}", path.display());
    MapInfo::from_pin(&path).doing(failed)
}

/// Whether a pinned map has its full size: those that only some guards need are of one element elsewhere.
pub(super) fn is_full_size(directory: &Path, name: &str) -> Result<bool> {
    Ok(map_info(directory, name)?.max_entries() > 1)
}

/// Opens a pinned map.
pub(super) fn map(directory: &Path, name: &str) -> Result<Map> {
    let path = directory.join(name);
    let action = format!("open the pinned map {}", path.display());
    let data = MapData::from_pin(&path).doing(action.clone())?;
    Map::from_map_data(data).doing(action)
}

/// Detaches a guard, then removes its pins.
pub(super) fn remove(directory: &Path) -> Result<()> {
    detach(directory)?;
    clear(directory)
}

/// Removes the directory of a guard that is detached, with all pins in it, the link first.
pub(super) fn clear(directory: &Path) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File {
            action: "remove",
            path,
            source,
        }
    };
    remove_if_there(&directory.join(LINK))?;
    remove_if_there(&directory.join(ADOPTED))?;
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed(directory))?,
    };
    for entry in entries {
        let path = entry.map_err(failed(directory))?.path();
        fs::remove_file(&path).map_err(failed(&path))?;
    }
    fs::remove_dir(directory).map_err(failed(directory))
}

/// Takes the program off the interface. Removing the pin would do that too, but later: too late for
/// an `attach` that follows.
pub(super) fn detach(directory: &Path) -> Result<()> {
    let link = &directory.join(LINK);
    if !link.exists() {
        return Ok(());
    }
    let failed = format!("detach the pinned link {}", link.display());
    let link = bpf::open_pin(link).doing(&failed)?;
    bpf::detach_link(link.as_fd()).doing(failed)
}

/// Removes one pin.
fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::File {
            action: "remove",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_way_there_and_back() {
        for interface in ["eth0", "eth0.100", "a%2Eb", "x@y", "%40@.", "%25"] {
            for netns in [None, Some(4_026_531_840)] {
                let directory = directory_name(interface, netns);
                assert!(!directory.contains('.'), "{directory}");
                assert_eq!(interface_name(&directory), interface);
            }
        }
    }

    #[test]
    fn different_interfaces_have_different_directories() {
        assert_ne!(
            directory_name("eth0", Some(1)),
            directory_name("eth0@1", None)
        );
        assert_ne!(
            directory_name("eth0.1", None),
            directory_name("eth0%2E1", None)
        );
    }
}
