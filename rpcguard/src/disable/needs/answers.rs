//! Whether a program answers where it is registered.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use rpcguard_common::parse::Transport;

use crate::portmapper::Registration;

/// How long one program may take, which is on this machine.
const PATIENCE: Duration = Duration::from_millis(300);

/// How long all of them may take: others may have registered thousands.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(3);

/// It is on this machine, and the socket takes replies from one address only.
const XID: u32 = 0x7270_6367;

/// Asks programs of this machine for the procedure that does nothing, until it has taken long
/// enough.
pub(super) struct Asking(Instant);

impl Asking {
    pub(super) fn new() -> Self {
        Self(Instant::now() + PATIENCE_FOR_ALL)
    }

    /// Whether the program of a registration answers there.
    pub(super) fn answers(&self, registration: &Registration) -> bool {
        let (Some(transport), Some(address)) = (registration.transport(), registration.socket())
        else {
            return false;
        };
        if Instant::now() >= self.0 {
            return false;
        }
        let address = SocketAddr::new(here(address.ip()), address.port());
        let call = [
            XID,
            0,
            2,
            registration.program,
            registration.version,
            0,
            0,
            0,
            0,
            0,
        ];
        let call: Vec<u8> = call.into_iter().flat_map(u32::to_be_bytes).collect();
        let asked = match transport {
            Transport::Udp => over_udp(address, &call),
            Transport::Tcp => over_tcp(address, &call),
        };
        asked.is_ok_and(|reply| is_success(&reply))
    }
}

/// Where somebody on this machine asks a socket that is bound there.
fn here(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

fn over_udp(address: SocketAddr, call: &[u8]) -> io::Result<[u8; 24]> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(call)?;
    let mut reply = [0; 24];
    socket.recv(&mut reply)?;
    Ok(reply)
}

fn over_tcp(address: SocketAddr, call: &[u8]) -> io::Result<[u8; 24]> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    // A record of one fragment (RFC 5531 section 11).
    let mark = 1 << 31 | call.len() as u32;
    stream.write_all(&[&mark.to_be_bytes(), call].concat())?;
    let deadline = Instant::now() + PATIENCE;
    let mut reply = [0; 28];
    let mut got = 0;
    while got < reply.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        // None at all would be to wait for ever.
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.read(&mut reply[got..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => got += read,
        }
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    let mut message = [0; 24];
    message.copy_from_slice(&reply[4..]);
    Ok(message)
}

/// Whether a message is a reply to the call, accepted and successful, without a verifier (RFC 5531
/// section 9).
fn is_success(reply: &[u8; 24]) -> bool {
    let word =
        |at: usize| u32::from_be_bytes([reply[at], reply[at + 1], reply[at + 2], reply[at + 3]]);
    word(0) == XID && word(4) == 1 && word(8) == 0 && word(16) == 0 && word(20) == 0
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, UdpSocket},
        thread,
        time::{Duration, Instant},
    };

    use super::{Asking, Registration};

    fn registration(netid: &str, port: u16) -> Registration {
        let [high, low] = port.to_be_bytes();
        Registration {
            program: 536_870_913,
            version: 1,
            netid: netid.to_owned(),
            address: format!("0.0.0.0.{high}.{low}"),
            owner: String::new(),
        }
    }

    #[test]
    fn what_answers_is_told_from_what_is_silent_or_refuses() {
        for (status, answers) in [(0, true), (1, false)] {
            let reply = move |xid: &[u8]| {
                let rest = [1_u32, 0, 0, 0, status].map(u32::to_be_bytes).concat();
                [xid, &rest].concat()
            };
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = udp.local_addr().unwrap().port();
            let server = thread::spawn(move || {
                let mut call = [0; 64];
                let (_, from) = udp.recv_from(&mut call).unwrap();
                udp.send_to(&reply(&call[..4]), from).unwrap();
            });
            assert_eq!(Asking::new().answers(&registration("udp", port)), answers);
            server.join().unwrap();
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = tcp.local_addr().unwrap().port();
            let server = thread::spawn(move || {
                let mut call = [0; 44];
                let mut stream = tcp.accept().unwrap().0;
                stream.read_exact(&mut call).unwrap();
                let record = [&[0x80, 0, 0, 24], &*reply(&call[4..8])].concat();
                stream.write_all(&record).unwrap();
            });
            assert_eq!(Asking::new().answers(&registration("tcp", port)), answers);
            server.join().unwrap();
        }
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let begin = Instant::now();
        assert!(!Asking::new().answers(&registration("tcp", port)));
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
}
