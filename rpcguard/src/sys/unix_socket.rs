//! Connections to sockets of the file system that are made at once or not at all.
#![expect(unsafe_code, reason = "socket(2) and connect(2) of libc")]

use std::{
    io, mem,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, net::UnixStream},
    },
    path::Path,
};

/// Connects to a stream socket. connect(2) that may wait does so for ever if the listener accepts
/// nothing and its queue is full; this fails then, with [`io::ErrorKind::WouldBlock`].
pub(crate) fn connect_now(path: &Path) -> io::Result<UnixStream> {
    let bytes = path.as_os_str().as_bytes();
    // SAFETY: all zeros are a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    // A byte stays for the end.
    if bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = from.cast_signed() as libc::c_char;
    }
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed.
    let socket = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let len = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address lives until the call returns, and is as long as that.
    if unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let stream = UnixStream::from(socket);
    // Reads and writes have deadlines of their own.
    stream.set_nonblocking(false)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read as _, Write as _},
        os::unix::net::{UnixListener, UnixStream},
    };

    use super::connect_now;

    #[test]
    fn a_listener_whose_queue_is_full_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rpcbind.sock");
        assert_eq!(connect_now(&path).unwrap_err().kind(), ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        let mut first = connect_now(&path).unwrap();
        first.write_all(b"x").unwrap();
        let mut accepted: UnixStream = listener.accept().unwrap().0;
        accepted.read_exact(&mut [0]).unwrap();
        let mut waiting = Vec::new();
        // The library's queue has 128 places or more (listen(2)), the kernel's 4096.
        let refused = loop {
            match connect_now(&path) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 10_000);
        };
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    }
}
