//! Sockets of the unix family as the kernel itself tells them (sock_diag(7)).
//!
//! In /proc/net/unix, any account can have a line of its own making: a name may have the end of a
//! line in it. Here, a name is bytes of a known length.

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

use super::netlink::{
    NETLINK_HEADER_LEN, NLMSG_DONE, NLMSG_ERROR, attribute, first_message, message, read_u16,
    read_u32,
};

// linux/sock_diag.h, linux/unix_diag.h, net/tcp_states.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const UDIAG_SHOW_NAME: u32 = 1;
const UDIAG_SHOW_VFS: u32 = 2;
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_VFS: u16 = 1;
const ESTABLISHED: u8 = 1;
/// Family, type, state, a byte that is unused, inode, cookie.
const HEADER_LEN: usize = 16;
const STATE: usize = 2;

/// A socket with a name that is not connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnixSocket {
    /// The path that it was bound to, or a name after a NUL.
    pub(crate) name: Vec<u8>,
    /// Its number, by which processes hold it.
    pub(crate) inode: u64,
    /// The file that it is: the number of its device, as the kernel has it, and the end of its
    /// inode's.
    pub(crate) file: Option<(u32, u32)>,
}

/// Those of the calling thread's network namespace.
pub(crate) fn waiting() -> io::Result<Vec<UnixSocket>> {
    let mut request = [0; 24];
    request[0] = libc::AF_UNIX as u8;
    // Of any state.
    request[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    request[12..16].copy_from_slice(&(UDIAG_SHOW_NAME | UDIAG_SHOW_VFS).to_ne_bytes());
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    let message = message(SOCK_DIAG_BY_FAMILY, flags, &request, &[]);
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&message, 0)?;
    let mut found = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full()?;
        let mut rest = answer.as_slice();
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some((message, next)) = first_message(rest) {
            rest = next;
            let body = message.get(NETLINK_HEADER_LEN..).unwrap_or_default();
            match message.get(4..6).map(read_u16) {
                Some(NLMSG_DONE) => return Ok(found),
                Some(NLMSG_ERROR) => {
                    let code = body.get(..4).map_or(0, read_u32).cast_signed();
                    return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
                }
                Some(SOCK_DIAG_BY_FAMILY) => found.extend(parse(body)),
                _ => {}
            }
        }
    }
}

fn parse(body: &[u8]) -> Option<UnixSocket> {
    let attributes = body.get(HEADER_LEN..)?;
    let name = attribute(attributes, UNIX_DIAG_NAME)?;
    // A path comes with the NUL at its end.
    let name = match name {
        [0, ..] => name,
        _ => name.split(|byte| *byte == 0).next()?,
    };
    let file = attribute(attributes, UNIX_DIAG_VFS).and_then(|file| {
        let (inode, device) = file.split_at_checked(4)?;
        Some((read_u32(device), read_u32(inode)))
    });
    (body[STATE] != ESTABLISHED && !name.is_empty()).then(|| UnixSocket {
        name: name.to_vec(),
        inode: read_u32(&body[4..8]).into(),
        file,
    })
}

#[cfg(test)]
mod tests {
    use std::os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            fs::MetadataExt as _,
            net::{SocketAddr, UnixListener, UnixStream},
        },
    };

    #[test]
    fn names_come_as_they_are_and_with_the_file_that_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a\n0 2 0 10000 1 1 7 rpcbind.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let _connected = UnixStream::connect(&path).unwrap();
        let _accepted = listener.accept().unwrap();
        let name = format!("x\n0 2 0 10000 1 1 {} /run/rpcbind.sock", u32::MAX);
        let name = SocketAddr::from_abstract_name(name).unwrap();
        let _abstract = UnixListener::bind_addr(&name).unwrap();

        let found = super::waiting().unwrap();
        let at_path: Vec<_> = found
            .iter()
            .filter(|socket| socket.name == path.as_os_str().as_bytes())
            .collect();
        let [socket] = at_path[..] else {
            panic!("{at_path:?}");
        };
        let (_, inode) = socket.file.unwrap();
        assert_eq!(inode, path.metadata().unwrap().ino() as u32);
        let name = [b"\0", name.as_abstract_name().unwrap()].concat();
        let of_name: Vec<_> = found.iter().filter(|socket| socket.name == name).collect();
        assert!(matches!(of_name[..], [socket] if socket.file.is_none()));
        assert!(
            found
                .iter()
                .all(|socket| socket.inode != u64::from(u32::MAX))
        );
    }
}
