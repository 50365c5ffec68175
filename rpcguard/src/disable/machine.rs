//! Looking at the files of a machine.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Where commands are.
const COMMANDS: [&str; 6] = [
    "usr/local/sbin",
    "usr/local/bin",
    "usr/sbin",
    "usr/bin",
    "sbin",
    "bin",
];

/// No more of a file is read, in bytes.
const MAX_TEXT: u64 = 16 << 20;

/// A machine's files, from its root directory.
///
/// Paths are relative to that directory. What is not there, or cannot be read, is empty: nearly every file
/// that is looked at is missing on most machines.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The machine whose root directory this is: `/`, unless a test has made another.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where a file is.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// The text of a file. A pipe or a device is none: reading one could take for ever.
    pub(crate) fn text(&self, path: impl AsRef<Path>) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut options = OpenOptions::new();
            let file = options
                .read(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(self.path(path))?;
            if !file.metadata()?.is_file() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let mut bytes = Vec::new();
            file.take(MAX_TEXT).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_or_else(
            |_| String::new(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// The names in a directory, in order.
    pub(crate) fn names(&self, directory: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(directory)) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// What a symbolic link says.
    pub(crate) fn target(&self, link: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.path(link)).ok()?;
        target.into_os_string().into_string().ok()
    }

    /// Whether there is something by this name, be it a link to nowhere.
    pub(super) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Whether there is a command of this name.
    pub(super) fn has_command(&self, name: &str) -> bool {
        COMMANDS
            .iter()
            .any(|directory| self.path(directory).join(name).exists())
    }
}

#[cfg(test)]
pub(super) mod fixture {
    //! Machines for tests, made of files.

    use std::{fs, os::unix::fs::symlink};

    use tempfile::TempDir;

    use super::Machine;

    /// A root directory with these files; one whose text begins with `->` is a symbolic link.
    pub(in crate::disable) fn machine(files: &[(&str, &str)]) -> (TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("->") {
                Some(target) => symlink(target, path).unwrap(),
                None => fs::write(path, text).unwrap(),
            }
        }
        let machine = Machine::new(root.path());
        (root, machine)
    }
}
