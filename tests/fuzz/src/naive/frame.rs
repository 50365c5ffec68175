//! To which transport header Linux would bring a frame, layer by layer.
//!
//! What is left of the frame is handed from layer to layer as a slice; nothing is computed from the
//! start of the frame, as the parser has to.

/// The most VLAN tags and IPv6 extension headers that are followed, and how far into a frame.
const TAGS: usize = 4;
const EXTENSIONS: usize = 8;
const FARTHEST: usize = 4095;

/// Where a frame leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination<'a> {
    /// To no UDP or TCP socket.
    Elsewhere,
    /// Not to be told without following further, or without other fragments.
    Unclear(Way<'a>),
    /// To a socket that another fragment names.
    NamedElsewhere(Way<'a>),
    /// To the socket that a header names.
    Socket(Segment<'a>),
}

/// To which host a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way<'a> {
    /// The destination address; empty if it is out of reach.
    pub(crate) destination: &'a [u8],
    /// That may be a stop on the way to another.
    pub(crate) detours: bool,
}

/// A UDP or TCP header and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    /// The source address: 4 or 16 bytes.
    pub(crate) source: &'a [u8],
    pub(crate) way: Way<'a>,
    pub(crate) is_tcp: bool,
    /// Up to the end of the frame.
    pub(crate) bytes: &'a [u8],
    /// How many bytes the IP header says there are, which may be more or less than there are.
    pub(crate) claimed: i64,
    /// More fragments follow.
    pub(crate) goes_on: bool,
}

use Destination::{Elsewhere, NamedElsewhere, Socket, Unclear};

pub(crate) fn ethernet(frame: &[u8]) -> Destination<'_> {
    match frame.get(12..) {
        Some(rest) => tagged(frame, rest, 0),
        None => Elsewhere,
    }
}

/// What begins with an EtherType, behind so many tags.
fn tagged<'a>(frame: &'a [u8], bytes: &'a [u8], tags: usize) -> Destination<'a> {
    match bytes {
        [0x81, 0x00, ..] | [0x88, 0xa8, ..] if tags == TAGS => Unclear(Way {
            destination: &[],
            detours: false,
        }),
        [0x81, 0x00, _, _, rest @ ..] | [0x88, 0xa8, _, _, rest @ ..] => {
            tagged(frame, rest, tags + 1)
        }
        [0x08, 0x00, packet @ ..] => ipv4(packet),
        [0x86, 0xdd, packet @ ..] => ipv6(frame, packet),
        _ => Elsewhere,
    }
}

/// A packet without link layer.
pub(crate) fn network(frame: &[u8]) -> Destination<'_> {
    match frame.first() {
        Some(first) if first / 16 == 4 => ipv4(frame),
        Some(first) if first / 16 == 6 => ipv6(frame, frame),
        _ => Elsewhere,
    }
}

/// RFC 791.
fn ipv4(packet: &[u8]) -> Destination<'_> {
    let Some(header) = packet.get(..20) else {
        return Elsewhere;
    };
    let words = i64::from(header[0] % 16);
    if header[0] / 16 != 4 || words < 5 {
        return Elsewhere;
    }
    let is_tcp = match header[9] {
        6 => true,
        17 => false,
        _ => return Elsewhere,
    };
    let way = Way {
        destination: &header[16..20],
        detours: words > 5,
    };
    // In units of eight bytes; the three bits before it are flags, the last of which says "more".
    let fragment_offset = usize::from(header[6] % 32) * 256 + usize::from(header[7]);
    if fragment_offset != 0 {
        return if is_tcp {
            Elsewhere
        } else {
            NamedElsewhere(way)
        };
    }
    let total = i64::from(header[2]) * 256 + i64::from(header[3]);
    let goes_on = header[6] / 32 % 2 == 1;
    socket(Segment {
        source: &header[12..16],
        way,
        is_tcp,
        bytes: packet.get(words as usize * 4..).unwrap_or_default(),
        claimed: kept(total - words * 4, goes_on),
        goes_on,
    })
}

