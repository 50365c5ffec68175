//! One question to a portmapper, over UDP.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use onc_rpc::{AcceptedStatus, CallBody, MessageType, ReplyBody, RpcMessage, auth::AuthFlavor};
use rpcguard_common::rpc::Request;

const PORTMAPPER: u32 = 100_000;

/// What onc-rpc puts before a message for TCP, and expects there (RFC 5531 section 11), in bytes.
const RECORD_MARK_LEN: usize = 4;
const LAST_FRAGMENT: u32 = 1 << 31;

/// A portmapper on this host answers in less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks the portmapper at `address` for a procedure; returns its reply, which is an accepted one
/// (RFC 5531 section 9).
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] for a request that is no procedure; otherwise those of the socket, and
/// of having waited in vain.
pub(super) fn reply(address: SocketAddr, request: Request) -> io::Result<Vec<u8>> {
    let call = call(request).ok_or(io::ErrorKind::InvalidInput)?;
    let socket = UdpSocket::bind((
        if address.is_ipv4() {
            "127.0.0.1"
        } else {
            "::1"
        },
        0,
    ))?;
    socket.connect(address)?;
    socket.send(&call[RECORD_MARK_LEN..])?;
    let started = Instant::now();
    let mut datagram = vec![0; 1 << 16];
    loop {
        let left = PATIENCE
            .checked_sub(started.elapsed())
            .filter(|left| !left.is_zero())
            .ok_or(io::ErrorKind::TimedOut)?;
        socket.set_read_timeout(Some(left))?;
        let len = socket.recv(&mut datagram)?;
        if is_reply_to(xid(request), &datagram[..len]) {
            datagram.truncate(len);
            return Ok(datagram);
        }
    }
}

/// The call as onc-rpc writes it.
fn call(request: Request) -> Option<Vec<u8>> {
    let (version, procedure) = request.version_and_procedure()?;
    let body = CallBody::new(
        PORTMAPPER,
        version,
        procedure,
        AuthFlavor::AuthNone(None),
        AuthFlavor::AuthNone(None),
        arguments(version, procedure),
    );
    let message: RpcMessage<Vec<u8>, Vec<u8>> =
        RpcMessage::new(xid(request), MessageType::Call(body));
    message.serialise().ok()
}

/// One for each request; nobody else sends to this socket.
const fn xid(request: Request) -> u32 {
    0x7270_6300 | request.index() as u32
}

/// Arguments that ask for the portmapper itself (RFC 1833 sections 2.1 and 3.1).
fn arguments(version: u32, procedure: u32) -> Vec<u8> {
    const UDP: u32 = 17;
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_be_bytes()).collect() };
    let opaque = |bytes: &[u8]| -> Vec<u8> {
        let mut encoded = words(&[bytes.len() as u32]);
        encoded.extend(bytes);
        encoded.resize(encoded.len().next_multiple_of(4), 0);
        encoded
    };
    // Port 111 of 127.0.0.1, as `struct sockaddr_in`.
    let sockaddr = [2, 0, 0, 111, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    match (version, procedure) {
        (2, 3) => words(&[PORTMAPPER, 2, UDP, 0]),
        (3 | 4, 3) | (4, 9 | 11) => [
            words(&[PORTMAPPER, version]),
            opaque(b"udp"),
            opaque(b""),
            opaque(b""),
        ]
        .concat(),
        (3 | 4, 7) => opaque(b"127.0.0.1.0.111"),
        (3 | 4, 8) => [words(&[sockaddr.len() as u32]), opaque(&sockaddr)].concat(),
        _ => Vec::new(),
    }
}

/// Whether a datagram is an accepted reply to the call of this transaction. Anybody may have sent it.
#[must_use]
pub fn is_reply_to(xid: u32, datagram: &[u8]) -> bool {
    let record = record(datagram);
    let Ok(message) = RpcMessage::try_from(record.as_slice()) else {
        return false;
    };
    message.xid() == xid && matches!(message.reply_body(), Some(ReplyBody::Accepted(_)))
}

/// What an accepted reply brings if the procedure succeeded, encoded as its results are.
pub(super) fn results(reply: &[u8]) -> Option<Vec<u8>> {
    let record = record(reply);
    let message = RpcMessage::try_from(record.as_slice()).ok()?;
    match message.reply_body()? {
        ReplyBody::Accepted(accepted) => match accepted.status() {
            AcceptedStatus::Success(results) => Some(results.to_vec()),
            _ => None,
        },
        ReplyBody::Denied(_) => None,
    }
}

/// A datagram as it would be in a TCP connection.
fn record(datagram: &[u8]) -> Vec<u8> {
    let mark = LAST_FRAGMENT | datagram.len() as u32;
    [&mark.to_be_bytes(), datagram].concat()
}

#[cfg(test)]
mod tests {
    use rpcguard_common::{
        packet::SliceReader,
        rpc::{Datagram, Request},
    };

    use super::{super::reply_sizes::is_asked, RECORD_MARK_LEN, call, is_reply_to};

    #[test]
    fn what_is_asked_is_what_the_filter_reads() {
        for request in Request::all().filter(|request| is_asked(*request)) {
            let call = call(request).unwrap();
            let payload = &call[RECORD_MARK_LEN..];
            let len = 8 + payload.len();
            let header = [0, 1, 0, 111, (len >> 8) as u8, len as u8, 0, 0];
            let frame = [&header, payload].concat();
            let datagram = Datagram {
                offset: 0,
                end: frame.len(),
            };
            assert_eq!(Request::read(&SliceReader(&frame), datagram), request);
        }
    }

    #[test]
    fn only_a_reply_to_the_call_counts() {
        let accepted = |xid: u32| {
            [xid, 1, 0, 0, 0, 0]
                .iter()
                .flat_map(|w| w.to_be_bytes())
                .collect::<Vec<u8>>()
        };
        assert!(is_reply_to(7, &accepted(7)));
        assert!(!is_reply_to(7, &accepted(8)));
        assert!(!is_reply_to(7, &accepted(7)[..20]));
        assert!(!is_reply_to(7, b"nonsense"));
        assert!(!is_reply_to(7, b""));
    }
}
