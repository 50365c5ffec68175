//! All sockets that wait for others.

use std::{collections::BTreeSet, io, path::Path};

use procfs::{
    FromRead as _, FromReadSI as _, ProcError, ProcResult, current_system_info,
    net::{TcpNetEntries, TcpState, UdpNetEntries, UdpState, UnixNetEntries, UnixState},
};

use super::{
    Address, Kind, ListeningSocket, Reach,
    processes::{self, Holders},
};
use crate::{
    error::{Doing as _, Result},
    policy::PORTMAPPER_PORT,
};

/// The calling thread's: a process may be in several network namespaces.
const NET: &str = "/proc/thread-self/net";

/// The file names of their sockets.
const SOCKETS: [&str; 2] = ["rpcbind.sock", "portmap.sock"];

/// The sockets of a network namespace that wait for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// In the order of their kind and address.
    pub sockets: Vec<ListeningSocket>,
    /// Whether every process could be looked into, so that a socket without processes is the kernel's.
    pub complete: bool,
}

impl Inventory {
    /// Reads the sockets of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// If /proc cannot be read.
    pub fn read() -> Result<Self> {
        Self::of_processes(|_| true)
    }

    /// As [`Inventory::read`], looking into portmappers only: sockets of others seem to be nobody's. That is
    /// quick, however many processes there are.
    ///
    /// # Errors
    ///
    /// As [`Inventory::read`].
    pub fn of_portmappers() -> Result<Self> {
        Self::of_processes(processes::is_portmapper)
    }

    fn of_processes(wanted: impl Fn(&str) -> bool) -> Result<Self> {
        // The sockets first: one whose process ended meanwhile is nobody's, and one that is new is not
        // seen.
        let mut sockets = sockets()?;
        let mut holders = Holders::read(wanted)?;
        for socket in &mut sockets {
            socket.processes = holders.of.remove(&socket.inode).unwrap_or_default();
        }
        sockets.sort_by(|a, b| (a.kind, &a.address).cmp(&(b.kind, &b.address)));
        Ok(Self {
            sockets,
            complete: holders.complete,
        })
    }

    /// Where the portmapper's clients find it: sockets on port 111, and its socket in the file system.
    pub fn portmapper(&self) -> impl Iterator<Item = &ListeningSocket> {
        self.sockets.iter().filter(|socket| match &socket.address {
            Address::Ip(address) => address.port() == PORTMAPPER_PORT,
            Address::Path(path) => is_portmapper_path(path),
        })
    }

    /// Other sockets of the portmapper: rpcbind that relays calls has one for UDP in each family, on a random
    /// port, on which it answers calls as well.
    pub fn portmapper_extra(&self) -> impl Iterator<Item = &ListeningSocket> {
        let pids: BTreeSet<u32> = self
            .portmapper()
            .flat_map(|socket| &socket.processes)
            // That holds the sockets of everybody, for their services.
            .filter(|process| !process.is_init())
            .map(|process| process.pid)
            .collect();
        self.sockets.iter().filter(move |socket| {
            socket.port().is_some_and(|port| port != PORTMAPPER_PORT)
                && socket
                    .processes
                    .iter()
                    .any(|process| pids.contains(&process.pid))
        })
    }

    /// Whether the first process of the system waits for somebody to ask the portmapper, and would start it then.
    #[must_use]
    pub fn portmapper_is_idle(&self) -> bool {
        let mut sockets = self.portmapper().peekable();
        let idle =
            |socket: &ListeningSocket| socket.is_socket_activated() && socket.processes.len() == 1;
        sockets.peek().is_some() && sockets.all(idle)
    }

    /// The UDP ports on which the portmapper can be reached from outside.
    #[must_use]
    pub fn portmapper_udp_ports(&self) -> BTreeSet<u16> {
        self.portmapper()
            .chain(self.portmapper_extra())
            .filter(|socket| socket.kind == Kind::Udp && socket.reach() == Reach::Outside)
            .filter_map(ListeningSocket::port)
            .collect()
    }
}

fn is_portmapper_path(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| SOCKETS.iter().any(|socket| name == *socket))
}

