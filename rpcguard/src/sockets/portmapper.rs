//! Which process is the portmapper, and which sockets are its own.
//!
//! The portmapper holds port 111 of this network namespace, or listens on root's own socket path. A
//! process that does so is proven to be the portmapper only if it also executes root's rpcbind, as
//! root or as the account of rpcbind ([`Process::runs_portmapper`]). Other processes on port 111
//! are other holders: a proxy of a container, systemd for a service that it starts.

use std::{collections::BTreeSet, path::PathBuf};

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
    /// Where the portmapper's clients find it: sockets on port 111, whatever process holds them,
    /// and root's own socket of the portmapper in the file system.
    pub fn portmapper(&self) -> impl Iterator<Item = &ListeningSocket> {
        self.sockets.iter().filter(|socket| match &socket.address {
            Address::Ip(address) => address.port() == PORTMAPPER_PORT,
            Address::Path(path) => self.roots_paths.contains(path) && !self.is_impostor(socket),
        })
    }

    /// Whether a socket seems to be at root's path of the portmapper, but is not: in another mount
    /// namespace, other processes can have the same path for a socket of their own.
    pub(crate) fn is_impostor(&self, socket: &ListeningSocket) -> bool {
        let mut processes = socket.processes.iter();
        matches!(&socket.address, Address::Path(path) if self.roots_paths.contains(path))
            && processes.any(|process| !process.runs_portmapper && !process.is_init())
    }

    /// The processes that are proven to be the portmapper: see the module. They can be told without
    /// looking into every process ([`Inventory::of_portmappers`]).
    #[must_use]
    pub fn portmapper_processes(&self) -> BTreeSet<&Process> {
        let holders = self.portmapper().flat_map(|socket| &socket.processes);
        holders.filter(|process| process.runs_portmapper).collect()
    }

    /// Other processes that hold port 111: a proxy, or the first process of the system
    /// ([`Process::is_init`]) for a service that it starts when somebody asks.
    #[must_use]
    pub fn other_holders(&self) -> BTreeSet<&Process> {
        self.portmapper()
            .filter(|socket| socket.kind != Kind::Unix)
            .flat_map(|socket| &socket.processes)
            .filter(|process| !process.runs_portmapper)
            .collect()
    }

    /// Whether a socket on port 111 has no process that can be seen from here: it is one of an
    /// outer process namespace, or this takes root. It cannot be told which process that is: the
    /// kernel itself has none there.
    #[must_use]
    pub fn has_unseen_holder(&self) -> bool {
        self.portmapper()
            .any(|socket| socket.kind != Kind::Unix && socket.processes.is_empty())
    }

    /// Other sockets of processes that are proven to be the portmapper. rpcbind that relays calls
    /// has one for UDP in each family, on a random port, on which it answers calls as well; whether
    /// one answers has to be asked.
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

    /// Whether a guard of the port of this other socket of the portmapper stops nobody else's
    /// traffic: it is none of those below 1024, and no other process holds the socket, or one of
    /// the same port. Sockets of TCP matter only for a guard of TCP (`tcp`), or any process could
    /// keep a port of the portmapper from being guarded.
    #[must_use]
    pub fn is_portmappers_alone(&self, socket: &ListeningSocket, tcp: bool) -> bool {
        let tcp = tcp || socket.kind == Kind::Tcp;
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
                .filter(|other| other.port() == Some(port) && (tcp || other.kind == Kind::Udp))
                .all(is_proven)
    }

    /// Whether the first process of the system waits for somebody to ask the portmapper, and would
    /// start it then.
    #[must_use]
    pub fn portmapper_is_idle(&self) -> bool {
        let mut sockets = self.portmapper().peekable();
        let idle =
            |socket: &ListeningSocket| socket.is_socket_activated() && socket.processes.len() == 1;
        sockets.peek().is_some() && sockets.all(idle)
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Inventory, Kind, ListeningSocket, Process};

    /// systemd, rpcbind, and programs of others, one of which calls itself rpcbind.
    fn process(pid: &u32) -> Process {
        Process {
            pid: *pid,
            name: if *pid == 1 { "systemd" } else { "rpcbind" }.to_owned(),
            runs_portmapper: *pid == 50,
            ..Process::default()
        }
    }

    fn socket(kind: Kind, address: &str, pids: &[u32]) -> ListeningSocket {
        let path = |_| Address::Path(address.into());
        ListeningSocket {
            kind,
            address: address.parse().map_or_else(path, Address::Ip),
            inode: 0,
            processes: pids.iter().map(process).collect(),
        }
    }

    fn inventory(sockets: Vec<ListeningSocket>) -> Inventory {
        Inventory {
            sockets,
            roots_paths: ["/run/rpcbind.sock".into()].into(),
            complete: true,
            ..Inventory::default()
        }
    }

    fn pids<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Vec<u32> {
        processes.into_iter().map(|process| process.pid).collect()
    }

    #[test]
    fn the_portmapper_is_told_from_who_is_called_so() {
        let found = inventory(vec![
            socket(Kind::Udp, "0.0.0.0:111", &[1, 50]),
            socket(Kind::Tcp, "127.0.0.1:111", &[60]),
            socket(Kind::Udp, "0.0.0.0:53", &[60]),
            socket(Kind::Udp, "0.0.0.0:5000", &[51]),
            socket(Kind::Unix, "/tmp/rpcbind.sock", &[51]),
            socket(Kind::Unix, "/run/rpcbind.sock", &[51]),
        ]);
        assert_eq!(pids(found.portmapper_processes()), [50]);
        assert_eq!(pids(found.other_holders()), [1, 60]);
        assert_eq!(found.portmapper().count(), 2);
        assert_eq!(found.portmapper_extra().count(), 0);
        assert!(!found.has_unseen_holder());
        // Holding port 111 proves nothing alone, and executing rpcbind neither.
        let alone = inventory(vec![
            socket(Kind::Udp, "0.0.0.0:111", &[51]),
            socket(Kind::Udp, "0.0.0.0:50000", &[50]),
        ]);
        assert!(alone.portmapper_processes().is_empty());
        assert_eq!(alone.portmapper_extra().count(), 0);
        // It may serve this host alone.
        let local = inventory(vec![socket(Kind::Unix, "/run/rpcbind.sock", &[50])]);
        assert_eq!(pids(local.portmapper_processes()), [50]);
        // A process that cannot be seen is none.
        let unseen = inventory(vec![socket(Kind::Udp, "0.0.0.0:111", &[])]);
        assert!(unseen.has_unseen_holder());
        assert!(unseen.portmapper_processes().is_empty() && unseen.other_holders().is_empty());
    }

    #[test]
    fn another_port_counts_only_where_it_is_the_portmappers_alone() {
        let mut found = inventory(vec![
            socket(Kind::Udp, "0.0.0.0:111", &[1, 50]),
            socket(Kind::Udp, "0.0.0.0:53", &[50]),
            socket(Kind::Udp, "0.0.0.0:50000", &[50]),
            socket(Kind::Udp, "[::]:50000", &[50]),
            // Another process has the port too, in one way or another.
            socket(Kind::Udp, "0.0.0.0:50001", &[50, 51]),
            socket(Kind::Udp, "0.0.0.0:50002", &[50]),
            socket(Kind::Udp, "[::1]:50002", &[51]),
            socket(Kind::Udp, "0.0.0.0:50003", &[50]),
            socket(Kind::Tcp, "127.0.0.1:50003", &[51]),
            socket(Kind::Udp, "0.0.0.0:50004", &[50]),
            socket(Kind::Udp, "0.0.0.0:50005", &[50]),
            socket(Kind::Udp, "[::]:50005", &[]),
        ]);
        found.connected = vec![socket(Kind::Udp, "192.0.2.1:50004", &[51])];
        let alone = |tcp| -> Vec<String> {
            let extra = found.portmapper_extra();
            extra
                .filter(|socket| found.is_portmappers_alone(socket, tcp))
                .map(|socket| socket.address.to_string())
                .collect()
        };
        assert_eq!(alone(true), ["0.0.0.0:50000", "[::]:50000"]);
        // A listener in TCP does not keep a guard of UDP away.
        let of_udp = ["0.0.0.0:50000", "[::]:50000", "0.0.0.0:50003"];
        assert_eq!(alone(false), of_udp);
    }

    #[test]
    fn sockets_that_the_first_process_holds_wait_for_somebody_to_ask() {
        let idle = inventory(vec![
            socket(Kind::Udp, "0.0.0.0:111", &[1]),
            socket(Kind::Udp, "0.0.0.0:50003", &[1, 51]),
        ]);
        assert!(idle.portmapper_is_idle());
        assert!(!inventory(vec![socket(Kind::Udp, "0.0.0.0:111", &[1, 50])]).portmapper_is_idle());
        assert!(!Inventory::default().portmapper_is_idle());
    }
}
