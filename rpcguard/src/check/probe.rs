//! The questions to another portmapper, and their outcomes.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use rpcguard_common::parse::Transport;

use super::{
    verdict::{Came, Question},
    wire_len,
};
use crate::portmapper::{Call, Registrations, Reply, read_reply};

/// The error numbers of ICMP errors while a connection is made, but for a closed port
/// (`icmp_err_convert` and `icmpv6_err_convert` of Linux). The kernel does not tell the type and
/// code.
const REJECTIONS: [i32; 7] = [
    libc::EHOSTUNREACH,
    libc::ENETUNREACH,
    libc::EACCES,
    libc::ENOPROTOOPT,
    libc::EHOSTDOWN,
    libc::ENONET,
    libc::EPROTO,
];

/// The results of GETSTAT with nothing in its lists: 17 words for each of three versions.
const MIN_STATISTICS: usize = 3 * 17 * 4;

/// Something to ask a portmapper.
///
/// None of it changes anything but counters of fixed size: rpcbind keeps an entry for ever for each
/// program that GETADDR, GETVERSADDR or GETPORT ask for, and removes registrations that these find
/// dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    /// The procedure that does nothing, in the oldest version of the protocol.
    Null,
    /// The same in version 4, as [`Probe::AddressList`].
    NullBeside,
    /// Everything that is registered, in this version of the protocol.
    Dump(u32),
    /// How often each procedure was called.
    Statistics,
    /// All addresses of the portmapper itself: a larger reply, but never one in fragments. rpcbind
    /// keeps one entry of its statistics for it, of 28 bytes, for each family that it is asked in.
    AddressList,
    /// To relay a call, of the portmapper's own procedure that does nothing. This kills rpcbind up
    /// to 0.2.1.
    Relay,
    /// As [`Probe::Dump`] of version 2 or 3, of the port that relayed calls are answered from.
    DumpOfRelay,
}

impl Probe {
    /// The procedure's name in RFC 1833.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null | Self::NullBeside => "NULL",
            Self::Dump(_) | Self::DumpOfRelay => "DUMP",
            Self::Statistics => "GETSTAT",
            Self::AddressList => "GETADDRLIST",
            Self::Relay => "CALLIT",
        }
    }

    const fn question(self) -> Question {
        match self {
            Self::Null => Question::Small,
            Self::NullBeside => Question::SmallBeside,
            Self::AddressList => Question::Medium,
            Self::Dump(_) | Self::DumpOfRelay | Self::Statistics => Question::Large,
            Self::Relay => Question::Relay,
        }
    }

    pub(super) fn call(self, ipv6: bool) -> Call {
        // Version 2 knows of no IPv6.
        let oldest = if ipv6 { 3 } else { 2 };
        match self {
            Self::Null => Call::null(oldest),
            Self::NullBeside => Call::null(4),
            Self::Dump(version) => Call::dump(version),
            Self::DumpOfRelay => Call::dump(oldest),
            Self::Statistics => Call::statistics(),
            Self::AddressList => Call::address_list(),
            Self::Relay => Call::relay_null(oldest),
        }
    }
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its payload, in bytes.
    pub len: usize,
    /// Where it came from.
    pub from: SocketAddr,
    /// How long it took, since the question was first sent.
    pub took: Duration,
    /// Why the call was refused, if it was.
    pub refused: Option<String>,
    /// Whether the results are not what the procedure returns.
    pub malformed: bool,
    /// The registrations, if the question was for them.
    pub registrations: Option<Registrations>,
    /// The beginning of the message.
    pub beginning: Vec<u8>,
}

/// The outcome of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A reply.
    Answered(Answered),
    /// Nothing.
    Silent,
    /// The port is closed: an ICMP error or a reset connection said so.
    Closed,
    /// Something on the way, or a firewall, said that it cannot be reached.
    Rejected(String),
    /// Something else than a reply.
    Garbage(String),
    /// It could not be sent.
    Failed(String),
}

