//! What a host's sockets were given.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, ToSocketAddrs, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::Host;

/// A datagram that reached a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who sent it. IPv4 addresses are shown as such, also by a socket for both families.
    pub source: SocketAddr,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Binds a UDP socket in `host`. Where another thread is just starting a program, an address that was
/// in use before stays so until that has begun: it is asked for again.
///
/// # Errors
///
/// If the address is taken, or not the host's.
pub fn bind(
    host: &Host,
    address: impl ToSocketAddrs + Copy + Send + Sync,
) -> io::Result<UdpSocket> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match host.enter(|| UdpSocket::bind(address)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// A UDP socket in a host.
#[derive(Debug)]
pub struct Listener {
    socket: UdpSocket,
}

impl Listener {
    /// Listens on `address`; `[::]:111` is for both families.
    ///
    /// # Errors
    ///
    /// If the address is taken.
    pub fn bind(host: &Host, address: &str) -> Result<Self> {
        let socket = bind(host, address).with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self { socket })
    }

    /// The next datagram, or `None` if there is none for `patience`.
    ///
    /// # Errors
    ///
    /// If the socket fails.
    pub fn next(&self, patience: Duration) -> Result<Option<Datagram>> {
        self.socket
            .set_read_timeout(Some(patience.max(Duration::from_millis(1))))
            .context("cannot set a time limit")?;
        let mut buffer = vec![0; 65_536];
        match self.socket.recv_from(&mut buffer) {
            Ok((len, source)) => {
                buffer.truncate(len);
                Ok(Some(Datagram {
                    source: SocketAddr::new(source.ip().to_canonical(), source.port()),
                    payload: buffer,
                }))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(error) => Err(error).context("cannot receive"),
        }
    }

    /// All that was delivered before the datagram whose payload is `last`, which must be sent to
    /// the same socket after all others, and from an allowed source: that it arrived proves that
    /// what is missing was dropped and is not merely late.
    ///
    /// # Errors
    ///
    /// If `last` does not arrive for `patience`.
    pub fn until(&self, last: &[u8], patience: Duration) -> Result<Vec<Datagram>> {
        let deadline = Instant::now() + patience;
        let mut datagrams = Vec::new();
        while let Some(datagram) = self.next(deadline.saturating_duration_since(Instant::now()))? {
            if datagram.payload == last {
                return Ok(datagrams);
            }
            datagrams.push(datagram);
        }
        bail!("the last datagram did not arrive; before it there were {datagrams:?}");
    }
}
