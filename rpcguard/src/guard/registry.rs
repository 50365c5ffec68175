//! The guards of this network namespace.

use std::{
    env, fs, io,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use aya::programs::ProgramInfo;
use rpcguard_common::abi::{ABI_VERSION, State, map};

use super::{
    Guard, Lock, adopt, confirm,
    interface::{self, Interface},
    pins, preconditions,
};
use crate::{
    error::{Doing as _, Error, Result},
    sys::{
        bpf::{self, XdpLink},
        mapped::MappedArray,
    },
};

/// Where bpffs is mounted, unless `RPCGUARD_BPFFS` says otherwise.
const DEFAULT_BPFFS: &str = "/sys/fs/bpf";

/// The environment variable that moves the bpffs.
const BPFFS_VARIABLE: &str = "RPCGUARD_BPFFS";

/// All guards of the network namespace of the calling thread, found by their pins.
#[derive(Clone, Debug)]
pub struct Registry {
    bpffs: PathBuf,
    netns: u64,
}

/// What a directory of pins turned out to be.
pub enum Entry {
    /// A filter that is attached.
    Guard(Box<Guard>),
    /// What is left of one.
    Leftover(Leftover),
    /// A filter that an rpcguard of another ABI version attached.
    Incompatible {
        /// Its interface's present name.
        interface: String,
        /// Its ABI version.
        found: u32,
        /// Its pins: removing them detaches it.
        pins: Leftover,
    },
}

/// Pins that guard nothing: of an interface that is gone, of an interrupted `attach`, or of one that was not
/// confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The name that the interface had.
    pub interface: String,
    pub(super) directory: PathBuf,
}

impl Leftover {
    /// Where it is pinned.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Removes it.
    ///
    /// # Errors
    ///
    /// If a pin cannot be removed.
    pub fn remove(&self, _lock: &Lock) -> Result<()> {
        adopt::let_go(&self.directory, &self.interface)?;
        pins::remove(&self.directory)
    }
}

impl Registry {
    /// The registry in `$RPCGUARD_BPFFS`, or else in /sys/fs/bpf.
    ///
    /// # Errors
    ///
    /// As [`Registry::at`].
    pub fn new() -> Result<Self> {
        Self::at(env::var_os(BPFFS_VARIABLE).unwrap_or_else(|| DEFAULT_BPFFS.into()))
    }

    /// The registry in a bpffs. Nothing is created or opened yet.
    ///
    /// # Errors
    ///
    /// If /proc does not tell the network namespace.
    pub fn at(bpffs: impl Into<PathBuf>) -> Result<Self> {
        // The calling thread's, which is what its system calls act on.
        let path = PathBuf::from("/proc/thread-self/ns/net");
        let netns = netns_inode(&path)?;
        Ok(Self {
            bpffs: bpffs.into(),
            netns,
        })
    }

    pub(crate) const fn netns(&self) -> u64 {
        self.netns
    }

    pub(crate) fn bpffs(&self) -> &Path {
        &self.bpffs
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.bpffs.join(pins::DIRECTORY)
    }

    /// Takes the right to change guards, having waited for it if need be.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`], [`Error::NoBpffs`], [`Error::NothingAttached`], [`Error::Locked`].
    pub fn lock(&self) -> Result<Lock> {
        self.privileged("change guards", preconditions::TO_CHANGE)?;
        let directory = self.directory();
        let lock = Lock::acquire(&directory, || {
            pins::check_directory(&directory)?;
            if directory.exists() {
                pins::close_directory(&directory)
            } else {
                Err(Error::NothingAttached)
            }
        })?;
        self.carry_on(&lock)?;
        Ok(lock)
    }

    /// As [`Registry::lock`], where there may be no guard yet.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`], [`Error::NoBpffs`], [`Error::Locked`].
    pub fn lock_to_attach(&self) -> Result<Lock> {
        preconditions::kernel()?;
        self.privileged("attach the filter", preconditions::TO_LOAD)?;
        let directory = self.directory();
        let lock = Lock::acquire(&directory, || {
            pins::check_directory(&directory)?;
            pins::create_directory(&directory)?;
            // Another user may have made it meanwhile. From now on, only root can replace it.
            pins::check_directory(&directory)?;
            pins::close_directory(&directory)
        })?;
        self.carry_on(&lock)?;
        Ok(lock)
    }

    fn privileged(&self, action: &str, needed: &[preconditions::Needed]) -> Result<()> {
        preconditions::privileges(action, needed)?;
        preconditions::bpffs(&self.bpffs)
    }

