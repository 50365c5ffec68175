//! Which process is the portmapper, and which sockets are its own.
//!
//! The portmapper holds port 111 of this network namespace, or listens on root's own socket path. A process that
//! does so is proven to be the portmapper only if it also executes root's rpcbind, as root or as the account of
//! rpcbind ([`Process::runs_portmapper`]). Other processes on port 111 are other holders: a proxy of a container,
//! systemd for a service that it starts.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Address, Inventory, Kind, ListeningSocket, Process, processes::is_roots_alone};
use crate::policy::PORTMAPPER_PORT;

/// Where portmappers of this system listen in the file system.
const PATHS: [&str; 4] = [
    "/run/rpcbind.sock",
    "/var/run/rpcbind.sock",
    "/run/portmap.sock",
    "/var/run/portmap.sock",
];

/// Ports below this one need privileges, and belong to services that everybody knows.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// The paths of these that are root's: nobody else could have put a socket there.
pub(super) fn roots_paths() -> BTreeSet<PathBuf> {
    let paths = PATHS.iter().map(PathBuf::from);
    paths.filter(|path| is_roots_alone(path)).collect()
}

impl Inventory {
    /// Where the portmapper's clients find it: sockets on port 111, whatever process holds them, and root's own
    /// socket of the portmapper in the file system.
    pub fn portmapper(&self) -> impl Iterator<Item = &ListeningSocket> {
        self.sockets.iter().filter(|socket| match &socket.address {
            Address::Ip(address) => address.port() == PORTMAPPER_PORT,
            Address::Path(path) => self.is_portmapper_path(socket, path),
        })
    }

    /// A process of another mount namespace may show the same path for a socket of its own.
    fn is_portmapper_path(&self, socket: &ListeningSocket, path: &Path) -> bool {
        let mut processes = socket.processes.iter();
        self.roots_paths.contains(path)
            && processes.all(|process| process.runs_portmapper || process.is_init())
    }

    /// The processes that are proven to be the portmapper: see the module. They can be told without looking into
    /// every process ([`Inventory::of_portmappers`]).
    #[must_use]
    pub fn portmapper_processes(&self) -> BTreeSet<&Process> {
        let holders = self.portmapper().flat_map(|socket| &socket.processes);
        holders.filter(|process| process.runs_portmapper).collect()
    }

    /// Other processes that hold port 111: a proxy, or the first process of the system ([`Process::is_init`]) for a
    /// service that it starts when somebody asks.
    #[must_use]
    pub fn other_holders(&self) -> BTreeSet<&Process> {
        self.portmapper()
            .filter(|socket| socket.kind != Kind::Unix)
            .flat_map(|socket| &socket.processes)
            .filter(|process| !process.runs_portmapper)
            .collect()
    }

    /// Whether a socket on port 111 has no process that can be seen from here: it is one of an outer process
    /// namespace, or this takes root. It cannot be told which process that is: the kernel itself has none there.
    #[must_use]
    pub fn has_unseen_holder(&self) -> bool {
        self.portmapper()
            .any(|socket| socket.kind != Kind::Unix && socket.processes.is_empty())
    }

    /// Other sockets of processes that are proven to be the portmapper. rpcbind that relays calls has one for UDP in
    /// each family, on a random port, on which it answers calls as well; whether one answers has to be asked.
    pub fn portmapper_extra(&self) -> impl Iterator<Item = &ListeningSocket> {
        let proven: BTreeSet<u32> = self
            .portmapper_processes()
            .into_iter()
            .map(|process| process.pid)
            .collect();
        self.sockets.iter().filter(move |socket| {
            socket.port().is_some_and(|port| port != PORTMAPPER_PORT)
                && socket
                    .processes
                    .iter()
                    .any(|process| proven.contains(&process.pid))
        })
    }

    /// Whether the port of this other socket of the portmapper can only be the portmapper's: it is none of those
    /// below 1024, and no other process holds the socket, or one of the same port in any protocol.
    #[must_use]
    pub fn is_portmappers_alone(&self, socket: &ListeningSocket) -> bool {
        let Some(port) = socket.port() else {
            return false;
        };
        let proven = self.portmapper_processes();
        let is_proven = |held: &ListeningSocket| {
            let mut processes = held.processes.iter();
            !held.processes.is_empty() && processes.all(|process| proven.contains(process))
        };
        port >= FIRST_UNPRIVILEGED_PORT
            && self
                .sockets
                .iter()
                .chain(&self.connected)
                .filter(|other| other.port() == Some(port))
                .all(is_proven)
    }

    /// Whether the first process of the system waits for somebody to ask the portmapper, and would start it then.
    #[must_use]
    pub fn portmapper_is_idle(&self) -> bool {
        let mut sockets = self.portmapper().peekable();
        let idle =
            |socket: &ListeningSocket| socket.is_socket_activated() && socket.processes.len() == 1;
        sockets.peek().is_some() && sockets.all(idle)
    }
}
