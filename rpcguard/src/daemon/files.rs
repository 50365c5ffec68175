//! Notices that files have changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs, io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};
use tokio::io::unix::AsyncFd;

use super::looks::{Looks, Noted};
use crate::foreign_text;

/// A file that was changed less than this ago may have been changed since it was read.
const RECENT: Duration = Duration::from_secs(2);

/// Files that are watched: in their directories, because editors put another file in the place of one.
pub(super) struct WatchedFiles {
    inotify: AsyncFd<OwnedFd>,
    /// As they looked when they were last read.
    noted: BTreeMap<PathBuf, Noted>,
    /// As they looked when they were last found to look otherwise.
    unsettled: Vec<Option<Looks>>,
    names: BTreeSet<OsString>,
    /// Directories that cannot be watched, of which that was said.
    unwatched: BTreeSet<PathBuf>,
}

impl WatchedFiles {
    /// Watches nothing yet.
    pub(super) fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "sound for an OwnedFd; its successor takes an unsafe block"
        )]
        let inotify = AsyncFd::new(inotify)?;
        Ok(Self {
            inotify,
            noted: BTreeMap::new(),
            unsettled: Vec::new(),
            names: BTreeSet::new(),
            unwatched: BTreeSet::new(),
        })
    }

    /// Watches these files and no others, and takes note of how they look that were not watched before. Whether
    /// one of these may have changed since it was read, if that was a moment ago.
    pub(super) fn watch(&mut self, files: &[PathBuf]) -> bool {
        let known = std::mem::take(&mut self.noted);
        let mut may_have_changed = false;
        for path in files {
            let noted = known.get(path).copied().unwrap_or_else(|| {
                let noted = Noted::now(path);
                may_have_changed |= noted.is_younger_than(RECENT);
                noted
            });
            self.noted.insert(path.clone(), noted);
        }
        let names = files.iter().filter_map(|path| path.file_name());
        self.names = names.map(ToOwned::to_owned).collect();
        self.watch_directories();
        may_have_changed
    }

    /// Takes note of how the files look. To be called before they are read again.
    pub(super) fn note_looks(&mut self) {
        for (path, noted) in &mut self.noted {
            *noted = Noted::now(path);
        }
    }

    /// Whether a file looks otherwise than it did, and nobody has told of that. It may be about to be written:
    /// so it has to look the same when it is looked at again. To be asked every few seconds.
    pub(super) fn have_settled_otherwise(&mut self) -> bool {
        if !self.look_again() {
            self.unsettled.clear();
            return false;
        }
        let now = self.noted.keys().map(|path| Noted::now(path).looks());
        let now: Vec<_> = now.collect();
        let before = std::mem::replace(&mut self.unsettled, now);
        before == self.unsettled
    }

    /// Whether a file looks otherwise than it did. Directories are watched again, should they be others.
    fn look_again(&mut self) -> bool {
        self.watch_directories();
        self.noted.iter().any(|(path, noted)| !noted.is_so(path))
    }

    /// Waits until a file has changed, or may have.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            let named = take_events(self.inotify.get_ref(), &self.names)?;
            ready.clear_ready();
            let is_hidden = named && self.noted.values().any(Noted::may_hide_change);
            if self.look_again() || is_hidden {
                return Ok(());
            }
        }
    }

    fn watch_directories(&mut self) {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        // Of a symbolic link, both its own directory and that of what it points to.
        let real = self
            .noted
            .keys()
            .filter_map(|path| fs::canonicalize(path).ok());
        let paths = self.noted.keys().cloned().chain(real);
        let directories: BTreeSet<PathBuf> = paths
            .filter_map(|path| path.parent().map(Path::to_owned))
            .collect();
        for directory in directories {
            match inotify::add_watch(self.inotify.get_ref(), &directory, flags) {
                Ok(_) => {
                    self.unwatched.remove(&directory);
                }
                Err(error) if self.unwatched.insert(directory.clone()) => log::warn!(
                    "cannot watch {}, where changes are found by looking every few seconds: {error}",
                    foreign_text::path(&directory)
                ),
                Err(_) => {}
            }
        }
    }
}

/// Takes all events; whether one of them is about a file of these names.
fn take_events(inotify: &OwnedFd, names: &BTreeSet<OsString>) -> io::Result<bool> {
    let mut named = false;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(inotify, &mut buffer);
    loop {
        match events.next() {
            Ok(event) => {
                let name = event
                    .file_name()
                    .map(|name| OsStr::from_bytes(name.to_bytes()));
                named |= name.is_some_and(|name| names.contains(name));
            }
            Err(Errno::AGAIN) => return Ok(named),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