    /// All guards and leftovers, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`], [`Error::NoBpffs`], failing system calls.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        self.entries_of(None)
    }

    /// Those of an interface that is called so, or was; all of them, if none is named. What is left out is
    /// not opened, which takes as long as all the rest.
    fn entries_of(&self, interface: Option<&str>) -> Result<Vec<Entry>> {
        self.privileged("look at guards", preconditions::TO_CHANGE)?;
        self.directories()?
            .iter()
            .filter_map(|path| self.settled_entry(path, interface).transpose())
            .collect()
    }

    /// The directories of pins, of all network namespaces, in the order of their names.
    pub(super) fn directories(&self) -> Result<Vec<PathBuf>> {
        let directory = self.directory();
        pins::check_directory(&directory)?;
        let listing = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listing => listing.map_err(|source| Error::File {
                action: "list",
                path: directory.clone(),
                source,
            })?,
        };
        let paths = listing.flatten().map(|entry| entry.path());
        let mut paths: Vec<PathBuf> = paths.filter(|path| !pins::is_attaching(path)).collect();
        paths.sort();
        paths
            .iter()
            .try_for_each(|path| pins::check_directory(path))?;
        Ok(paths)
    }

    /// All guards that this rpcguard can work with.
    ///
    /// # Errors
    ///
    /// As [`Registry::entries`].
    pub fn guards(&self) -> Result<Vec<Guard>> {
        let guards = self.entries()?.into_iter().filter_map(|entry| match entry {
            Entry::Guard(guard) => Some(*guard),
            Entry::Leftover(_) | Entry::Incompatible { .. } => None,
        });
        Ok(guards.collect())
    }

    /// The guard of an interface, by its present name.
    ///
    /// # Errors
    ///
    /// [`Error::NotAttached`], [`Error::InterfaceGone`], [`Error::NoSuchInterface`],
    /// [`Error::AbiVersion`], and those of [`Registry::entries`].
    pub fn guard(&self, name: &str) -> Result<Guard> {
        match self.find(name)? {
            Some(Entry::Guard(guard)) => Ok(*guard),
            Some(Entry::Incompatible {
                interface, found, ..
            }) => Err(Error::AbiVersion { interface, found }),
            Some(Entry::Leftover(_)) if !interface::interface_exists(name)? => {
                Err(Error::InterfaceGone(name.to_owned()))
            }
            Some(Entry::Leftover(_)) | None => {
                interface::by_name(name)?;
                Err(Error::NotAttached(name.to_owned()))
            }
        }
    }

    /// The guard that is pinned in a directory, whatever its interface is called now; it had this name.
    pub(super) fn guard_in(&self, directory: &Path, name: &str) -> Result<Guard> {
        match self.entry(directory, None)? {
            Some(Entry::Guard(guard)) => Ok(*guard),
            _ => Err(Error::NotAttached(name.to_owned())),
        }
    }

    /// The guard of an interface, or what is left of one.
    ///
    /// # Errors
    ///
    /// As [`Registry::entries`].
    pub fn find(&self, name: &str) -> Result<Option<Entry>> {
        interface::check_name(name)?;
        let mut leftover = None;
        for entry in self.entries_of(Some(name))? {
            match &entry {
                Entry::Guard(guard) if guard.interface() == name => return Ok(Some(entry)),
                Entry::Incompatible { interface, .. } if interface == name => {
                    return Ok(Some(entry));
                }
                Entry::Leftover(left) if left.interface == name => leftover = Some(entry),
                _ => {}
            }
        }
        Ok(leftover)
    }

    /// What is pinned in a directory; `None` if nothing is, or that of another network namespace.
    pub(crate) fn entry_in(&self, directory: &Path) -> Result<Option<Entry>> {
        if !directory.exists() {
            return Ok(None);
        }
        pins::check_directory(directory)?;
        self.settled_entry(directory, None)
    }

    /// A directory for the guard of `interface` that no other guard has: one that was renamed keeps
    /// its directory, and leaves its name to another interface.
    pub(super) fn vacant_directory(&self, interface: &str) -> PathBuf {
        let initial = netns_inode(Path::new("/proc/1/ns/net")).ok();
        let plain = (initial == Some(self.netns)).then(|| pins::directory_name(interface, None));
        let distinct = pins::directory_name(interface, Some(self.netns));
        let mut directory = self.directory().join(plain.as_ref().unwrap_or(&distinct));
        let mut number = 1;
        while directory.exists() {
            directory = self.directory().join(format!("{distinct}@{number}"));
            number += 1;
        }
        directory
    }

    /// As [`Self::entry`], with some patience for a guard that is being attached or detached at
    /// this moment, half of whose pins are there.
    fn settled_entry(&self, directory: &Path, wanted: Option<&str>) -> Result<Option<Entry>> {
        const ATTEMPTS: usize = 20;
        const INTERVAL: Duration = Duration::from_millis(5);
        for _ in 1..ATTEMPTS {
            match self.entry(directory, wanted) {
                Err(_) if !directory.exists() => return Ok(None),
                Err(_) => thread::sleep(INTERVAL),
                entry => return entry,
            }
        }
        self.entry(directory, wanted)
    }

    /// What a directory of pins is; `None` if it belongs to another network namespace, or is the guard of another
    /// interface than the one that is wanted.
    fn entry(&self, directory: &Path, wanted: Option<&str>) -> Result<Option<Entry>> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let interface = pins::interface_name(&name);
        let leftover = || Leftover {
            interface: interface.clone(),
            directory: directory.to_owned(),
        };
        let state = directory.join(map::STATE);
        if !state.exists() {
            // Interrupted before it said where it belongs. Its name tells which interface it was
            // meant for, and that is enough to clean it up.
            let foreign = name
                .split('@')
                .nth(1)
                .is_some_and(|netns| netns.parse() != Ok(self.netns));
            let there = directory.exists();
            return Ok((there && !foreign).then(|| Entry::Leftover(leftover())));
        }
        let header = read_header(&state)?;
        if header.netns != self.netns {
            return Ok(None);
        }
        let path = directory.join(pins::LINK);
        let confirmed = path.exists();
        let adopted = directory.join(pins::ADOPTED).exists();
        let mut runs = None;
        let attached = if adopted {
            let attached = adopt::attached(self, directory, &interface)?;
            attached.map(|(interface, link, id)| {
                runs = Some(id);
                (interface, link)
            })
        } else if confirmed {
            let failed = format!("open the pinned link {}", path.display());
            let link = bpf::open_pin(&path).doing(failed)?;
            attached_to(link.as_fd())?
        } else if confirm::is_held(directory)? {
            unconfirmed(directory, &interface)?
        } else {
            None
        };
        let Some((interface, info)) = attached else {
            return Ok(Some(Entry::Leftover(leftover())));
        };
        if wanted.is_some_and(|wanted| wanted != interface.name) {
            return Ok(None);
        }
        if header.abi_version != ABI_VERSION {
            return Ok(Some(Entry::Incompatible {
                interface: interface.name,
                found: header.abi_version,
                pins: leftover(),
            }));
        }
        Guard::open(directory, interface, info, confirmed || adopted, runs)
            .map(|guard| Some(Entry::Guard(Box::new(guard))))
    }
}

