//! One rpcguard at a time changes things.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{major, minor};

use crate::{
    error::{Error, Result},
    foreign_text::printable,
};

/// How long to wait for another rpcguard. Its longest change, two million prefixes, takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// After what time to say what is waited for.
const SILENCE: Duration = Duration::from_secs(1);

/// How often to look again.
const INTERVAL: Duration = Duration::from_millis(10);

/// The right to change guards; given back when dropped, or when the process ends in whatever way.
///
/// It is a flock(2) on the directory of pins itself: wherever the guards are seen, so is the lock,
/// and there is no file to be left behind.
#[derive(Debug)]
pub struct Lock {
    file: File,
    directory: PathBuf,
}

impl Drop for Lock {
    /// Takes the directory along if it is empty. A child that this process is just starting may have a
    /// copy of the descriptor, so closing it would not be enough.
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.directory);
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// Waits for the lock on `directory`, which `provide` sees to being there.
    pub(crate) fn acquire(directory: &Path, provide: impl Fn() -> Result<()>) -> Result<Self> {
        Self::acquire_within(PATIENCE, directory, provide)
    }

    pub(crate) fn acquire_within(
        patience: Duration,
        directory: &Path,
        provide: impl Fn() -> Result<()>,
    ) -> Result<Self> {
        let failed = |source| Error::File {
            action: "lock",
            path: directory.to_owned(),
            source,
        };
        let started = Instant::now();
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
                        file,
                        directory: directory.to_owned(),
                    });
                }
                // Locked the directory that another rpcguard removed meanwhile.
                Ok(()) => continue,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if started.elapsed() >= patience => {
                    return Err(Error::Locked {
                        holder: holder(&file),
                        waited: patience,
                    });
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if !told && started.elapsed() >= SILENCE {
                log::warn!("waiting for another rpcguard: {}", holder(&file));
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

/// Who holds the lock on a file, from /proc/locks (proc_locks(5)): `1: FLOCK ADVISORY WRITE <pid>
/// <major>:<minor>:<inode> 0 EOF`.
pub(super) fn holder(file: &File) -> String {
    let unknown = || "a process that cannot be seen from here".to_owned();
    let (Ok(metadata), Ok(locks)) = (file.metadata(), fs::read_to_string("/proc/locks")) else {
        return unknown();
    };
    let device = metadata.dev();
    let inode = format!(
        "{:02x}:{:02x}:{}",
        major(device),
        minor(device),
        metadata.ino()
    );
    let pid = locks
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|fields| fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&inode.as_str()))
        .and_then(|fields| fields[4].parse::<u32>().ok());
    match pid {
        Some(pid) if pid != 0 => {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            format!("process {pid} (`{}`)", printable(command.trim_end()))
        }
        _ => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_in_vain_is_told_who_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let patience = Duration::from_millis(50);
        let acquire = || Lock::acquire_within(patience, directory.path(), || Ok(()));
        let held = acquire().unwrap();
        let started = Instant::now();
        let error = acquire().unwrap_err().to_string();
        assert!(started.elapsed() >= patience);
        let this = std::env::current_exe().unwrap();
        let holder = format!("process {} (`{}", std::process::id(), this.display());
        assert!(error.contains(&holder), "{error}");
        assert!(error.contains("for more than 50ms"), "{error}");
        drop(held);
    }

    #[test]
    fn the_directory_may_be_removed_while_its_lock_is_waited_for() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("rpcguard");
        let provide = || {
            let _ = fs::create_dir(&directory);
            Ok(())
        };
        let acquire = || Lock::acquire_within(Duration::from_secs(10), &directory, provide);
        thread::scope(|scope| {
            let held = acquire().unwrap();
            let second = scope.spawn(acquire);
            thread::sleep(Duration::from_millis(50));
            // Removes the directory that the other one has open and waits for.
            drop(held);
            let second = second.join().unwrap().unwrap();
            assert!(directory.exists());
            drop(second);
        });
        assert!(!directory.exists());
    }
}
