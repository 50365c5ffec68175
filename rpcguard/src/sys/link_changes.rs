//! Interfaces that appear, vanish or change, as rtnetlink tells of them.

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
};

use netlink_sys::{Socket, protocols::NETLINK_ROUTE};

// linux/rtnetlink.h
const RTNLGRP_LINK: u32 = 1;

/// Hears of interfaces of this network namespace that appear, vanish or change.
pub(crate) struct LinkChanges {
    socket: Socket,
}

impl LinkChanges {
    /// Listens from now on.
    pub(crate) fn subscribe() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.add_membership(RTNLGRP_LINK)?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket })
    }

    /// Takes everything that was heard, and tells whether anything was. What it was is not told: more may
    /// have been said than there was room for, so whoever asks lists the interfaces.
    pub(crate) fn take(&self) -> io::Result<bool> {
        let mut heard = false;
        let mut buffer = Vec::with_capacity(1 << 16);
        loop {
            buffer.clear();
            match self.socket.recv(&mut buffer, 0) {
                Ok(_) => heard = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(heard),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => heard = true,
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsRawFd for LinkChanges {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
