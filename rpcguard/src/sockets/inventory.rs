//! All sockets that wait for others.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use procfs::{
    FromReadSI as _, ProcError, ProcResult, current_system_info,
    net::{TcpNetEntries, TcpState, UdpNetEntries, UdpState},
};

use super::{
    Address, Kind, ListeningSocket, portmapper,
    processes::{Holders, Which},
};
use crate::{
    error::{Doing as _, Result},
    sys::unix_sockets::{self, UnixSocket},
};

/// The calling thread's: a process may be in several network namespaces.
const NET: &str = "/proc/thread-self/net";

/// The sockets of a network namespace that wait for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// In the order of their kind and address.
    pub sockets: Vec<ListeningSocket>,
    /// Sockets of UDP that have a peer, and so wait for nobody else.
    pub connected: Vec<ListeningSocket>,
    /// Socket paths of the portmapper that are root's own.
    pub roots_paths: BTreeSet<PathBuf>,
    /// Whether every process could be looked into, so that a socket without processes is the
    /// kernel's.
    pub complete: bool,
}

impl Inventory {
    /// Reads the sockets of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// If /proc cannot be read.
    pub fn read() -> Result<Self> {
        Self::of_processes(Which::All)
    }

    /// As [`Inventory::read`], looking only into processes that execute a portmapper: sockets of
    /// others seem to be nobody's. That is quick, however many processes there are.
    ///
    /// # Errors
    ///
    /// As [`Inventory::read`].
    pub fn of_portmappers() -> Result<Self> {
        Self::of_processes(Which::Portmappers)
    }

    fn of_processes(which: Which) -> Result<Self> {
        // The sockets first: one whose process ended meanwhile is nobody's, and one that is new is
        // not seen.
        let (mut sockets, mut connected) = sockets()?;
        let unix = unix_sockets()?;
        sockets.extend(unix.iter().map(|socket| ListeningSocket {
            kind: Kind::Unix,
            address: Address::Path(path_of(socket)),
            inode: socket.inode,
            processes: Vec::new(),
        }));
        let all = sockets.iter().chain(&connected);
        let inodes = all.map(|socket| socket.inode).collect();
        let mut holders = Holders::read(which, &inodes)?;
        for socket in sockets.iter_mut().chain(&mut connected) {
            socket.processes = holders.of.remove(&socket.inode).unwrap_or_default();
        }
        sockets.sort_by(|a, b| (a.kind, &a.address, a.inode).cmp(&(b.kind, &b.address, b.inode)));
        // If the kernel cannot be asked, a line of the table can be made up in a socket path.
        sockets.dedup();
        let roots_paths = portmapper::roots_paths();
        let files = unix.iter().map(|socket| (socket.inode, socket.file));
        let files: BTreeMap<u64, Option<(u32, u32)>> = files.collect();
        sockets.retain(|socket| match &socket.address {
            // Of the same name, there may be sockets in other mount namespaces.
            Address::Path(path) if roots_paths.contains(path) => {
                let file = files.get(&socket.inode).copied().flatten();
                let mut processes = socket.processes.iter();
                file.is_some_and(|file| file_at(path) == Some(file))
                    || processes.any(|process| process.runs_portmapper)
            }
            _ => true,
        });
        Ok(Self {
            sockets,
            connected,
            roots_paths,
            complete: holders.complete,
        })
    }
}

