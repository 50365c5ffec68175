//! One question to a portmapper, over UDP.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use super::{Call, reply};
use crate::sys::icmp::{self, Reported};

/// The wait ends after this many datagrams from the address that was asked, without a reply.
const MAX_STRAY: u32 = 256;

/// The wait ends after this many datagrams from elsewhere: they crowd the reply out.
const MAX_FOREIGN: u32 = 16_384;

/// How long a reply is waited for after an ICMP error, at most.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// From where a reply is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyFrom {
    /// From the address and port that were asked.
    There,
    /// From anywhere: a host with several addresses may answer from whichever the way back begins
    /// at, and rpcbind sends what it relays from a port of its own.
    Anywhere,
}

/// A reply, or something in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The payload.
    pub message: Vec<u8>,
    /// The sender.
    pub from: SocketAddr,
    /// From when the call was first sent to when the answer came.
    pub took: Duration,
}

/// How asking went.
#[derive(Debug)]
pub struct Asked {
    /// Payload of each datagram that was sent, in bytes.
    pub request_len: usize,
    /// How many were sent.
    pub attempts: u32,
    /// The reply; or [`io::ErrorKind::TimedOut`], and other errors of the socket.
    pub result: io::Result<Answer>,
    /// The details of the error in `result`, where it is one of ICMP and replies are taken from
    /// anywhere.
    pub(crate) reported: Option<Reported>,
}

/// Asks the portmapper at `address`, and asks again after each of `waits`, the last of which is how
/// long it is waited for in the end. A reply to any of these is one. Whatever is no reply to this
/// call is passed over, unless it is larger than the call and no other reply comes; ICMP errors
/// about it end the wait before it is asked again.
///
/// Where replies may come from anywhere, `xid` alone tells whether one is: it must be random.
#[must_use]
pub fn ask(
    address: SocketAddr,
    call: &Call,
    xid: u32,
    from: ReplyFrom,
    waits: &[Duration],
) -> Asked {
    let datagram = call.datagram(xid);
    let mut asked = Asked {
        request_len: datagram.len(),
        attempts: 0,
        result: Err(io::ErrorKind::TimedOut.into()),
        reported: None,
    };
    asked.result = exchange(address, &datagram, xid, from, waits, &mut asked);
    asked
}

/// The address that datagrams to another one leave from. Nothing is sent.
///
/// # Errors
///
/// If there is no route.
pub fn source_address(address: SocketAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(unspecified(address))?;
    socket.connect(address)?;
    Ok(socket.local_addr()?.ip())
}

fn unspecified(address: SocketAddr) -> SocketAddr {
    if address.is_ipv4() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    }
}

fn exchange(
    address: SocketAddr,
    datagram: &[u8],
    xid: u32,
    from: ReplyFrom,
    waits: &[Duration],
    asked: &mut Asked,
) -> io::Result<Answer> {
    let socket = UdpSocket::bind(unspecified(address))?;
    match from {
        ReplyFrom::There => socket.connect(address)?,
        ReplyFrom::Anywhere => icmp::report_errors(&socket, address.is_ipv6())?,
    }
    let mut buffer = vec![0; 1 << 16];
    let (mut strays, mut foreign) = (0, 0);
    let mut unreadable = None;
    let begun = Instant::now();
    let mut is_certain = false;
    for wait in waits {
        // Where several answer for one address, a reply may come after an error.
        if is_certain {
            break;
        }
        let send = || match from {
            ReplyFrom::There => socket.send(datagram),
            ReplyFrom::Anywhere => socket.send_to(datagram, address),
        };
        // A socket reports errors about earlier datagrams when it is to send another one.
        if let Err(error) = send() {
            is_certain |= about_this(&socket, datagram, from, error, asked)?;
            let _ = send();
        }
        asked.attempts += 1;
        let sent = Instant::now();
        let mut until = *wait;
        while let Some(left) = until
            .checked_sub(sent.elapsed())
            .filter(|left| !left.is_zero())
        {
            socket.set_read_timeout(Some(left))?;
            let (len, sender) = match socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if is_timeout(&error) => break,
                Err(error) => {
                    if about_this(&socket, datagram, from, error, asked)? {
                        is_certain = true;
                        until = until.min(sent.elapsed() + AFTER_ERROR);
                    }
                    continue;
                }
            };
            let message = &buffer[..len];
            if reply::read(xid, message).is_some() {
                return Ok(Answer {
                    message: message.to_vec(),
                    from: sender,
                    took: begun.elapsed(),
                });
            }
            if unreadable.is_none() && is_larger_and_to(xid, message, datagram) {
                unreadable = Some(Answer {
                    message: message.to_vec(),
                    from: sender,
                    took: begun.elapsed(),
                });
            }
            // Datagrams from elsewhere say nothing about the address that was asked.
            if sender.ip() == address.ip() {
                strays += 1;
            } else {
                foreign += 1;
            }
            if strays == MAX_STRAY || foreign == MAX_FOREIGN {
                return without_reply(unreadable, strays + foreign, asked);
            }
        }
    }
    without_reply(unreadable, strays, asked)
}

