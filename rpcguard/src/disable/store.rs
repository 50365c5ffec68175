//! Files that root alone can have written.
//!
//! The record decides what root does later. So each directory on the way to it, and the file
//! itself, has to be root's, and nobody else may be able to write it. That is seen on descriptors,
//! which cannot be exchanged for others in between.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, fchmod, mkdirat, open, openat, renameat, unlinkat},
    io::Errno,
    process::geteuid,
};

use super::{DisableError, process::OTHERS_WRITE};

/// The largest file that is read, in bytes.
const MAX_LEN: u64 = 1 << 20;

/// Flags of everything that is opened: no link is followed, and no pipe waited for.
const SAFELY: OFlags = OFlags::NOFOLLOW
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// A directory that root alone can write.
#[derive(Debug)]
pub(super) struct Store {
    directory: File,
    path: PathBuf,
}

impl Store {
    /// Opens `below`, going down from `root` by single steps. `None` if it is not there.
    pub(super) fn open(root: &Path, below: &str) -> Result<Option<Self>, DisableError> {
        Self::walk(root, below, false)
    }

    /// Opens it after making what of it is not there, and closes it to others.
    pub(super) fn provide(root: &Path, below: &str) -> Result<Self, DisableError> {
        let store = Self::walk(root, below, true)?;
        let path = root.join(below);
        let store = store.ok_or_else(|| file_error("make", &path)(Errno::NOENT.into()))?;
        fchmod(&store.directory, Mode::RWXU)
            .map_err(|error| file_error("close", &path)(error.into()))?;
        Ok(store)
    }

    fn walk(root: &Path, below: &str, make: bool) -> Result<Option<Self>, DisableError> {
        let flags = SAFELY | OFlags::DIRECTORY;
        let mut path = root.to_owned();
        // The root directory may be a link: whoever starts programs in it can do as he likes.
        let opened = open(root, flags & !OFlags::NOFOLLOW, Mode::empty());
        let mut directory = opened.map_err(|error| opening(&path, error))?;
        is_roots(
            &path,
            &File::from(directory.try_clone().map_err(file_error("open", &path))?),
        )?;
        for name in below.split('/') {
            path.push(name);
            if make {
                match mkdirat(&directory, name, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(file_error("make", &path)(error.into())),
                }
            }
            directory = match openat(&directory, name, flags, Mode::empty()) {
                Ok(directory) => directory,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(opening(&path, error)),
            };
            is_roots(
                &path,
                &File::from(directory.try_clone().map_err(file_error("open", &path))?),
            )?;
        }
        Ok(Some(Self {
            directory: File::from(directory),
            path,
        }))
    }

    /// Whether there is something by this name.
    pub(super) fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Reads a file, if there is one.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DisableError> {
        let path = self.path.join(name);
        let file = match openat(&self.directory, name, SAFELY, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(opening(&path, error)),
        };
        is_roots(&path, &file)?;
        let untrusted = |why: &str| DisableError::Untrusted {
            path: path.clone(),
            why: why.to_owned(),
            is_directory: false,
        };
        let metadata = file.metadata().map_err(file_error("read", &path))?;
        if !metadata.is_file() {
            return Err(untrusted("it is not a regular file"));
        }
        if metadata.nlink() != 1 {
            return Err(untrusted("it has another name elsewhere (a hard link)"));
        }
        let mut bytes = Vec::new();
        file.take(MAX_LEN + 1)
            .read_to_end(&mut bytes)
            .map_err(file_error("read", &path))?;
        if bytes.len() as u64 > MAX_LEN {
            return Err(untrusted("it is larger than 1 MiB"));
        }
        Ok(Some(bytes))
    }

    /// Writes a file in the place of the one that is there, in one go, and makes sure that it
    /// lasts.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), DisableError> {
        let scratch = format!("{name}.new");
        let write = || -> io::Result<()> {
            unlink(self, &scratch)?;
            let flags = SAFELY | OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
            let mode = Mode::RUSR | Mode::WUSR;
            let mut file = File::from(openat(&self.directory, scratch.as_str(), flags, mode)?);
            file.write_all(bytes)?;
            file.sync_all()?;
            renameat(&self.directory, scratch.as_str(), &self.directory, name)?;
            self.directory.sync_all()
        };
        write().map_err(file_error("write", &self.path.join(name)))
    }

    /// Takes a file away, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), DisableError> {
        unlink(self, name).map_err(file_error("remove", &self.path.join(name)))
    }
}