/// The sockets that wait, and those of UDP that have a peer; as yet without processes.
fn sockets() -> Result<(Vec<ListeningSocket>, Vec<ListeningSocket>)> {
    let system = current_system_info();
    let socket = |kind, address, inode| ListeningSocket {
        kind,
        address,
        inode,
        processes: Vec::new(),
    };
    let (mut sockets, mut connected) = (Vec::new(), Vec::new());
    for table in ["udp", "udp6"] {
        let read = read(table, |path| UdpNetEntries::from_file(path, system))?;
        for entry in read.into_iter().flat_map(|entries| entries.0) {
            let list = match entry.state {
                UdpState::Close => &mut sockets,
                UdpState::Established => &mut connected,
            };
            list.push(socket(
                Kind::Udp,
                Address::Ip(entry.local_address),
                entry.inode,
            ));
        }
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
    Ok((sockets, connected))
}

/// Sockets of the unix family that wait. The kernel may do without the way to ask for them: then
/// they are those of /proc/net/unix, and are no known files.
fn unix_sockets() -> Result<Vec<UnixSocket>> {
    match unix_sockets::waiting() {
        Ok(sockets) => Ok(sockets),
        Err(error) => {
            log::debug!("the kernel does not list unix sockets: {error}");
            let table = read("unix", |path| Ok(fs::read(path)?))?.unwrap_or_default();
            let listeners = unix_listeners(&table).into_iter();
            let socket = |(path, inode): (PathBuf, u64)| UnixSocket {
                name: path.into_os_string().into_encoded_bytes(),
                inode,
                file: None,
            };
            Ok(listeners.map(socket).collect())
        }
    }
}

/// The path of a socket, or its name after `@`, as in /proc/net/unix.
fn path_of(socket: &UnixSocket) -> PathBuf {
    let mut name = socket.name.clone();
    if name.first() == Some(&0) {
        for byte in name.iter_mut().filter(|byte| **byte == 0) {
            *byte = b'@';
        }
    }
    PathBuf::from(OsStr::from_bytes(&name))
}

/// The file at a path, as [`UnixSocket::file`] has it.
fn file_at(path: &Path) -> Option<(u32, u32)> {
    let found = path.metadata().ok()?;
    let (major, minor) = (libc::major(found.dev()), libc::minor(found.dev()));
    Some((major << 20 | minor, found.ino() as u32))
}

/// Where sockets of the file system wait, and their inodes, by /proc/net/unix.
///
/// An account without privileges can have a path with any bytes in it, also the end of a line: a
/// line that cannot be read is passed over.
fn unix_listeners(table: &[u8]) -> Vec<(PathBuf, u64)> {
    const UNCONNECTED: u8 = 1;
    let lines = table.split(|byte| *byte == b'\n').skip(1);
    let listeners = lines.filter_map(|line| {
        // Num, RefCount, Protocol, Flags, Type, St, Inode, and a path that may have blanks in it.
        let mut rest = line;
        let mut fields = [""; 7];
        for field in &mut fields {
            rest = rest.trim_ascii_start();
            let end = rest.iter().position(|byte| *byte == b' ')?;
            *field = str::from_utf8(&rest[..end]).ok()?;
            rest = &rest[end..];
        }
        let [.., state, inode] = fields;
        let waits = u8::from_str_radix(state, 16).ok()? == UNCONNECTED;
        let path = PathBuf::from(OsStr::from_bytes(rest.get(1..)?));
        (waits && !path.as_os_str().is_empty()).then_some((path, inode.parse().ok()?))
    });
    listeners.collect()
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

    use super::{Address, Inventory, Kind, ListeningSocket, unix_listeners};
    use crate::sockets::Reach;

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

    /// As Linux 6.1 writes them, and as an account without privileges can have them written.
    #[test]
    fn a_socket_path_of_any_bytes_hides_no_other_socket() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path
ffff9c1e4b0c8000: 00000002 00000000 00010000 0001 01 17432 /run/rpcbind.sock
ffff9c1e4b0c8400: 00000002 00000000 00010000 0001 01 17433 /tmp/x
y \xff\x1b[2J
ffff9c1e4b0c8800: 00000002 00000000 00010000 0001 01 17434 /tmp/with blank
ffff9c1e4b0c8c00: 00000003 00000000 00000000 0001 03 17435 /run/connected
ffff9c1e4b0c9000: 00000002 00000000 00000000 0002 01 17436
ffff9c1e4b0c9400: 00000002 00000000 00010000 0001 01 17437 @abstract
";
        let found = unix_listeners(table);
        let found: Vec<_> = found
            .iter()
            .map(|(path, inode)| (path.to_str().unwrap(), *inode))
            .collect();
        let expected = [
            ("/run/rpcbind.sock", 17_432),
            ("/tmp/x", 17_433),
            ("/tmp/with blank", 17_434),
            ("@abstract", 17_437),
        ];
        assert_eq!(found, expected);
    }
}
