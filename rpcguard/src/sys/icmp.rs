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
    /// The beginning of the datagram that it is about: empty, if the sender quoted its headers
    /// alone.
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
    let filled: usize = message.msg_controllen as _;
    let control = control.0.get(..filled).unwrap_or_default();
    let reported = read_control(control).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some(Reported {
        quoted: quoted[..len].to_vec(),
        ..reported
    }))
}

/// Finds the `sock_extended_err` among control messages, and reads it with the address behind it.
fn read_control(mut control: &[u8]) -> Option<Reported> {
    // `cmsghdr`, as the kernel has it: a word with the length, header included, then level and
    // type.
    const HEADER: usize = size_of::<usize>() + 8;
    loop {
        let len = usize::from_ne_bytes(*control.first_chunk()?);
        let (level, kind) = (number(control, HEADER - 8)?, number(control, HEADER - 4)?);
        let data = control.get(HEADER..len)?;
        if [
            (libc::IPPROTO_IP, libc::IP_RECVERR),
            (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        ]
        .contains(&(level, kind))
        {
            return read_error(data);
        }
        control = control.get(len.next_multiple_of(size_of::<usize>())..)?;
    }
}

/// Reads a `sock_extended_err`: error number, origin, type, code and nine bytes that do not matter
/// here; a `sockaddr_in` or `sockaddr_in6` is behind it.
fn read_error(data: &[u8]) -> Option<Reported> {
    const LEN: usize = 16;
    let [origin, kind, code, ..] = *data.get(4..LEN)? else {
        return None;
    };
    let is_icmp = [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6].contains(&origin);
    Some(Reported {
        errno: number(data, 0)?,
        icmp: is_icmp.then_some((kind, code)),
        from: address(&data[LEN..]).filter(|_| is_icmp),
        quoted: Vec::new(),
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match i32::from(u16::from_ne_bytes(*bytes.first_chunk()?)) {
        libc::AF_INET => {
            let octets: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
            Some(Ipv4Addr::from(octets).into())
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}
