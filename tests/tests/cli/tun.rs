//! Interfaces that claim to be of any link layer.
#![expect(unsafe_code, reason = "ioctl(2) on a tun device")]

use std::{fs::File, io, os::fd::AsRawFd as _};

use rpcguard_tests::lab::Host;

/// Creates an interface that says its frames begin as those of `hardware` (`ARPHRD_*`) do.
pub(crate) fn create(host: &Host, name: &str, hardware: u16) -> io::Result<()> {
    host.ip(&format!("tuntap add dev {name} mode tun"))
        .map_err(io::Error::other)?;
    host.enter(|| {
        let device = File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun")?;
        // SAFETY: ifreq consists of integers, arrays of them and pointers.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: TUNSETIFF reads and writes an ifreq.
        checked(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
        let hardware = libc::c_ulong::from(hardware);
        // SAFETY: TUNSETLINK takes an integer.
        checked(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETLINK, hardware) })
    })
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
