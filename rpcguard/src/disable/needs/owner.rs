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
    /// Whether everything on the way, links as well, belongs to root and is writable by nobody else.
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
        is_roots &= is_of_root(&metadata, &top);
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
pub(super) fn is_of_root(metadata: &Metadata, top: &Metadata) -> bool {
    let owned = metadata.uid() == 0 || metadata.uid() == top.uid();
    owned && (metadata.is_symlink() || metadata.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt as _,
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
        ]);
        let mode = |path: &str, mode| {
            fs::set_permissions(root.path().join(path), Permissions::from_mode(mode)).unwrap();
        };
        mode("tmp", 0o1777);
        mode("etc/open", 0o664);
        for (path, is_roots) in [
            ("etc/fstab", true),
            ("/etc/../etc/link", true),
            ("../../etc/fstab", true),
            // Its owner could have been led elsewhere by whoever writes /tmp.
            ("etc/outside", false),
            ("etc/open", false),
        ] {
            let resolved = resolve(root.path(), Path::new(path)).unwrap();
            assert_eq!(resolved.is_roots, is_roots, "{path}");
        }
        assert!(resolve(root.path(), Path::new("etc/loop")).is_err());
        assert!(resolve(root.path(), Path::new("etc/nothing")).is_err());
    }
}