/// The sockets, as yet without processes.
fn sockets() -> Result<Vec<ListeningSocket>> {
    let system = current_system_info();
    let socket = |kind, address, inode| ListeningSocket {
        kind,
        address,
        inode,
        processes: Vec::new(),
    };
    let mut sockets = Vec::new();
    for table in ["udp", "udp6"] {
        let read = read(table, |path| UdpNetEntries::from_file(path, system))?;
        let waiting = read
            .into_iter()
            .flat_map(|entries| entries.0)
            .filter(|entry| entry.state == UdpState::Close);
        sockets.extend(
            waiting.map(|entry| socket(Kind::Udp, Address::Ip(entry.local_address), entry.inode)),
        );
    }
    for table in ["tcp", "tcp6"] {
        let read = read(table, |path| TcpNetEntries::from_file(path, system))?;
        let waiting = read
            .into_iter()
            .flat_map(|entries| entries.0)
            .filter(|entry| entry.state == TcpState::Listen);
        sockets.extend(
            waiting.map(|entry| socket(Kind::Tcp, Address::Ip(entry.local_address), entry.inode)),
        );
    }
    let read = read("unix", |path| UnixNetEntries::from_file(path))?;
    let waiting = read
        .into_iter()
        .flat_map(|entries| entries.0)
        .filter(|entry| entry.state == UnixState::UNCONNECTED);
    sockets.extend(waiting.filter_map(|entry| {
        let path = entry.path?;
        Some(socket(Kind::Unix, Address::Path(path), entry.inode))
    }));
    Ok(sockets)
}

/// Reads a table; there is none for a family that the kernel does without.
fn read<T>(table: &str, parse: impl FnOnce(&str) -> ProcResult<T>) -> Result<Option<T>> {
    let path = format!("{NET}/{table}");
    match parse(&path) {
        Err(ProcError::NotFound(_)) => Ok(None),
        Err(ProcError::Io(error, _)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).doing(format!("read {path}")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::{Address, Inventory, Kind, ListeningSocket, Reach};
    use crate::sockets::Process;

    #[test]
    fn sockets_that_wait_are_found_with_their_process() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
        connected.connect(udp.local_addr().unwrap()).unwrap();
        let tcp = TcpListener::bind("[::1]:0").unwrap();
        let client = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();

        let inventory = Inventory::read().unwrap();
        let find = |kind, address| {
            let address = Address::Ip(address);
            let found =
                |socket: &&ListeningSocket| socket.kind == kind && socket.address == address;
            inventory.sockets.iter().find(found)
        };
        for (kind, address) in [
            (Kind::Udp, udp.local_addr().unwrap()),
            (Kind::Tcp, tcp.local_addr().unwrap()),
        ] {
            let socket = find(kind, address).unwrap();
            let pids: Vec<_> = socket.processes.iter().map(|process| process.pid).collect();
            assert!(pids.contains(&std::process::id()), "{socket:?}");
            assert_eq!(socket.reach(), Reach::Loopback);
        }
        assert_eq!(find(Kind::Udp, connected.local_addr().unwrap()), None);
        assert_eq!(find(Kind::Tcp, client.local_addr().unwrap()), None);
    }

    fn socket(kind: Kind, address: &str, pids: &[u32]) -> ListeningSocket {
        let process = |pid: &u32| Process {
            pid: *pid,
            name: "x".to_owned(),
        };
        ListeningSocket {
            kind,
            address: Address::Ip(address.parse().unwrap()),
            inode: 0,
            processes: pids.iter().map(process).collect(),
        }
    }

    #[test]
    fn the_portmappers_own_ports_are_told_from_those_of_others() {
        let inventory = Inventory {
            sockets: vec![
                socket(Kind::Udp, "0.0.0.0:111", &[1, 50]),
                socket(Kind::Udp, "0.0.0.0:50000", &[50]),
                socket(Kind::Udp, "127.0.0.1:50001", &[50]),
                // systemd's own, and a stranger's.
                socket(Kind::Udp, "0.0.0.0:50002", &[1]),
                socket(Kind::Udp, "0.0.0.0:50003", &[51]),
                socket(Kind::Tcp, "0.0.0.0:50004", &[50]),
            ],
            complete: true,
        };
        assert!(
            inventory
                .portmapper()
                .all(ListeningSocket::is_socket_activated)
        );
        let ports: Vec<_> = inventory.portmapper_udp_ports().into_iter().collect();
        assert_eq!(ports, [111, 50_000]);
        assert!(!inventory.portmapper_is_idle());
        let idle = Inventory {
            sockets: vec![
                socket(Kind::Udp, "0.0.0.0:111", &[1]),
                socket(Kind::Udp, "0.0.0.0:50003", &[1, 51]),
            ],
            complete: true,
        };
        assert!(idle.portmapper_is_idle());
        assert!(!Inventory::default().portmapper_is_idle());
        assert_eq!(inventory.portmapper_extra().count(), 3);
    }
}
