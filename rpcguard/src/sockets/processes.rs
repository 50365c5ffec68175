//! Which process holds which socket.

use std::{collections::HashMap, fmt};

use procfs::process::{FDTarget, all_processes};

use crate::error::{Doing as _, Result};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name, `comm` of proc(5), of at most 15 bytes.
    pub name: String,
}

/// What portmappers are called.
pub(crate) const PORTMAPPERS: [&str; 3] = ["rpcbind", "portmap", "rpc.portmap"];

/// Whether a process of this name is a portmapper.
pub(super) fn is_portmapper(name: &str) -> bool {
    PORTMAPPERS.contains(&name)
}

impl Process {
    /// Whether it is the first process of the system, which opens sockets for services that it starts when
    /// somebody asks. In a container, the portmapper may be the first process itself.
    #[must_use]
    pub fn is_init(&self) -> bool {
        self.pid == 1 && !is_portmapper(&self.name)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.name, self.pid)
    }
}

/// The processes of each socket, by its inode number.
#[derive(Debug, Default)]
pub(super) struct Holders {
    pub(super) of: HashMap<u64, Vec<Process>>,
    /// Whether every process could be looked into. It takes root, or CAP_SYS_PTRACE.
    pub(super) complete: bool,
}

impl Holders {
    /// Looks into the processes whose names are `wanted`.
    pub(super) fn read(wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let mut holders = Self {
            of: HashMap::new(),
            complete: true,
        };
        for process in all_processes().doing("list the processes in /proc")? {
            // A process may end at any moment.
            let Ok(process) = process else { continue };
            let Ok(stat) = process.stat() else { continue };
            if !wanted(&stat.comm) {
                continue;
            }
            let Ok(descriptors) = process.fd() else {
                holders.complete &= !process.is_alive();
                continue;
            };
            for descriptor in descriptors.flatten() {
                if let FDTarget::Socket(inode) = descriptor.target {
                    let processes = holders.of.entry(inode).or_default();
                    let process = Process {
                        pid: stat.pid.unsigned_abs(),
                        name: stat.comm.clone(),
                    };
                    if !processes.contains(&process) {
                        processes.push(process);
                    }
                }
            }
        }
        for processes in holders.of.values_mut() {
            processes.sort();
        }
        Ok(holders)
    }
}
