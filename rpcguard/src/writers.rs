//! Users other than root that can change a file or directory.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use rustix::process::{getegid, geteuid};

use crate::foreign_text;

/// In a directory, nobody takes away or renames what belongs to others.
const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// Says which others than root and the present user may change a file, or put another in its place;
/// `None` if the kernel names none. Rights that an access control list grants show as those of the
/// group.
pub(crate) fn others_who_write(path: &Path) -> Option<String> {
    let real = fs::canonicalize(path).ok()?;
    let named = std::path::absolute(path).ok()?;
    // A symbolic link is in a directory of its own.
    let directories = real.ancestors().skip(1).chain(named.ancestors().skip(1));
    let of = |path: &Path| others(&fs::metadata(path).ok()?);
    of(&real).or_else(|| {
        directories.into_iter().find_map(|directory| {
            let why = of(directory)?;
            Some(format!(
                "it is below {}: {why}",
                foreign_text::path(directory)
            ))
        })
    })
}

/// Says which others than root and the present user may change what this is about: a file, or what
/// is in a directory.
pub(crate) fn others(metadata: &Metadata) -> Option<String> {
    let (owner, group, mode) = (metadata.uid(), metadata.gid(), metadata.mode());
    if owner != 0 && owner != geteuid().as_raw() {
        return Some(format!("it belongs to user {owner}"));
    }
    if metadata.is_dir() && mode & STICKY != 0 {
        return None;
    }
    if mode & OTHERS_WRITE != 0 {
        return Some("everybody can write it".to_owned());
    }
    let is_ours = group == 0 || group == getegid().as_raw();
    (mode & GROUP_WRITES != 0 && !is_ours).then(|| format!("group {group} can write it"))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt as _, chown, symlink},
        path::Path,
    };

    use super::others_who_write;

    const NOBODY: Option<u32> = Some(65534);

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// In a directory of everybody, as /tmp is.
    #[test]
    fn whoever_else_can_change_a_file_is_named() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("lists");
        let file = directory.join("list");
        fs::create_dir(&directory).unwrap();
        fs::write(&file, "").unwrap();
        let said = || others_who_write(&file);
        set_mode(&file, 0o644);
        assert_eq!(said(), None);
        set_mode(&file, 0o646);
        assert_eq!(said().unwrap(), "everybody can write it");
        set_mode(&file, 0o600);
        for (mode, is_safe) in [(0o755, true), (0o1777, true), (0o777, false)] {
            set_mode(&directory, mode);
            assert_eq!(said().is_none(), is_safe, "{mode:o}: {:?}", said());
        }
        set_mode(&directory, 0o755);
        if chown(&file, NOBODY, NOBODY).is_err() {
            // Not as root: nobody can be given anything.
            return;
        }
        assert_eq!(said().unwrap(), "it belongs to user 65534");
        chown(&file, Some(0), NOBODY).unwrap();
        assert_eq!(said(), None);
        set_mode(&file, 0o660);
        assert_eq!(said().unwrap(), "group 65534 can write it");
        chown(&file, Some(0), Some(0)).unwrap();
        chown(&directory, NOBODY, None).unwrap();
        let why = said().unwrap();
        assert!(why.ends_with("/lists: it belongs to user 65534"), "{why}");

        // A link can be replaced by whoever has its directory.
        let link = directory.join("link");
        let target = home.path().join("target");
        fs::write(&target, "").unwrap();
        symlink(&target, &link).unwrap();
        assert_eq!(others_who_write(&target), None);
        assert!(others_who_write(&link).is_some());
        assert_eq!(others_who_write(&home.path().join("missing")), None);
    }
}
