//! What a packet asks the portmapper for.
//!
//! A call over UDP (RFC 5531 section 9, RFC 1833) is a row of big-endian words: transaction, message
//! type, RPC version, program, version, procedure, credential (flavour, length, body), verifier
//! (likewise), arguments.

use crate::{abi::REQUEST_COUNTERS, packet::PacketReader};

const CALL: u32 = 0;
const RPC_VERSION: u32 = 2;
const PORTMAPPER: u32 = 100_000;

/// A call without credential, verifier and arguments, in bytes.
const MIN_CALL_LEN: usize = 40;

/// The longest body of a credential or verifier, in bytes (RFC 5531 section 8.2).
const MAX_AUTH_LEN: u32 = 400;

const UDP_HEADER_LEN: usize = 8;

/// Where a UDP datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where the UDP header begins, in bytes from the start of the frame.
    pub offset: usize,
    /// Where Linux cuts the packet off, in bytes from the start of the frame.
    pub end: usize,
}

/// What a packet to a guarded port asks for.
///
/// The numbers index the counters and are part of the kernel ABI: they are only ever appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request(u8);

/// Each version, the number of its first procedure, and how many procedures it has.
///
/// There is no version zero. Clients call its NULL all the same, to be told in reply which versions
/// there are (RFC 5531 section 9, `PROG_MISMATCH`): `rpcinfo -u HOST 100000` begins with that.
const VERSIONS: [(u8, u8, u8); 4] = [(2, 0, 6), (3, 6, 9), (4, 15, 13), (0, 28, 1)];

const NAMES: [&str; Request::COUNT] = [
    "v2.NULL",
    "v2.SET",
    "v2.UNSET",
    "v2.GETPORT",
    "v2.DUMP",
    "v2.CALLIT",
    "v3.NULL",
    "v3.SET",
    "v3.UNSET",
    "v3.GETADDR",
    "v3.DUMP",
    "v3.CALLIT",
    "v3.GETTIME",
    "v3.UADDR2TADDR",
    "v3.TADDR2UADDR",
    "v4.NULL",
    "v4.SET",
    "v4.UNSET",
    "v4.GETADDR",
    "v4.DUMP",
    "v4.BCAST",
    "v4.GETTIME",
    "v4.UADDR2TADDR",
    "v4.TADDR2UADDR",
    "v4.GETVERSADDR",
    "v4.INDIRECT",
    "v4.GETADDRLIST",
    "v4.GETSTAT",
    "v0.NULL",
    "malformed",
    "fragment",
    "connection",
    "unknown",
];

/// The fewest bytes of arguments that a procedure can do with (RFC 1833 sections 2.1 and 3.1):
/// a `mapping` has four words; an `rpcb` two words and three strings; a string or a `netbuf` its
/// lengths; a call to be passed on three words and a length.
const MIN_ARGUMENTS: [u8; Request::PROCEDURES] = {
    const MAPPING: u8 = 16;
    const RPCB: u8 = 20;
    const STRING: u8 = 4;
    const NETBUF: u8 = 8;
    const INNER_CALL: u8 = 16;
    [
        0, MAPPING, MAPPING, MAPPING, 0, INNER_CALL, //
        0, RPCB, RPCB, RPCB, 0, INNER_CALL, 0, STRING, NETBUF, //
        0, RPCB, RPCB, RPCB, 0, INNER_CALL, 0, STRING, NETBUF, RPCB, INNER_CALL, RPCB, 0, //
        0,
    ]
};

impl Request {
    /// How many procedures there are in all versions; their numbers come first.
    pub const PROCEDURES: usize = 29;

    /// How many requests are told apart.
    pub const COUNT: usize = 33;

    /// A datagram that is no complete, plausible call of one of the procedures.
    pub const MALFORMED: Self = Self(29);

    /// The first fragment of a datagram, whose call the next one may complete.
    pub const FRAGMENT: Self = Self(30);

    /// A TCP segment that opens a connection.
    pub const CONNECTION: Self = Self(31);

    /// A packet of which it cannot be told whether it is to a guarded port: a later fragment, or what
    /// is [undecidable](crate::reason::Reason::Undecidable).
    pub const UNKNOWN: Self = Self(32);

    /// A procedure, by version and number; `None` if there is none.
    #[inline(always)]
    #[must_use]
    pub const fn procedure(version: u32, procedure: u32) -> Option<Self> {
        let (_, first, count) = match version {
            2 => VERSIONS[0],
            3 => VERSIONS[1],
            4 => VERSIONS[2],
            0 => VERSIONS[3],
            _ => return None,
        };
        if procedure < count as u32 {
            Some(Self(first + procedure as u8))
        } else {
            None
        }
    }

    /// The request of this number.
    #[must_use]
    pub const fn from_index(index: usize) -> Option<Self> {
        if index < Self::COUNT {
            Some(Self(index as u8))
        } else {
            None
        }
    }

