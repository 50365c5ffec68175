//! What tells that a file is not the one that it was.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

/// The clock that files are dated by goes by ticks, of up to 10 ms: one that had been changed this shortly
/// before it was looked at may be changed again and look the same.
const TICK: Duration = Duration::from_millis(20);

/// How a file looked, at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    /// `None` if it was not there.
    looks: Option<Looks>,
    at: SystemTime,
}

/// What would be otherwise if it were another file, or had been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looks {
    device: u64,
    inode: u64,
    size: u64,
    /// When it was changed, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl Noted {
    pub(super) fn now(path: &Path) -> Self {
        let at = SystemTime::now();
        Self {
            looks: Looks::of(path),
            at,
        }
    }

    /// How it looked; `None` if it was not there.
    pub(super) const fn looks(&self) -> Option<Looks> {
        self.looks
    }

    /// Whether it still looks so.
    pub(super) fn is_so(&self, path: &Path) -> bool {
        Looks::of(path) == self.looks
    }

    /// Whether it had been changed so shortly before that another change would not show.
    pub(super) fn may_hide_change(&self) -> bool {
        self.looks.is_some_and(|looks| looks.age(self.at) < TICK)
    }

    /// Whether it was not there, or had been changed within this time.
    pub(super) fn is_younger_than(&self, time: Duration) -> bool {
        self.looks.is_none_or(|looks| looks.age(self.at) < time)
    }
}

impl Looks {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// How long ago it was changed, at some time; zero, if the clock has been set back since.
    fn age(self, at: SystemTime) -> Duration {
        let (seconds, nanoseconds) = self.changed;
        let changed = Duration::new(
            seconds.try_into().unwrap_or_default(),
            nanoseconds.try_into().unwrap_or_default(),
        );
        let changed = SystemTime::UNIX_EPOCH + changed;
        at.duration_since(changed).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_unless_it_may_be_hidden() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let missing = Noted::now(&path);
        assert!(missing.is_so(&path) && !missing.may_hide_change());
        fs::write(&path, "one").unwrap();
        let fresh = Noted::now(&path);
        assert!(!missing.is_so(&path));
        assert!(fresh.may_hide_change());
        std::thread::sleep(2 * TICK);
        let settled = Noted::now(&path);
        assert!(settled.is_so(&path) && !settled.may_hide_change());
        assert!(settled.is_younger_than(Duration::from_secs(60)));
        fs::write(&path, "two").unwrap();
        assert!(!settled.is_so(&path));
    }
}
