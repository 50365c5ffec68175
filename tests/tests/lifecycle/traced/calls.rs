//! Which system calls are of interest.

use std::{collections::BTreeSet, fmt};

use aya_obj::generated::bpf_cmd::{self, *};

/// A system call: its number and its first argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(super) number: i64,
    pub(super) first: u64,
}

impl Call {
    /// Whether it is bpf(2) with this command.
    pub(crate) fn is_bpf(self, command: bpf_cmd) -> bool {
        self.number == libc::SYS_bpf && self.first == command as u64
    }
}

impl Call {
    /// Whether it changes something outside the process.
    pub(crate) fn is_changing(self) -> bool {
        is_changing(self)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.number == libc::SYS_bpf {
            write!(f, "bpf command {}", self.first)
        } else {
            write!(f, "system call {}", self.number)
        }
    }
}

/// A set of system calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Calls {
    /// Those that change something outside the process, and its end.
    Changing,
    /// Those that write many entries of a map at once.
    Batches,
    /// All of bpf(2), all that is done with netlink sockets, and changes to files: whether they
    /// change anything or only look.
    Fallible,
}

impl Calls {
    pub(super) fn include(self, call: Call, sockets: &NetlinkSockets) -> bool {
        match self {
            Self::Changing => is_changing(call),
            Self::Batches => call.is_bpf(BPF_MAP_UPDATE_BATCH),
            Self::Fallible => {
                let ends = call.number == libc::SYS_exit_group;
                let asks = call.number == libc::SYS_bpf || sockets.are_used_by(call);
                asks || is_changing(call) && !ends
            }
        }
    }
}

/// Calls that change something outside the process, and the end.
const CHANGING: [i64; 7] = [
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_exit_group,
];

/// Those that newer architectures do without.
#[cfg(target_arch = "x86_64")]
const CHANGING_OLD: [i64; 4] = [
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
];
#[cfg(not(target_arch = "x86_64"))]
const CHANGING_OLD: [i64; 0] = [];

/// bpf(2) commands that change something which others see.
const CHANGING_BPF: [bpf_cmd; 8] = [
    BPF_MAP_UPDATE_ELEM,
    BPF_MAP_DELETE_ELEM,
    BPF_MAP_UPDATE_BATCH,
    BPF_MAP_DELETE_BATCH,
    BPF_OBJ_PIN,
    BPF_LINK_CREATE,
    BPF_LINK_UPDATE,
    BPF_LINK_DETACH,
];

fn is_changing(call: Call) -> bool {
    if call.number == libc::SYS_bpf {
        return CHANGING_BPF.iter().any(|command| call.is_bpf(*command));
    }
    CHANGING.contains(&call.number) || CHANGING_OLD.contains(&call.number)
}

/// What is done with a socket, but for closing it.
const SOCKET_CALLS: [i64; 8] = [
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
];

/// The netlink sockets that a process has open.
#[derive(Debug, Default)]
pub(super) struct NetlinkSockets(BTreeSet<u64>);

impl NetlinkSockets {
    fn opens_one(call: Call) -> bool {
        call.number == libc::SYS_socket && call.first == libc::AF_NETLINK as u64
    }

    fn are_used_by(&self, call: Call) -> bool {
        Self::opens_one(call) || SOCKET_CALLS.contains(&call.number) && self.0.contains(&call.first)
    }

    /// Takes note of what a call came to.
    pub(super) fn note(&mut self, call: Call, result: i64) {
        if Self::opens_one(call) {
            self.0.extend(u64::try_from(result));
        } else if call.number == libc::SYS_close {
            self.0.remove(&call.first);
        }
    }
}
