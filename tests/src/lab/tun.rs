//! A tun device: an interface without link layer, whose other end is a file.
#![expect(unsafe_code, reason = "a tun device is made by ioctl(2)")]

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::fs::OpenOptionsExt as _,
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::unistd::read;

use super::{Host, packet_socket::next};

/// A tun device of a host, which goes with this value.
#[derive(Debug)]
pub struct Tun(File);

impl Tun {
    /// Makes one; it is down.
    ///
    /// # Errors
    ///
    /// If there are none on this machine, or the name is taken or too long.
    pub fn new(host: &Host, name: &str) -> Result<Self> {
        ensure!(name.len() < libc::IFNAMSIZ, "{name} is too long a name");
        let device = host
            .enter(|| {
                // SAFETY: all fields are integers, of which zero is a value.
                let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
                for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
                    *to = from as libc::c_char;
                }
                request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
                let device = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .custom_flags(libc::O_NONBLOCK)
                    .open("/dev/net/tun")?;
                let made =
                    // SAFETY: TUNSETIFF reads and writes an ifreq.
                    unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
                if made < 0 {
                    return Err(io::Error::last_os_error());
                }
                Ok(device)
            })
            .with_context(|| format!("cannot make the tun device {name}"))?;
        Ok(Self(device))
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

    /// The next packet that was sent out of the device; `None` if none is for `patience`, which may
    /// be zero.
    ///
    /// # Errors
    ///
    /// If the device is down.
    pub fn next<'b>(&self, buffer: &'b mut [u8], patience: Duration) -> Result<Option<&'b [u8]>> {
        let received = next(self.0.as_fd(), patience, || read(&self.0, buffer))
            .context("cannot read from the tun device")?;
        match received {
            Some(length) => Ok(Some(&buffer[..length])),
            None => Ok(None),
        }
    }
}
