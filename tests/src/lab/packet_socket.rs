//! Frames as they are, past the sender's own network stack.
#![expect(
    unsafe_code,
    reason = "the address of a packet socket is built by hand"
)]

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, sendto, socket,
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
    ///
    /// # Panics
    ///
    /// Never: the address has the family that is asked for.
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
        // SAFETY: all fields are integers, of which zero is a value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = i32::try_from(host.ifindex(interface)?)?;
        // SAFETY: the pointer is to a whole sockaddr_ll of the right family, of the length given.
        let interface = unsafe {
            LinkAddr::from_raw(
                (&raw const address).cast(),
                Some(size_of_val(&address) as u32),
            )
        }
        .expect("a sockaddr_ll is a LinkAddr");
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
