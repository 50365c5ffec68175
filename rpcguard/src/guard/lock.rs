//! One rpcguard at a time changes things.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::error::{Error, Result};

/// How long to wait for another rpcguard. Its longest change, two million prefixes, takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often to look again.
const INTERVAL: Duration = Duration::from_millis(10);

/// The right to change guards; given back when dropped, or when the process ends in whatever way.
///
/// It is a flock(2) on the directory of pins itself: wherever the guards are seen, so is the lock,
/// and there is no file to be left behind.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    directory: PathBuf,
}

impl Drop for Lock {
    /// Takes the directory along if it is empty.
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
    }
}

impl Lock {
    /// Waits for the lock on `directory`, which `provide` sees to being there.
    pub(super) fn acquire(directory: &Path, provide: impl Fn() -> Result<()>) -> Result<Self> {
        let failed = |source| Error::File {
            action: "lock",
            path: directory.to_owned(),
            source,
        };
        let deadline = Instant::now() + PATIENCE;
        let mut told = false;
        loop {
            provide()?;
            let file = match File::open(directory) {
                Ok(file) => file,
                // The last guard was just detached.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            match file.try_lock() {
                Ok(()) if is_at(&file, directory) => {
                    return Ok(Self {
                        _file: file,
                        directory: directory.to_owned(),
                    });
                }
                // Locked the directory that another rpcguard removed meanwhile.
                Ok(()) => continue,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(Error::Locked {
                        holder: holder(&file),
                        waited: PATIENCE.as_secs(),
                    });
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if !told {
                log::info!("waiting for another rpcguard: {}", holder(&file));
                told = true;
            }
            thread::sleep(INTERVAL);
        }
    }
}

/// Whether this open directory is still the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}

/// Who holds the lock, from /proc/locks (proc_locks(5)): `1: FLOCK ADVISORY WRITE <pid>
/// <major>:<minor>:<inode> 0 EOF`.
fn holder(file: &File) -> String {
    let unknown = || "a process that cannot be seen from here".to_owned();
    let (Ok(metadata), Ok(locks)) = (file.metadata(), fs::read_to_string("/proc/locks")) else {
        return unknown();
    };
    let inode = format!(":{}", metadata.ino());
    let pid = locks
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|fields| {
            fields.get(1) == Some(&"FLOCK") && fields.get(5).is_some_and(|at| at.ends_with(&inode))
        })
        .and_then(|fields| fields[4].parse::<u32>().ok());
    match pid {
        Some(pid) if pid != 0 => {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            format!("process {pid} (`{}`)", command.trim_end())
        }
        _ => unknown(),
    }
}