/// Returns the next best thing to a reply: a larger datagram, or the reason why there is none.
fn without_reply(unreadable: Option<Answer>, strays: u32, asked: &mut Asked) -> io::Result<Answer> {
    if let Some(answer) = unreadable {
        return Ok(answer);
    }
    if strays != 0 {
        asked.reported = None;
        let what = format!("{strays} datagrams came, none of them a reply to the call");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Err(match &asked.reported {
        Some(reported) => io::Error::from_raw_os_error(reported.errno),
        None => io::ErrorKind::TimedOut.into(),
    })
}

/// Whether a datagram is larger than the call and answers it, whatever else is in it: it is of use
/// to an attacker.
fn is_larger_and_to(xid: u32, message: &[u8], datagram: &[u8]) -> bool {
    const REPLY: u32 = 1;
    let header = [xid.to_be_bytes(), REPLY.to_be_bytes()].concat();
    message.len() > datagram.len() && message.starts_with(&header)
}

/// Keeps an error that is about this call; one that quotes another datagram is forged. Returns
/// whether nothing else is to be expected. Any error but that the port is closed may pass, as where
/// a router looks for its neighbour: it has to come again.
fn about_this(
    socket: &UdpSocket,
    datagram: &[u8],
    from: ReplyFrom,
    error: io::Error,
    asked: &mut Asked,
) -> io::Result<bool> {
    if from == ReplyFrom::There {
        return Err(error);
    }
    let (mut is_passing, mut is_certain) = (false, false);
    while let Some(reported) = icmp::take_error(socket)? {
        let compared = reported.quoted.len().min(datagram.len());
        if reported.quoted[..compared] == datagram[..compared] {
            let is_closed = reported.errno == libc::ECONNREFUSED;
            let is_again = asked.reported.replace(reported).is_some();
            // Without a quotation, it may be about anything, and from anybody.
            is_certain |= compared != 0 && (is_closed || is_again);
        }
        is_passing = true;
    }
    if is_passing {
        Ok(is_certain)
    } else {
        Err(error)
    }
}

/// A read that timed out, by either of the names that Linux may give to it.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::{
        io::ErrorKind,
        net::UdpSocket,
        thread,
        time::{Duration, Instant},
    };

    use super::{super::xdr::words, Asked, Call, MAX_STRAY, ReplyFrom, ask};

    const SHORT: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(200)];
    const XID: u32 = 7;

    fn accepted(xid: u32) -> Vec<u8> {
        words(&[xid, 1, 0, 0, 0, 0])
    }

    /// Asks a server that answers each of so many datagrams with these.
    fn ask_a_server(calls: usize, answers: &[Vec<u8>], from: ReplyFrom) -> Asked {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                server
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .unwrap();
                for _ in 0..calls {
                    let (_, client) = server.recv_from(&mut [0; 64]).unwrap();
                    for answer in answers {
                        let sender = if from == ReplyFrom::There {
                            &server
                        } else {
                            &other
                        };
                        // Who has gone needs no more answers.
                        let _ = sender.send_to(answer, client);
                    }
                }
            });
            ask(address, &Call::null(2), XID, from, &SHORT)
        })
    }

    #[test]
    fn only_the_reply_to_this_call_is_taken() {
        let answers = [
            b"x".to_vec(),
            accepted(8),
            accepted(7)[..20].to_vec(),
            accepted(7),
        ];
        let asked = ask_a_server(1, &answers, ReplyFrom::There);
        assert_eq!(asked.result.unwrap().message, accepted(7));
        assert_eq!((asked.attempts, asked.request_len), (1, 40));
    }

    #[test]
    fn who_is_silent_is_asked_again() {
        let asked = ask_a_server(2, &[], ReplyFrom::There);
        assert_eq!(asked.result.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(asked.attempts, 2);
    }

    #[test]
    fn replies_from_another_port_are_taken_where_they_may_be() {
        let asked = ask_a_server(1, &[accepted(7)], ReplyFrom::Anywhere);
        assert_eq!(asked.result.unwrap().message, accepted(7));
    }

    #[test]
    fn a_flood_of_other_things_ends_the_wait() {
        let flood = vec![accepted(8); MAX_STRAY as usize + 10];
        let started = Instant::now();
        let asked = ask_a_server(1, &flood, ReplyFrom::There);
        assert_eq!(asked.attempts, 1);
        assert_eq!(asked.result.unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_closed_port_is_told_from_a_silent_one() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let address = UdpSocket::bind(host).unwrap().local_addr().unwrap();
            for from in [ReplyFrom::There, ReplyFrom::Anywhere] {
                let asked = ask(address, &Call::null(2), XID, from, &SHORT);
                let error = asked.result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                assert_eq!(asked.attempts, 1);
            }
        }
    }
}
