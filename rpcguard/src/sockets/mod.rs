//! Who listens: the sockets of this network namespace that wait for others, and their processes.
//!
//! Sockets are those of the calling thread's network namespace, as /proc tells them. Processes are told
//! apart by the sockets that they hold, so those of other namespaces are not taken for them, even if they
//! listen on the same port there.

mod command_line;
mod inventory;
mod portmapper;
mod processes;

use std::{fmt, net::SocketAddr, path::PathBuf};

pub(crate) use command_line::command_line;
pub use inventory::Inventory;
pub(crate) use processes::PORTMAPPERS;
pub use processes::Process;

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Datagrams over IP.
    Udp,
    /// Connections over IP.
    Tcp,
    /// A socket of the file system.
    Unix,
}

impl Kind {
    /// The word for it in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Unix => "unix",
        }
    }
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An address, all of them if it is unspecified, and a port.
    Ip(SocketAddr),
    /// A path, or a name after `@` in the abstract namespace.
    Path(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// From where a socket can be reached, as far as its address tells: a firewall or a guard may be in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// From processes that see its path.
    Host,
    /// From this network namespace, over loopback.
    Loopback,
    /// From other hosts.
    Outside,
}

impl Reach {
    /// The word for it in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Loopback => "loopback",
            Self::Outside => "outside",
        }
    }
}

/// A socket that waits for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListeningSocket {
    /// What it speaks.
    pub kind: Kind,
    /// Where.
    pub address: Address,
    /// Its number, by which processes hold it.
    pub inode: u64,
    /// Who holds it: several after a fork, or where systemd has opened it for a service. Nobody, for one of
    /// the kernel's own, of NFS for instance.
    pub processes: Vec<Process>,
}

impl ListeningSocket {
    /// Its port, for those of IP.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        match self.address {
            Address::Ip(address) => Some(address.port()),
            Address::Path(_) => None,
        }
    }

    /// From where it can be reached.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self.address {
            Address::Ip(address) if address.ip().to_canonical().is_loopback() => Reach::Loopback,
            Address::Ip(_) => Reach::Outside,
            Address::Path(_) => Reach::Host,
        }
    }

    /// Whether the first process of the system holds it, for a service that it starts when somebody asks.
    #[must_use]
    pub fn is_socket_activated(&self) -> bool {
        self.processes.iter().any(Process::is_init)
    }
}
