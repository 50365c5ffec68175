//! A filter that stays only once somebody has confirmed it, for hosts that can only be reached over the
//! interface that is guarded.
//!
//! Its link is not pinned: the process that attached it has the only descriptor, so that the kernel detaches it
//! when that process ends, whatever ends it. Everything else is pinned, and other commands find it as they find any
//! guard. The process keeps a lock (flock(2)) on the directory of pins: where nobody has it, a directory
//! without a link is what is left of a guard.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use aya::programs::ProgramInfo;

use super::{Guard, Lock, Registry, lock, pins};
use crate::{
    error::{Doing as _, Error, Result},
    sys::bpf::{self, XdpLink},
};

/// A filter that is attached as long as this value lives, unless it is [confirmed](confirm).
#[must_use = "dropping it detaches the filter"]
pub struct Unconfirmed {
    interface: String,
    link: OwnedFd,
    directory: PathBuf,
    /// Tells other commands that somebody has the link.
    _held: File,
}

/// What has become of an [`Unconfirmed`] filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits.
    Waiting,
    /// Another command has confirmed it.
    Confirmed,
    /// Another command has detached it, or its interface is gone.
    Detached,
}

impl Unconfirmed {
    /// Takes a directory of pins for a filter whose link this is. The directory is removed if that fails.
    pub(super) fn new(interface: &str, link: OwnedFd, directory: &Path) -> Result<Self> {
        match hold(directory) {
            Ok(held) => Ok(Self {
                interface: interface.to_owned(),
                link,
                directory: directory.to_owned(),
                _held: held,
            }),
            Err(cause) => Err(because(cause, pins::clear(directory))),
        }
    }

    /// The interface's name when the filter was attached.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// What has become of it meanwhile.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn fate(&self) -> Result<Fate> {
        if self.directory.join(pins::LINK).exists() {
            return Ok(Fate::Confirmed);
        }
        let failed = format!("look at the link of `{}`", self.interface);
        let link = bpf::xdp_link(self.link.as_fd()).doing(failed)?;
        let is_there = link.ifindex != 0 && self.directory.exists();
        Ok(if is_there {
            Fate::Waiting
        } else {
            Fate::Detached
        })
    }

    /// Detaches the filter, confirmed or not, and removes what is pinned of it.
    ///
    /// # Errors
    ///
    /// If the kernel refuses. What is pinned is then left to the next `attach` or `detach`; the filter itself goes
    /// when this value does, unless it was confirmed.
    pub fn end(self, _lock: &Lock) -> Result<()> {
        let failed = format!("detach the filter from `{}`", self.interface);
        bpf::detach_link(self.link.as_fd()).doing(failed)?;
        pins::clear(&self.directory)
    }

    /// As [`Self::end`], because of an error, which is returned.
    pub(super) fn end_because(self, lock: &Lock, cause: Error) -> Error {
        because(cause, self.end(lock))
    }
}

/// Lets filters stay when this process ends, or detaches them all. Nothing is done about those that another
/// command has confirmed already.
///
/// # Errors
///
/// If a link cannot be pinned, or a guard not be read.
pub fn confirm(registry: &Registry, lock: &Lock, filters: Vec<Unconfirmed>) -> Result<Vec<Guard>> {
    let confirmed = filters.iter().map(|filter| {
        pin_link(&filter.link, &filter.directory)?;
        registry.guard_in(&filter.directory, &filter.interface)
    });
    match confirmed.collect() {
        Ok(guards) => Ok(guards),
        Err(cause) => Err(because(cause, end(lock, filters))),
    }
}

/// [Detaches](Unconfirmed::end) filters.
///
/// # Errors
///
/// The first one; the others are detached all the same.
pub fn end(lock: &Lock, filters: Vec<Unconfirmed>) -> Result<()> {
    let ended = filters.into_iter().map(|filter| filter.end(lock));
    ended.fold(Ok(()), Result::and)
}

/// An error, and what became of tidying up after it.
pub(super) fn because(cause: Error, tidied: Result<()>) -> Error {
    match tidied {
        Ok(()) => cause,
        Err(source) => Error::Unfinished {
            cause: Box::new(cause),
            source: Box::new(source),
        },
    }
}

fn pin_link(link: &OwnedFd, directory: &Path) -> Result<()> {
    let path = directory.join(pins::LINK);
    match bpf::pin(link.as_fd(), &path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.doing(format!("pin the link as {}", path.display())),
    }
}

fn hold(directory: &Path) -> Result<File> {
    let failed = |source| Error::File {
        action: "lock",
        path: directory.to_owned(),
        source,
    };
    let held = File::open(directory).map_err(failed)?;
    // Others only look whether it is locked, and have it for an instant.
    held.lock().map_err(failed)?;
    Ok(held)
}

/// Whether a process has the link that belongs into this directory.
pub(super) fn is_held(directory: &Path) -> Result<bool> {
    let failed = |source| Error::File {
        action: "look at the lock of",
        path: directory.to_owned(),
        source,
    };
    let file = match File::open(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(failed)?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(std::fs::TryLockError::WouldBlock) => Ok(true),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The link of the program that is pinned in a directory, while it is pinned nowhere; `None` if there is
/// none. It takes CAP_SYS_ADMIN.
pub(super) fn link(directory: &Path) -> Result<Option<OwnedFd>> {
    let program = directory.join(pins::PROGRAM);
    let failed = format!("look for the link of the program {}", program.display());
    let id = ProgramInfo::from_pin(&program).doing(&failed)?.id();
    match bpf::link_of_program(id) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Error::NotPermitted {
            action: "get at a link that is not pinned yet".to_owned(),
            missing: "CAP_SYS_ADMIN".to_owned(),
        }),
        link => link.doing(failed),
    }
}

impl Guard {
    /// Whether the filter stays: that of `attach --confirm` does not, until it is confirmed.
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Who waits for it to be confirmed, as people would say it, where it is not.
    #[must_use]
    pub fn waiting_process(&self) -> Option<String> {
        let directory = File::open(&self.directory).ok();
        (!self.confirmed).then(|| {
            directory.map_or_else(
                || "a process that has ended".to_owned(),
                |directory| lock::holder(&directory),
            )
        })
    }

    /// Lets the filter stay when the process that attached it ends. Does nothing if that is so already.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`] without CAP_SYS_ADMIN; [`Error::NotAttached`] if it has been detached meanwhile.
    pub fn confirm(&mut self, _lock: &Lock) -> Result<()> {
        if !self.confirmed {
            let link = link(&self.directory)?
                .ok_or_else(|| Error::NotAttached(self.interface.name.clone()))?;
            pin_link(&link, &self.directory)?;
            self.link = bpf::xdp_link(link.as_fd()).doing("look at a link")?;
            self.confirmed = true;
        }
        Ok(())
    }

    /// Takes a filter that is not confirmed off its interface.
    pub(super) fn detach_unconfirmed(&self) -> Result<()> {
        match link(&self.directory)? {
            Some(link) => bpf::detach_link(link.as_fd())
                .doing(format!("detach the filter from `{}`", self.interface.name)),
            None => Ok(()),
        }
    }
}

/// What is known of a link that this process may not get at.
pub(super) const fn unknown_link(program_id: u32, ifindex: u32) -> XdpLink {
    XdpLink {
        id: 0,
        program_id,
        ifindex,
    }
}