/// How many of the claimed bytes of a fragment Linux keeps: whole units of eight, if others follow.
fn kept(claimed: i64, goes_on: bool) -> i64 {
    match goes_on {
        true => claimed.div_euclid(8) * 8,
        false => claimed,
    }
}

/// RFC 8200.
fn ipv6<'a>(frame: &'a [u8], packet: &'a [u8]) -> Destination<'a> {
    let Some((header, payload)) = packet.split_at_checked(40) else {
        return Elsewhere;
    };
    if header[0] / 16 != 6 {
        return Elsewhere;
    }
    let claimed = match i64::from(header[4]) * 256 + i64::from(header[5]) {
        0 => 65_536,
        claimed => claimed,
    };
    let mut chain = Chain {
        behind: frame.len() - payload.len(),
        source: &header[8..24],
        way: Way {
            destination: &header[24..40],
            detours: false,
        },
        next: header[6],
        bytes: Some(payload),
        claimed,
        goes_on: false,
    };
    for _ in 0..EXTENSIONS {
        match chain.step() {
            Ok(next) => chain = next,
            Err(destination) => return destination,
        }
    }
    match chain.step() {
        Ok(_) => Unclear(chain.way),
        // A ninth extension header, cut off or not.
        Err(_) if chain.is_extension() => Unclear(chain.way),
        Err(destination) => destination,
    }
}

/// What follows a header that says what comes next.
#[derive(Clone, Copy)]
struct Chain<'a> {
    /// How many bytes of the frame came before.
    behind: usize,
    source: &'a [u8],
    way: Way<'a>,
    next: u8,
    /// `None` if the frame ends before.
    bytes: Option<&'a [u8]>,
    claimed: i64,
    goes_on: bool,
}

impl<'a> Chain<'a> {
    fn is_extension(&self) -> bool {
        // Hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, shim6.
        [0, 43, 44, 51, 60, 135, 139, 140].contains(&self.next)
    }

    /// Goes past one extension header, or says where the chain ends.
    fn step(self) -> Result<Self, Destination<'a>> {
        let is_transport = self.next == 6 || self.next == 17;
        if !is_transport && !self.is_extension() {
            return Err(Elsewhere);
        }
        if self.behind > FARTHEST {
            return Err(Unclear(self.way));
        }
        if is_transport {
            return Err(socket(Segment {
                source: self.source,
                way: self.way,
                is_tcp: self.next == 6,
                bytes: self.bytes.unwrap_or_default(),
                claimed: self.claimed,
                goes_on: self.goes_on,
            }));
        }
        let header = match self.bytes.unwrap_or_default() {
            [next, length, third, fourth, ..] if self.claimed >= 8 => {
                [*next, *length, *third, *fourth]
            }
            _ if self.goes_on => return Err(Unclear(self.way)),
            _ => return Err(Elsewhere),
        };
        let [next, length, third, fourth] = header.map(usize::from);
        let is_fragment = self.next == 44;
        if is_fragment && third * 32 + fourth / 8 != 0 {
            return Err(if next == 17 {
                NamedElsewhere(self.way)
            } else {
                Elsewhere
            });
        }
        let size = match self.next {
            44 => 8,
            51 => length * 4 + 8,
            _ => length * 8 + 8,
        };
        Ok(Self {
            behind: self.behind + size,
            next: header[0],
            way: Way {
                detours: self.way.detours || self.next == 43,
                ..self.way
            },
            bytes: self.bytes.and_then(|bytes| bytes.get(size..)),
            claimed: kept(self.claimed - size as i64, is_fragment && fourth % 2 == 1),
            goes_on: self.goes_on || is_fragment && fourth % 2 == 1,
            ..self
        })
    }
}

/// Of a first fragment, the next one might overwrite or complete a header that it does not have.
fn socket(segment: Segment<'_>) -> Destination<'_> {
    if segment.goes_on && segment.claimed < 8 {
        Unclear(segment.way)
    } else {
        Socket(segment)
    }
}
