//! Interfaces whose other end is a file of this process.
#![expect(unsafe_code, reason = "a tun or tap device is made by ioctl(2)")]

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsRawFd as _,
};

use super::Host;

/// What frames begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunTap {
    /// With an IP header, as in a tunnel.
    Tun,
    /// With an Ethernet header, as those of a virtual machine do.
    Tap,
}

impl TunTap {
    /// Makes an interface that is there as long as the file is open. What is written to the file, the
    /// interface receives.
    ///
    /// # Errors
    ///
    /// If the kernel has none, or the name is taken.
    pub fn create(self, host: &Host, name: &str) -> io::Result<File> {
        host.enter(|| self.create_here(name))
    }

    /// As [`Self::create`], in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// As [`Self::create`].
    pub fn create_here(self, name: &str) -> io::Result<File> {
        let kind = match self {
            Self::Tun => libc::IFF_TUN,
            Self::Tap => libc::IFF_TAP,
        };
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/net/tun")?;
        // SAFETY: all fields are integers, of which zero is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (kind | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: the request is the ifreq that this ioctl reads and writes.
        let result = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(device)
    }
}
