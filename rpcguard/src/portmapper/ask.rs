//! How long the portmapper of this host answers.

use std::{io, net::SocketAddr, time::Duration};

use rpcguard_common::rpc::Request;

use super::{Call, ReplyFrom, reply::is_reply_to, udp};

/// A portmapper on this host answers in less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks the portmapper at `address` for a procedure; returns the length of its reply, in bytes of
/// payload.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] for a request that is no procedure; otherwise those of the socket, and
/// of having waited in vain.
pub(super) fn reply_len(address: SocketAddr, request: Request) -> io::Result<usize> {
    let (version, procedure) = request
        .version_and_procedure()
        .ok_or(io::ErrorKind::InvalidInput)?;
    let call = Call::of(version, procedure);
    let xid = xid(request);
    let answer = udp::ask(address, &call, xid, ReplyFrom::There, &[PATIENCE]).result?;
    if !is_reply_to(xid, &answer.message) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(answer.message.len())
}

/// One for each request; nobody else sends to this socket.
const fn xid(request: Request) -> u32 {
    0x7270_6300 | request.index() as u32
}

#[cfg(test)]
mod tests {
    use rpcguard_common::rpc::Request;

    use super::{
        super::{call::tests::read_by_the_filter, reply_sizes::is_asked},
        Call,
    };

    #[test]
    fn what_is_asked_is_what_the_filter_reads() {
        for request in Request::all().filter(|request| is_asked(*request)) {
            let (version, procedure) = request.version_and_procedure().unwrap();
            assert_eq!(read_by_the_filter(&Call::of(version, procedure)), request);
        }
    }
}