fn unlink(store: &Store, name: &str) -> io::Result<()> {
    match unlinkat(&store.directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses what others own or can write. Other than root, only the user that this runs as is no
/// other.
fn is_roots(path: &Path, file: &File) -> Result<(), DisableError> {
    let metadata = file.metadata().map_err(file_error("look at", path))?;
    let why = if ![0, geteuid().as_raw()].contains(&metadata.uid()) {
        format!("it belongs to the user {}", metadata.uid())
    } else if metadata.mode() & OTHERS_WRITE != 0 {
        format!(
            "others can write it (mode {:04o})",
            metadata.mode() & 0o7777
        )
    } else {
        return Ok(());
    };
    Err(DisableError::Untrusted {
        path: path.to_owned(),
        why,
        is_directory: metadata.is_dir(),
    })
}

fn opening(path: &Path, error: Errno) -> DisableError {
    let why = match error {
        Errno::LOOP | Errno::MLINK => "it is a symbolic link",
        // Of a link that is to be a directory, too.
        Errno::NOTDIR => "it is not a directory",
        Errno::NXIO => "it is not a regular file",
        _ => return file_error("open", path)(error.into()),
    };
    DisableError::Untrusted {
        path: path.to_owned(),
        why: why.to_owned(),
        is_directory: false,
    }
}

pub(super) fn file_error(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> DisableError {
    let path = path.to_owned();
    move |source| DisableError::File {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, chown, symlink},
    };

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let store = Store::provide(root.path(), "var/lib/x").unwrap();
        (root, store)
    }

    #[test]
    fn what_is_written_is_read_and_is_roots_alone() {
        let (root, store) = store();
        assert_eq!(store.read("a").unwrap(), None);
        // Left behind by a command that was killed while it wrote.
        fs::write(root.path().join("var/lib/x/a.new"), "{").unwrap();
        store.write("a", b"text").unwrap();
        assert_eq!(store.read("a").unwrap().as_deref(), Some(&b"text"[..]));
        let mode = |path: &str| fs::metadata(root.path().join(path)).unwrap().mode() & 0o7777;
        assert_eq!((mode("var/lib/x/a"), mode("var/lib/x")), (0o600, 0o700));
        assert!(store.has("a") && !store.has("a.new"));
        store.remove("a").unwrap();
        store.remove("a").unwrap();
        assert!(!store.has("a"));
        assert!(Store::open(root.path(), "var/none").unwrap().is_none());
    }

    #[test]
    fn a_file_that_others_could_have_written_is_refused() {
        let (root, store) = store();
        let path = root.path().join("var/lib/x/a");
        let elsewhere = root.path().join("elsewhere");
        fs::write(&elsewhere, "{}").unwrap();
        type Way<'a> = (&'a str, Box<dyn Fn() + 'a>);
        let mut ways: Vec<Way<'_>> = vec![
            (
                "symbolic link",
                Box::new(|| symlink(&elsewhere, &path).unwrap()),
            ),
            (
                "hard link",
                Box::new(|| fs::hard_link(&elsewhere, &path).unwrap()),
            ),
            ("mode 0666", {
                Box::new(|| {
                    fs::write(&path, "{}").unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
                })
            }),
            ("mode 0620", {
                Box::new(|| {
                    fs::write(&path, "{}").unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
                })
            }),
            ("not a regular file", {
                Box::new(|| {
                    rustix::fs::mknodat(
                        rustix::fs::CWD,
                        &path,
                        rustix::fs::FileType::Fifo,
                        Mode::RUSR | Mode::WUSR,
                        0,
                    )
                    .unwrap();
                })
            }),
            (
                "not a regular file",
                Box::new(|| fs::create_dir(&path).unwrap()),
            ),
            ("larger than 1 MiB", {
                Box::new(|| fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap())
            }),
        ];
        if geteuid().is_root() {
            ways.push((
                "the user 65534",
                Box::new(|| {
                    fs::write(&path, "{}").unwrap();
                    chown(&path, Some(65534), None).unwrap();
                }),
            ));
        }
        for (why, make) in ways {
            make();
            let error = store.read("a").unwrap_err();
            assert!(error.to_string().contains(why), "{why}: {error}");
            assert!(error.hint().unwrap().contains("/x/a`"), "{why}");
            if path.is_dir() {
                fs::remove_dir(&path).unwrap();
            } else {
                store.remove("a").unwrap();
            }
        }
        assert!(elsewhere.exists());
    }

    #[test]
    fn each_directory_on_the_way_has_to_be_roots_alone() {
        let (root, store) = store();
        store.write("a", b"{}").unwrap();
        let open = || Store::open(root.path(), "var/lib/x");
        for below in ["", "var", "var/lib", "var/lib/x"] {
            let path = root.path().join(below);
            let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            for bad in [0o1777, 0o775] {
                mode(bad);
                let error = open().unwrap_err();
                assert!(error.to_string().contains("others can write it"), "{error}");
                assert!(error.hint().unwrap().contains("`chmod go-w "), "{error}");
                assert!(Store::provide(root.path(), "var/lib/x").is_err());
            }
            mode(0o755);
            if geteuid().is_root() {
                chown(&path, Some(65534), None).unwrap();
                let error = open().unwrap_err();
                assert!(error.to_string().contains("the user 65534"), "{error}");
                chown(&path, Some(0), None).unwrap();
            }
            assert!(open().unwrap().is_some());
        }
        fs::rename(root.path().join("var/lib"), root.path().join("moved")).unwrap();
        symlink("../moved", root.path().join("var/lib")).unwrap();
        let error = open().unwrap_err();
        assert!(error.to_string().contains("not a directory"), "{error}");
    }
}
