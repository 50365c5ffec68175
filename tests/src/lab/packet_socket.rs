//! Frames as they are, past the sender's own network stack.
#![expect(
    unsafe_code,
    reason = "the address of a packet socket is built by hand"
)]

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, bind, recv,
        sendto, setsockopt, socket, sockopt,
    },
};

use super::Host;

/// Sends frames out of one interface of a host. They arrive at the other end of its wire.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    interface: LinkAddr,
}

impl PacketSocket {
    /// Opens `interface` of `host` for sending.
    ///
    /// # Errors
    ///
    /// If there is no such interface.
    pub fn open(host: &Host, interface: &str) -> Result<Self> {
        let socket = host
            .enter(|| {
                // No protocol: nothing is received.
                socket(
                    AddressFamily::Packet,
                    SockType::Raw,
                    SockFlag::SOCK_CLOEXEC,
                    None,
                )
            })
            .context("cannot open a packet socket")?;
        let interface = address(host, interface, 0)?;
        Ok(Self { socket, interface })
    }

    /// Sends a frame: from the Ethernet header, or from the IP header where the interface has
    /// none.
    ///
    /// # Errors
    ///
    /// If the frame is shorter than a link-layer header or longer than the MTU allows.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = sendto(
            self.socket.as_raw_fd(),
            frame,
            &self.interface,
            MsgFlags::empty(),
        )
        .map_err(io::Error::from)
        .with_context(|| format!("cannot send a frame of {} bytes", frame.len()))?;
        anyhow::ensure!(sent == frame.len(), "the frame was cut at {sent} bytes");
        Ok(())
    }
}

/// Receives what arrives at one interface of a host, as frames.
#[derive(Debug)]
pub struct PacketReceiver {
    socket: OwnedFd,
}

impl PacketReceiver {
    /// Opens `interface` of `host` for receiving packets of this EtherType, of which `room` bytes may
    /// wait to be read (each counts for more than its length).
    ///
    /// # Errors
    ///
    /// If there is no such interface.
    pub fn open(host: &Host, interface: &str, ether_type: u16, room: usize) -> Result<Self> {
        let interface = address(host, interface, ether_type)?;
        let open = || -> nix::Result<OwnedFd> {
            let kind = (AddressFamily::Packet, SockType::Raw);
            let socket = socket(kind.0, kind.1, SockFlag::SOCK_CLOEXEC, None)?;
            setsockopt(&socket, sockopt::RcvBufForce, &room)?;
            bind(socket.as_raw_fd(), &interface)?;
            Ok(socket)
        };
        let socket = host.enter(open).context("cannot open a packet socket")?;
        Ok(Self { socket })
    }

    /// The next frame, or as much of it as fits; `None` if none comes for `patience`, which may be
    /// zero.
    ///
    /// # Errors
    ///
    /// If the interface is gone.
    pub fn next<'b>(&self, buffer: &'b mut [u8], patience: Duration) -> Result<Option<&'b [u8]>> {
        match next(self.socket.as_fd(), patience, || {
            recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)
        })
        .context("cannot receive a frame")?
        {
            Some(length) => Ok(Some(&buffer[..length])),
            None => Ok(None),
        }
    }
}

/// Calls `receive` at once, and once more if there is something to receive within `patience`.
fn next(
    descriptor: BorrowedFd<'_>,
    patience: Duration,
    mut receive: impl FnMut() -> nix::Result<usize>,
) -> nix::Result<Option<usize>> {
    match receive() {
        Err(Errno::EAGAIN) if patience.is_zero() => return Ok(None),
        Err(Errno::EAGAIN) => {}
        result => return result.map(Some),
    }
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLIN)];
    poll(&mut descriptors, timeout)?;
    match receive() {
        Err(Errno::EAGAIN) => Ok(None),
        result => result.map(Some),
    }
}

/// The address of an interface, for packets of an EtherType; zero is for none.
fn address(host: &Host, interface: &str, ether_type: u16) -> Result<LinkAddr> {
    // SAFETY: all fields are integers, of which zero is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ether_type.to_be();
    address.sll_ifindex = i32::try_from(host.ifindex(interface)?)?;
    // SAFETY: the pointer is to a whole sockaddr_ll of the right family, of the length given.
    let address = unsafe {
        LinkAddr::from_raw(
            (&raw const address).cast(),
            Some(size_of_val(&address) as u32),
        )
    };
    address.context("a sockaddr_ll is not taken for one")
}
