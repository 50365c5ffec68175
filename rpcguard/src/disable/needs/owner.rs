//! Whether only root could have written a file.

use std::{
    ffi::OsString,
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

/// The kernel follows as many.
const MAX_LINKS: usize = 40;

/// A path without symbolic links.
pub(super) struct Resolved {
    pub(super) path: PathBuf,
    /// Whether everything on the way, links as well, belongs to root and is writable by nobody
    /// else.
    pub(super) is_roots: bool,
}

/// Follows a path below a root directory, whose links lead to places below it.
pub(super) fn resolve(root: &Path, path: &Path) -> io::Result<Resolved> {
    let top = root.metadata()?;
    let mut is_roots = true;
    let mut current = root.to_owned();
    let mut pending = Vec::new();
    push(&mut pending, path);
    let mut links = 0;
    while let Some(name) = pending.pop() {
        if name == ".." {
            if current != root {
                current.pop();
            }
            continue;
        }
        let next = current.join(&name);
        let metadata = next.symlink_metadata()?;
        is_roots &= is_of_root(&next, &metadata, &top);
        if !metadata.is_symlink() {
            current = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::other("too many symbolic links"));
        }
        let target = next.read_link()?;
        if target.is_absolute() {
            root.clone_into(&mut current);
        }
        push(&mut pending, &target);
    }
    Ok(Resolved {
        path: current,
        is_roots,
    })
}

/// Puts the names of a path on the stack, so that the first one is on top.
fn push(pending: &mut Vec<OsString>, path: &Path) {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    let names: Vec<_> = names.collect();
    pending.extend(names.into_iter().rev());
}

/// Whether root alone can write it: root, or the owner of the root directory of a test.
pub(super) fn is_of_root(path: &Path, metadata: &Metadata, top: &Metadata) -> bool {
    const GROUP: u32 = 0o020;
    const OTHERS: u32 = 0o002;
    let owned = metadata.uid() == 0 || metadata.uid() == top.uid();
    let mode = metadata.mode();
    // The group of root is root's, as long as these bits do not stand for a list of others.
    let by_group = mode & GROUP != 0 && (metadata.gid() != 0 || has_access_list(path));
    owned && (metadata.is_symlink() || mode & OTHERS == 0 && !by_group)
}

/// Whether there is an access list, acl(5), or may be one.
fn has_access_list(path: &Path) -> bool {
    let none = [rustix::io::Errno::NODATA, rustix::io::Errno::OPNOTSUPP];
    let list = rustix::fs::lgetxattr(path, "system.posix_acl_access", &mut [0_u8; 0]);
    list.err().is_none_or(|error| !none.contains(&error))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt as _, chown},
        path::Path,
    };

    use super::resolve;
    use crate::disable::machine::fixture::machine;

    #[test]
    fn only_what_nobody_else_could_have_written_is_roots() {
        let (root, _machine) = machine(&[
            ("etc/fstab", ""),
            ("etc/link", "->/etc/fstab"),
            ("etc/loop", "->loop"),
            ("tmp/link", "->../etc/fstab"),
            ("etc/outside", "->/tmp/link"),
            ("etc/open", ""),
            ("etc/group", ""),
            ("etc/other-group", ""),
        ]);
        let mode = |path: &str, mode| {
            fs::set_permissions(root.path().join(path), Permissions::from_mode(mode)).unwrap();
        };
        mode("tmp", 0o1777);
        mode("etc/open", 0o666);
        mode("etc/group", 0o664);
        mode("etc/other-group", 0o664);
        // Only root can give files away.
        let other = root.path().join("etc/other-group");
        let is_root = chown(other, None, Some(1)).is_ok();
        for (path, is_roots) in [
            ("etc/fstab", true),
            ("/etc/../etc/link", true),
            ("../../etc/fstab", true),
            // Its owner could have been led elsewhere by whoever writes /tmp.
            ("etc/outside", false),
            ("etc/open", false),
            ("etc/group", is_root),
            ("etc/other-group", false),
        ] {
            let resolved = resolve(root.path(), Path::new(path)).unwrap();
            assert_eq!(resolved.is_roots, is_roots, "{path}");
        }
        assert!(resolve(root.path(), Path::new("etc/loop")).is_err());
        assert!(resolve(root.path(), Path::new("etc/nothing")).is_err());
    }

    #[test]
    fn a_file_that_an_access_list_opens_is_not_roots() {
        let (root, _machine) = machine(&[("etc/fstab", "")]);
        let path = root.path().join("etc/fstab");
        // acl(5), as the kernel has it: version 2; owner, user 1000, group, mask and others.
        let entries = [
            (1, 6, u32::MAX),
            (2, 6, 1000),
            (4, 4, u32::MAX),
            (16, 6, u32::MAX),
            (32, 4, u32::MAX),
        ];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            list.extend(u16::to_le_bytes(tag));
            list.extend(u16::to_le_bytes(permissions));
            list.extend(u32::to_le_bytes(id));
        }
        let set = rustix::fs::setxattr(
            &path,
            "system.posix_acl_access",
            &list,
            rustix::fs::XattrFlags::empty(),
        );
        // Not every file system has access lists.
        if set.is_ok() {
            let resolved = resolve(root.path(), Path::new("etc/fstab")).unwrap();
            assert!(!resolved.is_roots);
        }
    }
}
