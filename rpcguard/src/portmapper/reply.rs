//! What a portmapper answers (RFC 5531 section 9), or whoever answers in its place.
//!
//! onc-rpc borrows from the bytes that it reads and checks every length against what is there, so that a
//! reply costs no more memory than it has bytes. How many these may be, those who receive them say.

use std::fmt;

use onc_rpc::{AcceptedStatus, RejectedReply, ReplyBody, RpcMessage};

use super::record::LAST_FRAGMENT;

/// A reply to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The procedure was called; what it returned, in XDR.
    Success(&'a [u8]),
    /// It was not.
    Refused(Refusal),
}

/// Why a procedure was not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server has no such program.
    Program,
    /// It has others of its versions.
    Version {
        /// The lowest.
        low: u32,
        /// The highest.
        high: u32,
    },
    /// The version has no such procedure.
    Procedure,
    /// The arguments were not understood.
    Arguments,
    /// Something else went wrong in the server.
    System,
    /// The server speaks other versions of the RPC protocol.
    RpcVersion,
    /// The server wants credentials.
    Authentication,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => f.write_str("no such program"),
            Self::Version { low, high } if low == high => write!(f, "version {low} only"),
            Self::Version { low, high } => write!(f, "versions {low} to {high} only"),
            Self::Procedure => f.write_str("no such procedure"),
            Self::Arguments => f.write_str("arguments refused"),
            Self::System => f.write_str("system error"),
            Self::RpcVersion => f.write_str("another RPC version"),
            Self::Authentication => f.write_str("credentials refused"),
        }
    }
}

/// Reads the reply to the call of this transaction; `None` for anything else. Anybody may have sent it.
#[must_use]
pub fn read(xid: u32, message: &[u8]) -> Option<Reply<'_>> {
    // onc-rpc reads records. Its lengths are words.
    let mark = LAST_FRAGMENT
        | u32::try_from(message.len())
            .ok()
            .filter(|len| *len < LAST_FRAGMENT)?;
    let record = [&mark.to_be_bytes(), message].concat();
    let read = RpcMessage::try_from(record.as_slice()).ok()?;
    if read.xid() != xid {
        return None;
    }
    let refused = match read.reply_body()? {
        ReplyBody::Accepted(accepted) => match accepted.status() {
            AcceptedStatus::Success(results) => {
                return Some(Reply::Success(&message[message.len() - results.len()..]));
            }
            AcceptedStatus::ProgramUnavailable => Refusal::Program,
            AcceptedStatus::ProgramMismatch { low, high } => Refusal::Version {
                low: *low,
                high: *high,
            },
            AcceptedStatus::ProcedureUnavailable => Refusal::Procedure,
            AcceptedStatus::GarbageArgs => Refusal::Arguments,
            AcceptedStatus::SystemError => Refusal::System,
        },
        ReplyBody::Denied(RejectedReply::RpcVersionMismatch { .. }) => Refusal::RpcVersion,
        ReplyBody::Denied(RejectedReply::AuthError(_)) => Refusal::Authentication,
    };
    Some(Reply::Refused(refused))
}

/// Whether a datagram is an accepted reply to the call of this transaction. Anybody may have sent it.
#[must_use]
pub fn is_reply_to(xid: u32, datagram: &[u8]) -> bool {
    match read(xid, datagram) {
        Some(Reply::Success(_)) => true,
        Some(Reply::Refused(refusal)) => {
            !matches!(refusal, Refusal::RpcVersion | Refusal::Authentication)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::xdr::words, Refusal, Reply, is_reply_to, read};

    #[test]
    fn only_a_reply_to_the_call_counts() {
        let accepted = |xid: u32| words(&[xid, 1, 0, 0, 0, 0]);
        assert!(is_reply_to(7, &accepted(7)));
        assert!(!is_reply_to(7, &accepted(8)));
        assert!(!is_reply_to(7, &accepted(7)[..20]));
        assert!(!is_reply_to(7, b"nonsense"));
        assert!(!is_reply_to(7, b""));
    }

    #[test]
    fn replies_say_what_they_say() {
        let results = words(&[7, 1, 0, 0, 0, 0, 23, 42]);
        assert_eq!(read(7, &results), Some(Reply::Success(&results[24..])));
        for (reply, refusal) in [
            (vec![0, 0, 0, 1], Refusal::Program),
            (vec![0, 0, 0, 2, 3, 4], Refusal::Version { low: 3, high: 4 }),
            (vec![0, 0, 0, 3], Refusal::Procedure),
            (vec![0, 0, 0, 4], Refusal::Arguments),
            (vec![0, 0, 0, 5], Refusal::System),
            (vec![1, 0, 2, 2], Refusal::RpcVersion),
            (vec![1, 1, 5], Refusal::Authentication),
        ] {
            let message = [words(&[7, 1]), words(&reply)].concat();
            assert_eq!(read(7, &message), Some(Reply::Refused(refusal)));
        }
        // A call, another status, a verifier of 2 GiB.
        for message in [
            vec![7, 0, 2, 100_000, 2, 0, 0, 0, 0, 0],
            vec![7, 1, 0, 0, 0, 6],
            vec![7, 1, 0, 0, 1 << 31, 0],
        ] {
            assert_eq!(read(7, &words(&message)), None);
        }
    }
}
