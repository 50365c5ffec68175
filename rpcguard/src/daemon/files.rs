//! Notices that files have changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};
use tokio::io::unix::AsyncFd;

/// Files that are watched: in their directories, because editors put another file in the place of one.
pub(super) struct WatchedFiles {
    inotify: AsyncFd<OwnedFd>,
    /// As they looked when they were last read; `None` if they were not there.
    looks: BTreeMap<PathBuf, Option<Looks>>,
    names: BTreeSet<OsString>,
    /// Directories that cannot be watched, of which that was said.
    unwatched: BTreeSet<PathBuf>,
}

/// A file that was changed less than this ago may have been changed since it was read.
const RECENT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
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

    /// Whether a file was changed so lately that it may have been after somebody read it.
    fn are_recent(self) -> bool {
        let changed = u64::try_from(self.changed.0).map(Duration::from_secs);
        let age = changed
            .map(|changed| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + changed));
        !matches!(age, Ok(Ok(age)) if age > RECENT)
    }
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
            looks: BTreeMap::new(),
            names: BTreeSet::new(),
            unwatched: BTreeSet::new(),
        })
    }

    /// Takes note of how these files look, and watches them. To be called before they are read.
    pub(super) fn watch(&mut self, files: &[PathBuf]) {
        let looks = files.iter().map(|path| (path.clone(), Looks::of(path)));
        self.looks = looks.collect();
        let names = files.iter().filter_map(|path| path.file_name());
        self.names = names.map(ToOwned::to_owned).collect();
        self.watch_directories();
    }

    /// Watches these files, which were read already, and no others. Whether one may have changed between
    /// having been read and now: not if it was watched before.
    pub(super) fn watch_also(&mut self, files: &[PathBuf]) -> bool {
        let known = std::mem::take(&mut self.looks);
        self.watch(files);
        let new = self
            .looks
            .iter()
            .filter(|(path, _)| !known.contains_key(*path));
        let may_have_changed = new
            .into_iter()
            .any(|(_, looks)| looks.is_none_or(Looks::are_recent));
        self.looks
            .extend(known.into_iter().filter(|(path, _)| files.contains(path)));
        may_have_changed
    }

    /// Takes note of how the files look that are watched. To be called before they are read again.
    pub(super) fn note_looks(&mut self) {
        for (path, looks) in &mut self.looks {
            *looks = Looks::of(path);
        }
    }

    /// Whether a file looks otherwise than it did. Directories are watched again, should they be others.
    pub(super) fn look_again(&mut self) -> bool {
        self.watch_directories();
        self.looks
            .iter()
            .any(|(path, looks)| Looks::of(path) != *looks)
    }

    /// Waits until something happens to one of the files, or something else does so that one looks otherwise.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            let mut named = false;
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
            loop {
                match events.next() {
                    Ok(event) => {
                        let name = event.file_name();
                        let name = name.map(|name| std::ffi::OsStr::from_bytes(name.to_bytes()));
                        named |= name.is_some_and(|name| self.names.contains(name));
                    }
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            ready.clear_ready();
            if named || self.look_again() {
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
        let mut directories = BTreeSet::new();
        for path in self.looks.keys() {
            // Of a symbolic link, both its own directory and that of what it points to.
            let real = fs::canonicalize(path).ok();
            let paths = [Some(path.clone()), real];
            let parents = paths.iter().flatten().filter_map(|path| path.parent());
            directories.extend(parents.map(|parent| match parent.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => parent.to_owned(),
            }));
        }
        for directory in directories {
            match inotify::add_watch(self.inotify.get_ref(), &directory, flags) {
                Ok(_) => {
                    self.unwatched.remove(&directory);
                }
                Err(error) if self.unwatched.insert(directory.clone()) => log::warn!(
                    "cannot watch {} for changes, which are found by looking every few seconds: {error}",
                    directory.display()
                ),
                Err(_) => {}
            }
        }
    }
}
