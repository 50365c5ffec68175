//! ICMP errors about the datagrams of a socket that is not connected.
#![expect(
    unsafe_code,
    reason = "setsockopt(2) of an option that rustix lacks, and recvmsg(2) of the queue that it fills"
)]

use std::{
    io,
    mem::zeroed,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, AsRawFd as _},
};

/// An error that the kernel put in a socket's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    /// The error number.
    pub(crate) errno: i32,
    /// Type and code, for an error of ICMP.
    pub(crate) icmp: Option<(u8, u8)>,
    /// The address that sent it, for an error of ICMP.
    pub(crate) from: Option<IpAddr>,
    /// The beginning of the datagram that it is about: empty, if the sender quoted its headers alone.
    pub(crate) quoted: Vec<u8>,
}

/// The longest quotation that is kept.
const QUOTED: usize = 64;

/// Room for control messages, aligned as they are.
#[repr(align(8))]
struct Control([u8; 512]);

/// Makes receiving from this UDP socket fail with ICMP errors about its datagrams, as it does for a
/// connected one: `IP_RECVERR` of ip(7), `IPV6_RECVERR` of ipv6(7). [`take_error`] has the details.
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

/// Takes the oldest error from the socket's queue; `None` if there is none.
pub(crate) fn take_error(socket: impl AsFd) -> io::Result<Option<Reported>> {
    let mut quoted = [0_u8; QUOTED];
    let mut control = Control([0; 512]);
    let mut buffer = libc::iovec {
        iov_base: quoted.as_mut_ptr().cast(),
        iov_len: quoted.len(),
    };
    // SAFETY: zeroes are a valid `msghdr`: null pointers with lengths of nought.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut buffer;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: each pointer in the message leads to a local that outlives the call, with its length.
    let received = unsafe {
        libc::recvmsg(
            socket.as_fd().as_raw_fd(),
            &raw mut message,
            libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT,
        )
    };
    let Ok(len) = usize::try_from(received) else {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock => Ok(None),
            _ => Err(error),
        };
    };
    // SAFETY: the kernel has filled the control buffer and set its length.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a header within the buffer.
        let (level, kind) = unsafe { ((*header).cmsg_level, (*header).cmsg_type) };
        if (level, kind) == (libc::IPPROTO_IP, libc::IP_RECVERR)
            || (level, kind) == (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        {
            // SAFETY: such a message holds a `sock_extended_err` and the offender's address behind it.
            return Ok(Some(unsafe { reported(header, &quoted[..len]) }));
        }
        // SAFETY: as for the first one.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Reads a control message of `IP_RECVERR` or `IPV6_RECVERR`.
///
/// # Safety
///
/// `header` leads to one, as the kernel wrote it.
unsafe fn reported(header: *const libc::cmsghdr, quoted: &[u8]) -> Reported {
    // SAFETY: the data begins with a `sock_extended_err`; it may be unaligned.
    let error: libc::sock_extended_err =
        unsafe { libc::CMSG_DATA(header).cast::<libc::sock_extended_err>().read_unaligned() };
    // SAFETY: behind the error is a `sockaddr_in` or `sockaddr_in6`, for which the buffer has room.
    let from = unsafe { offender(libc::CMSG_DATA(header).add(size_of_val(&error))) };
    let is_icmp = [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6].contains(&error.ee_origin);
    Reported {
        errno: error.ee_errno as i32,
        icmp: is_icmp.then_some((error.ee_type, error.ee_code)),
        from: from.filter(|_| is_icmp),
        quoted: quoted.to_vec(),
    }
}

/// Reads a socket address.
///
/// # Safety
///
/// `address` leads to one of its family's length.
unsafe fn offender(address: *const u8) -> Option<IpAddr> {
    // SAFETY: each socket address begins with its family; the bytes may be unaligned.
    let family = unsafe { address.cast::<libc::sa_family_t>().read_unaligned() };
    match i32::from(family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is one.
            let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that it is one.
            let address = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}