/// The interface that a link is attached to; `None` if it is gone, or has moved to another network
/// namespace, where its index may be that of another interface here.
fn attached_to(link: BorrowedFd<'_>) -> Result<Option<(Interface, XdpLink)>> {
    let link_info = || bpf::xdp_link(link).doing("look at a link");
    let mut info = link_info()?;
    loop {
        if let Some(interface) = interface::by_index(info.ifindex)?
            && interface.xdp.iter().any(|xdp| xdp.id == info.program_id)
        {
            return Ok(Some((interface, info)));
        }
        let now = link_info()?;
        if now.program_id == info.program_id {
            return Ok(None);
        }
        // The program was replaced meanwhile.
        info = now;
    }
}

/// As [`attached_to`], for a filter that waits to be confirmed. `name` is that which its directory has.
fn unconfirmed(directory: &Path, name: &str) -> Result<Option<(Interface, XdpLink)>> {
    match confirm::link(directory) {
        Ok(Some(link)) => attached_to(link.as_fd()),
        Ok(None) => Ok(None),
        // What it takes to get at any link of the machine is not needed to work with this guard.
        Err(Error::NotPermitted { .. }) => {
            let path = directory.join(pins::PROGRAM);
            let failed = format!("look at the program pinned as {}", path.display());
            let program = ProgramInfo::from_pin(&path).doing(failed)?.id();
            let interface = interface::by_name(name)?;
            let is_there = interface.xdp.iter().any(|xdp| xdp.id == program);
            let link = confirm::unknown_link(program, interface.index);
            Ok(is_there.then_some((interface, link)))
        }
        Err(error) => Err(error),
    }
}

/// The part of [`State`] that is the same in every ABI version.
pub(super) struct Header {
    abi_version: u32,
    pub(super) netns: u64,
}

impl Header {
    /// Whether it is of a guard of this network namespace, made by an rpcguard of this ABI version.
    pub(super) const fn is_of(&self, netns: u64, abi_version: u32) -> bool {
        self.netns == netns && self.abi_version == abi_version
    }
}

pub(super) fn read_header(pin: &Path) -> Result<Header> {
    let failed = format!("read the pinned map {}", pin.display());
    let data = aya::maps::MapData::from_pin(pin).doing(&failed)?;
    let netns = std::mem::offset_of!(State, netns);
    let array = MappedArray::new(data.fd().as_fd(), netns + size_of::<u64>()).doing(&failed)?;
    Ok(Header {
        abi_version: array.load_u32(std::mem::offset_of!(State, abi_version)),
        netns: array.load_u64(netns),
    })
}

pub(super) fn netns_inode(path: &Path) -> Result<u64> {
    fs::metadata(path)
        .map(|metadata| metadata.ino())
        .map_err(|source| Error::File {
            action: "look up the network namespace in",
            path: path.to_owned(),
            source,
        })
}