impl Outcome {
    /// The word for it in tables and JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Silent => "silent",
            Self::Closed => "closed",
            Self::Rejected(_) => "rejected",
            Self::Garbage(_) => "garbage",
            Self::Failed(_) => "failed",
        }
    }

    /// Returns the outcome of a call that failed on a connection.
    pub(super) fn of_error(error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::TimedOut => Self::Silent,
            Kind::ConnectionRefused => Self::Closed,
            Kind::InvalidData => Self::Garbage(error.to_string()),
            // As a server does that consults hosts.deny.
            Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe => {
                Self::Rejected("the connection was ended".to_owned())
            }
            _ if REJECTIONS.contains(&error.raw_os_error().unwrap_or_default()) => {
                Self::Rejected(error.to_string())
            }
            // EPERM is what this host's own firewall says.
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// A probe, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// The question.
    pub probe: Probe,
    /// In which version of the protocol.
    pub version: u32,
    /// How.
    pub transport: Transport,
    /// Which port.
    pub port: u16,
    /// When it was sent first.
    pub started: SystemTime,
    /// How often it was sent.
    pub attempts: u32,
    /// Its payload, in bytes.
    pub request_len: usize,
    /// The outcome.
    pub outcome: Outcome,
}

impl ProbeResult {
    /// The reply, if there is one.
    #[must_use]
    pub const fn answer(&self) -> Option<&Answered> {
        match &self.outcome {
            Outcome::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    /// Classifies the question and its outcome for the verdict.
    pub(super) fn seen(&self, ipv6: bool) -> (Question, Came) {
        let is_larger = |[payload, wire]: [f64; 2]| payload > 1.0 || wire > 1.0;
        let came = match &self.outcome {
            Outcome::Answered(_) if self.factors(ipv6).is_some_and(is_larger) => Came::Larger,
            Outcome::Answered(answer) if answer.malformed => Came::Garbage,
            Outcome::Answered(answer) if answer.refused.is_some() => Came::Refusal,
            Outcome::Answered(_) => Came::Success,
            Outcome::Silent => Came::Silence,
            Outcome::Closed | Outcome::Rejected(_) => Came::Unreachable,
            Outcome::Garbage(_) => Came::Garbage,
            Outcome::Failed(_) => Came::NotAsked,
        };
        (self.probe.question(), came)
    }

    /// How many times larger than the request the reply is, of payload and on the wire. Connections
    /// do not amplify: their addresses cannot be forged.
    #[must_use]
    pub fn factors(&self, ipv6: bool) -> Option<[f64; 2]> {
        let answer = self.answer()?;
        (self.transport == Transport::Udp).then(|| {
            let ratio = |reply: usize, request: usize| reply as f64 / request as f64;
            [
                ratio(answer.len, self.request_len),
                ratio(wire_len(answer.len, ipv6), wire_len(self.request_len, ipv6)),
            ]
        })
    }
}

/// Reads the reply to a probe.
pub(super) fn answered(
    probe: Probe,
    call: &Call,
    xid: u32,
    message: &[u8],
    from: SocketAddr,
    took: Duration,
) -> Outcome {
    const BEGINNING: usize = 64;
    let mut answered = Answered {
        len: message.len(),
        from,
        took,
        refused: None,
        malformed: false,
        registrations: None,
        beginning: message[..message.len().min(BEGINNING)].to_vec(),
    };
    match read_reply(xid, message) {
        Some(Reply::Success(results)) => {
            answered.malformed = match probe {
                Probe::Dump(_) | Probe::DumpOfRelay => {
                    answered.registrations = Registrations::read(call.version(), results);
                    answered.registrations.is_none()
                }
                Probe::Statistics => results.len() < MIN_STATISTICS,
                Probe::Null | Probe::NullBeside | Probe::AddressList | Probe::Relay => false,
            };
        }
        Some(Reply::Refused(refusal)) => answered.refused = Some(refusal.to_string()),
        // Larger than the call: that is of use to an attacker, whatever is in it.
        None => answered.malformed = true,
    }
    Outcome::Answered(answered)
}