    /// Every request, in the order of its number.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self)
    }

    /// The index of this request's counter.
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The name used in JSON, tables and arguments: `v2.DUMP`, `malformed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        NAMES[self.0 as usize]
    }

    /// Version and procedure number; `None` for what is no procedure.
    #[must_use]
    pub const fn version_and_procedure(self) -> Option<(u32, u32)> {
        let mut index = VERSIONS.len();
        while index > 0 {
            index -= 1;
            let (version, first, count) = VERSIONS[index];
            if self.0 >= first && self.0 < first + count {
                return Some((version as u32, (self.0 - first) as u32));
            }
        }
        None
    }

    /// This request's bit in a set of them.
    #[inline(always)]
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self.0
    }

    /// Whether the reply is no larger than the call, nothing is relayed, and unlisted clients have
    /// use for it: what the rate policy lets pass unless told otherwise.
    #[must_use]
    pub const fn is_harmless(self) -> bool {
        matches!(
            self.version_and_procedure(),
            Some((_, 0) | (2..=4, 3) | (3 | 4, 6..=8) | (4, 9))
        )
    }

    /// Reads what a datagram asks for.
    #[inline(always)]
    pub fn read<P: PacketReader>(packet: &P, datagram: Datagram) -> Self {
        let request = parse_call(packet, datagram).unwrap_or(Self::MALFORMED);
        // For the verifier, one request instead of many; it still hears that there is a counter for it.
        Self((packet.widen(request.index()) % REQUEST_COUNTERS) as u8)
    }
}

#[inline(always)]
fn parse_call<P: PacketReader>(packet: &P, datagram: Datagram) -> Option<Request> {
    let header = packet.read::<{ UDP_HEADER_LEN + MIN_CALL_LEN }>(datagram.offset)?;
    // RFC 768, RFC 2675 section 4: zero stands for what does not fit into the field.
    let length = match u16::from_be_bytes([header[4], header[5]]) {
        0 => datagram.end.checked_sub(datagram.offset)?,
        length => usize::from(length),
    };
    if datagram.offset + length > datagram.end || !packet.reaches(datagram.offset + length) {
        return None;
    }
    if two_words(&header, 4) != wire_order(CALL, RPC_VERSION) || word(&header, 12) != PORTMAPPER {
        return None;
    }
    let (version, procedure) = (word(&header, 16) as usize, word(&header, 20) as usize);
    if version >= CALLS.len() || procedure >= CALLS[0].len() {
        return None;
    }
    let [request, arguments] = CALLS[version][procedure];
    let bodies = match [word(&header, 28), word(&header, 36)] {
        [0, 0] => 0,
        [0, verifier_len @ 1..=MAX_AUTH_LEN] => padded(verifier_len),
        [credential_len @ 1..=MAX_AUTH_LEN, _] => {
            let at = UDP_HEADER_LEN + 36 + padded(credential_len);
            let at = packet.widen(datagram.offset + at);
            match u32::from_be_bytes(packet.read(at)?) {
                verifier_len @ 0..=MAX_AUTH_LEN => padded(credential_len) + padded(verifier_len),
                _ => return None,
            }
        }
        _ => return None,
    };
    let needed = MIN_CALL_LEN + bodies + usize::from(arguments);
    (UDP_HEADER_LEN + needed <= length).then_some(Request(request))
}

/// The number of the request and the fewest bytes of arguments, by version and procedure.
static CALLS: [[[u8; 2]; 16]; 8] = {
    let mut calls = [[[Request::MALFORMED.0, 0]; 16]; 8];
    let mut index = 0;
    while index < 8 * 16 {
        let (version, procedure) = (index >> 4, index & 0xf);
        if let Some(request) = Request::procedure(version as u32, procedure as u32) {
            calls[version][procedure] = [request.0, MIN_ARGUMENTS[request.0 as usize]];
        }
        index += 1;
    }
    calls
};

type Header = [u8; UDP_HEADER_LEN + MIN_CALL_LEN];

/// The word at this offset into the call.
#[inline(always)]
fn word(header: &Header, at: usize) -> u32 {
    let at = UDP_HEADER_LEN + at;
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&header[at..at + 4]);
    u32::from_be_bytes(bytes)
}

/// Two words at once, as they are on the wire.
#[inline(always)]
fn two_words(header: &Header, at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&header[UDP_HEADER_LEN + at..UDP_HEADER_LEN + at + 8]);
    u64::from_ne_bytes(bytes)
}

const fn wire_order(first: u32, second: u32) -> u64 {
    ((first as u64) << 32 | second as u64).to_be()
}

/// The length of opaque data with its padding (RFC 4506 section 4.10).
#[inline(always)]
const fn padded(len: u32) -> usize {
    (len as usize + 3) & !3
}
