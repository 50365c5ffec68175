//! Having ICMP errors reported by a socket that is not connected.
#![expect(unsafe_code, reason = "setsockopt(2) of an option that rustix lacks")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
};

/// From now on, receiving fails with what an ICMP error about a datagram of this UDP socket says, as it does
/// for a connected one: `IP_RECVERR` of ip(7), `IPV6_RECVERR` of ipv6(7).
pub(crate) fn report_errors(socket: impl AsFd, ipv6: bool) -> io::Result<()> {
    let (level, option) = if ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    } else {
        (libc::IPPROTO_IP, libc::IP_RECVERR)
    };
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, of which the address and the size are given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
