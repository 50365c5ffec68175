//! Whether this host itself lets out what opens a connection.
//!
//! A connection that its own firewall refuses fails as one that the other host refuses. The kernel
//! counts apart, though, which of a socket's segments it could send again.
#![expect(
    unsafe_code,
    reason = "a connection that is begun and not waited for, and an option of tcp(7), that std lacks"
)]

use std::{
    io,
    mem::{size_of_val, zeroed},
    net::SocketAddr,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    thread,
    time::{Duration, Instant},
};

/// Linux sends the first segment again after a second.
const PATIENCE: Duration = Duration::from_millis(1600);

const STEP: Duration = Duration::from_millis(50);

/// Whether segments that open a connection leave this host, as far as two of them show; `None` if
/// they do not.
///
/// The socket takes packets only that no router has forwarded (`IP_MINTTL` of ip(7)), and that
/// begin with the greatest number of hops, as hardly any do: so an answer does not end it before
/// the second one.
pub(crate) fn lets_out(address: SocketAddr) -> io::Result<Option<bool>> {
    let hops: libc::c_int = 255;
    let (family, level, option) = match address {
        SocketAddr::V4(_) => (libc::AF_INET, libc::IPPROTO_IP, libc::IP_MINTTL),
        SocketAddr::V6(_) => (libc::AF_INET6, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
    };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed.
    let socket = unsafe { libc::socket(family, kind, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: the option's value is an int, of which the address and the size are given.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const hops).cast(),
            size_of_val(&hops) as libc::socklen_t,
        )
    };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    connect(&socket, address)?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        thread::sleep(STEP);
        let info = info(&socket)?;
        if info.tcpi_total_retrans != 0 {
            return Ok(Some(info.tcpi_retrans != 0));
        }
    }
    Ok(None)
}

fn connect(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    // SAFETY: all zeros are a valid sockaddr_in.
    let mut v4: libc::sockaddr_in = unsafe { zeroed() };
    // SAFETY: all zeros are a valid sockaddr_in6.
    let mut v6: libc::sockaddr_in6 = unsafe { zeroed() };
    let (pointer, len): (*const libc::sockaddr, _) = match address {
        SocketAddr::V4(address) => {
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_port = address.port().to_be();
            v4.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
            ((&raw const v4).cast(), size_of_val(&v4))
        }
        SocketAddr::V6(address) => {
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_port = address.port().to_be();
            v6.sin6_addr.s6_addr = address.ip().octets();
            v6.sin6_scope_id = address.scope_id();
            ((&raw const v6).cast(), size_of_val(&v6))
        }
    };
    // SAFETY: the address lives until the call returns, and is as long as that.
    let connected = unsafe { libc::connect(socket.as_raw_fd(), pointer, len as libc::socklen_t) };
    let error = io::Error::last_os_error();
    if connected == 0 || error.raw_os_error() == Some(libc::EINPROGRESS) {
        Ok(())
    } else {
        Err(error)
    }
}

fn info(socket: &OwnedFd) -> io::Result<libc::tcp_info> {
    // SAFETY: all zeros are a valid tcp_info.
    let mut info: libc::tcp_info = unsafe { zeroed() };
    let mut len = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes no more than the length that it is given.
    let got = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut len,
        )
    };
    if got < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(info)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::lets_out;

    #[test]
    fn what_leaves_is_said_to_leave_though_the_port_is_closed() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let address = TcpListener::bind(host).unwrap().local_addr().unwrap();
            assert_eq!(lets_out(address).unwrap(), Some(true));
        }
    }
}
