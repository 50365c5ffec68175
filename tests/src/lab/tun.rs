//! A tun device as a wire: packets go in and come out.

use std::{fs::File, io::Write as _, os::fd::AsFd as _, time::Duration};

use anyhow::{Context as _, Result};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::read,
};

use super::{Host, TunTap};

/// A tun device of a host, which goes with this value.
#[derive(Debug)]
pub struct Tun(File);

impl Tun {
    /// Makes one; it is down.
    ///
    /// # Errors
    ///
    /// If there are none on this machine, or the name is taken.
    pub fn new(host: &Host, name: &str) -> Result<Self> {
        let device = TunTap::Tun.create(host, name);
        Ok(Self(device.with_context(|| {
            format!("cannot make the tun device {name}")
        })?))
    }

    /// Makes one in the network namespace of the calling thread; it is down.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn here(name: &str) -> Result<Self> {
        let device = TunTap::Tun.create_here(name);
        Ok(Self(device.with_context(|| {
            format!("cannot make the tun device {name}")
        })?))
    }

    /// Lets a packet arrive at the device: from the IP header on.
    ///
    /// # Errors
    ///
    /// If the device is down, or this is neither IPv4 nor IPv6.
    pub fn send(&self, packet: &[u8]) -> Result<()> {
        (&self.0)
            .write_all(packet)
            .with_context(|| format!("cannot send a packet of {} bytes", packet.len()))
    }

    /// The next packet that was sent out of the device; `None` if none is for `patience`.
    ///
    /// # Errors
    ///
    /// If the device is down.
    pub fn next<'b>(&self, buffer: &'b mut [u8], patience: Duration) -> Result<Option<&'b [u8]>> {
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        if poll(&mut descriptors, timeout)? == 0 {
            return Ok(None);
        }
        let length = read(&self.0, buffer).context("cannot read from the tun device")?;
        Ok(Some(&buffer[..length]))
    }
}
