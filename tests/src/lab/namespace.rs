//! Namespaces without names: they exist as long as something holds them, and the kernel removes
//! them with all that is in them (interfaces, mounts, pinned objects) however the process ends.

#![expect(unsafe_code, reason = "libc::getcwd and libc::chdir")]

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    panic, thread,
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
};

/// What a process or thread of the lab sees: its mounts and, for a host, its network.
#[derive(Debug)]
pub(crate) struct Namespaces {
    mounts: OwnedFd,
    network: Option<OwnedFd>,
}

impl Namespaces {
    /// Takes hold of the calling thread's own.
    fn current(network: bool) -> Result<Self> {
        let open = |kind: &str| -> Result<OwnedFd> {
            let path = format!("/proc/thread-self/ns/{kind}");
            Ok(File::open(&path)
                .with_context(|| format!("cannot open {path}"))?
                .into())
        };
        Ok(Self {
            mounts: open("mnt")?,
            network: network.then(|| open("net")).transpose()?,
        })
    }

    /// A new mount namespace, filled by `fill`, whose mounts nobody else sees.
    pub(crate) fn new_mounts(fill: impl FnOnce() -> Result<()> + Send) -> Result<Self> {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNS).context("cannot make a mount namespace")?;
            mount(
                None::<&str>,
                "/",
                None::<&str>,
                MsFlags::MS_REC | MsFlags::MS_PRIVATE,
                None::<&str>,
            )
            .context("cannot make the mounts private")?;
            fill()?;
            Self::current(false)
        })
    }

    /// A new network namespace, and a mount namespace that begins as a copy of this one.
    pub(crate) fn new_host(&self, fill: impl FnOnce() -> Result<()> + Send) -> Result<Self> {
        self.enter(|| {
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
                .context("cannot make a network namespace")?;
            fill()?;
            Self::current(true)
        })
    }

    /// Calls `body` on a thread inside. A panic goes on in the caller.
    pub(crate) fn enter<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        on_a_thread(|| {
            // A thread can only have mounts of its own if its working directory is its own.
            unshare(CloneFlags::CLONE_FS)
                .and_then(|()| self.view().join())
                .unwrap_or_else(|error| panic!("cannot enter a namespace of the lab: {error}"));
            body()
        })
    }

    /// For a child process that is about to execute a program.
    pub(crate) fn view(&self) -> NamespacesView<'_> {
        NamespacesView {
            mounts: self.mounts.as_fd(),
            network: self.network.as_ref().map(OwnedFd::as_fd),
        }
    }

    /// The descriptor of the network namespace; minus one if there is none.
    pub(crate) fn network_fd(&self) -> RawFd {
        self.network.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Second handles to the same namespaces.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            mounts: self.mounts.try_clone()?,
            network: self.network.as_ref().map(OwnedFd::try_clone).transpose()?,
        })
    }
}

/// The descriptors alone.
#[derive(Clone, Copy)]
pub(crate) struct NamespacesView<'a> {
    mounts: BorrowedFd<'a>,
    network: Option<BorrowedFd<'a>>,
}

impl NamespacesView<'_> {
    /// Moves the calling thread, which keeps its working directory by name. Only makes system
    /// calls, so it may run between fork and exec.
    pub(crate) fn join(self) -> Result<(), Errno> {
        let directory = WorkingDirectory::current();
        if let Some(network) = self.network {
            setns(network, CloneFlags::CLONE_NEWNET)?;
        }
        setns(self.mounts, CloneFlags::CLONE_NEWNS)?;
        directory.restore();
        Ok(())
    }
}

/// The path of a working directory, kept without allocating: after fork, another thread may have
/// left the allocator locked.
struct WorkingDirectory([libc::c_char; libc::PATH_MAX as usize]);

impl WorkingDirectory {
    fn current() -> Self {
        let mut path = [0; libc::PATH_MAX as usize];
        // SAFETY: the length is that of the buffer.
        if unsafe { libc::getcwd(path.as_mut_ptr(), path.len()) }.is_null() {
            path[0] = 0;
        }
        Self(path)
    }

    /// Stays in the root directory if the path no longer exists.
    fn restore(&self) {
        // SAFETY: the buffer is terminated: by getcwd, or by its first byte.
        unsafe { libc::chdir(self.0.as_ptr()) };
    }
}

/// Calls `body` on a thread of its own, since what a thread has entered it cannot leave. A panic
/// goes on in the caller.
fn on_a_thread<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(body).join())
        .unwrap_or_else(|payload| panic::resume_unwind(payload))
}
