//! What is decided about a frame.

use std::cell::RefCell;

use rpcguard_common::{
    abi::{Decision, Verdict},
    glance::{Glance, glance_at},
    packet::{MAX_READ_OFFSET, PacketReader as _, SliceReader},
    parse::LinkLayer,
    policy::{Address, Arrival, Outcome, Tables, decide, is_to_guarded, judge, source},
    reason::Reason,
    rpc::{Datagram, Request},
};

use crate::naive::{
    call,
    frame::{self, Destination, Segment, Way},
};

/// On either kind of device, under any policy: every reader of the frame comes to the same, and
/// unlisted sources alone are charged, for what they are served.
pub fn packet(frame: &[u8]) {
    let harmless = Request::all()
        .filter(|request| request.is_harmless())
        .fold(0, |set, request| set | request.bit());
    let everything = Request::CONNECTION.bit() | ((1 << Request::PROCEDURES) - 1);
    for link in [LinkLayer::Ethernet, LinkLayer::None] {
        for tcp in [false, true] {
            for served in [None, Some(harmless), Some(everything)] {
                for selective in [false, true] {
                    decided(frame, link, &Policy::new(tcp, served, selective));
                }
            }
        }
    }
    reads(frame);
}

/// A policy that lists and admits by the last bits of addresses, and remembers what it was asked.
struct Policy {
    tcp: bool,
    served: Option<u64>,
    /// Guards half of the destinations only.
    selective: bool,
    asked: RefCell<Asked>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    looked_up: Vec<Vec<u8>>,
    charged: Vec<(Vec<u8>, u32)>,
}

const ALLOWED_SLOT: u32 = 7;
const DENIED_SLOT: u32 = 9;

impl Policy {
    fn new(tcp: bool, served: Option<u64>, selective: bool) -> Self {
        Self {
            tcp,
            served,
            selective,
            asked: RefCell::default(),
        }
    }

    fn is_guarded(port: u16) -> bool {
        matches!(port, 111 | 2049 | 0xff00..)
    }

    fn guards(&self, way: Way<'_>) -> bool {
        way.detours || self.guards_destination(way.destination)
    }

    fn guards_destination(&self, address: &[u8]) -> bool {
        !self.selective || address.last().is_some_and(|last| last % 2 == 0)
    }

    fn verdict(address: &[u8]) -> Verdict {
        match address.last().map(|last| last % 4) {
            Some(1) => Verdict::Allow,
            Some(2) => Verdict::Deny,
            _ => Verdict::Unlisted,
        }
    }

    fn admits(address: &[u8], call: u32) -> bool {
        (u32::from(address[0]) ^ call).is_multiple_of(2)
    }
}

fn octets(address: Address) -> Vec<u8> {
    match address {
        Address::V4(address) => address.to_vec(),
        Address::V6(address) => address.to_vec(),
    }
}

impl Tables for Policy {
    fn guards_port(&self, port: u16) -> bool {
        Self::is_guarded(port)
    }

    fn guards_tcp(&self) -> bool {
        self.tcp
    }

    fn is_selective(&self) -> bool {
        self.selective
    }

    fn guards_destination(&self, destination: Address) -> bool {
        self.guards_destination(&octets(destination))
    }

    fn lookup(&self, source: Address) -> Decision {
        let address = octets(source);
        let decision = match Self::verdict(&address) {
            Verdict::Allow => Decision::listed(Verdict::Allow, ALLOWED_SLOT),
            Verdict::Deny => Decision::listed(Verdict::Deny, DENIED_SLOT),
            Verdict::Unlisted => Decision::UNLISTED,
        };
        self.asked.borrow_mut().looked_up.push(address);
        decision
    }

    fn served(&self) -> Option<u64> {
        self.served
    }

    fn admits(&self, source: Address, call: u32) -> bool {
        let address = octets(source);
        let admitted = Self::admits(&address, call);
        self.asked.borrow_mut().charged.push((address, call));
        admitted
    }
}

/// What is expected: reason, request and hit slot, and what the tables are asked.
type Expected = (Option<(Reason, Request, u32)>, Asked);

fn expected(frame: &[u8], link: LinkLayer, policy: &Policy) -> Expected {
    let destination = match link {
        LinkLayer::Ethernet => frame::ethernet(frame),
        LinkLayer::None => frame::network(frame),
    };
    let unknown = |reason, way: Way<'_>| {
        let guarded = way.destination.is_empty() || policy.guards(way);
        let told = guarded.then_some((reason, Request::UNKNOWN, 0));
        (told, Asked::default())
    };
    let segment = match destination {
        Destination::Elsewhere => return (None, Asked::default()),
        Destination::Unclear(way) => return unknown(Reason::Undecidable, way),
        Destination::NamedElsewhere(way) => return unknown(Reason::LaterFragment, way),
        Destination::Socket(segment) => segment,
    };
    match request(&segment, policy) {
        Asking::Nothing => (None, Asked::default()),
        Asking::Unclear => unknown(Reason::Undecidable, segment.way),
        Asking::For(request) => judged(&segment, request, policy),
    }
}

/// What a segment asks a guarded port for.
enum Asking {
    Nothing,
    Unclear,
    For(Request),
}

fn request(segment: &Segment<'_>, policy: &Policy) -> Asking {
    let missing = match segment.goes_on {
        true => Asking::Unclear,
        false => Asking::Nothing,
    };
    if segment.is_tcp && !policy.tcp {
        return Asking::Nothing;
    }
    let [_, _, high, low, ..] = segment.bytes else {
        return missing;
    };
    if !Policy::is_guarded(u16::from_be_bytes([*high, *low])) || !policy.guards(segment.way) {
        return Asking::Nothing;
    }
    if !segment.is_tcp {
        return Asking::For(match segment.goes_on {
            true => Request::FRAGMENT,
            false => called(segment),
        });
    }
    match segment.bytes.get(13) {
        Some(_) if segment.goes_on && segment.claimed < 14 => missing,
        None => missing,
        // SYN, and not ACK.
        Some(flags) if flags & 0x12 == 0x02 => Asking::For(Request::CONNECTION),
        Some(_) => Asking::Nothing,
    }
}

fn called(segment: &Segment<'_>) -> Request {
    let Ok(end) = usize::try_from(segment.claimed) else {
        return Request::MALFORMED;
    };
    let datagram = Datagram { offset: 0, end };
    call::read(segment.bytes, datagram)
        .and_then(|(version, procedure)| Request::procedure(version, procedure))
        .unwrap_or(Request::MALFORMED)
}

fn judged(segment: &Segment<'_>, request: Request, policy: &Policy) -> Expected {
    let address = segment.source.to_vec();
    let mut asked = Asked {
        looked_up: vec![address.clone()],
        charged: Vec::new(),
    };
    let (reason, slot) = match (Policy::verdict(&address), policy.served) {
        (Verdict::Allow, _) => (Reason::Allowed, ALLOWED_SLOT),
        (Verdict::Deny, _) => (Reason::Denied, DENIED_SLOT),
        (Verdict::Unlisted, None) => (Reason::Unlisted, 0),
        (Verdict::Unlisted, Some(_)) if request == Request::MALFORMED => (Reason::Malformed, 0),
        (Verdict::Unlisted, Some(_)) if request == Request::FRAGMENT => (Reason::Fragment, 0),
        (Verdict::Unlisted, Some(served)) if served >> request.index() & 1 == 0 => {
            (Reason::Amplifier, 0)
        }
        (Verdict::Unlisted, Some(_)) => {
            // The sequence number of a segment, the transaction of a call.
            let at = if segment.is_tcp { 4 } else { 8 };
            let call = segment.bytes[at..at + 4]
                .iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte));
            asked.charged.push((address.clone(), call));
            match Policy::admits(&address, call) {
                true => (Reason::WithinRate, 0),
                false => (Reason::OverRate, 0),
            }
        }
    };
    (Some((reason, request, slot)), asked)
}

fn decided(frame: &[u8], link: LinkLayer, policy: &Policy) {
    let packet = SliceReader(frame);
    let outcome = decide(&packet, link, policy);
    let asked = policy.asked.take();
    let (expected, expected_asked) = expected(frame, link, policy);
    let told = outcome.map(|outcome| (outcome.reason, outcome.request, outcome.hit_slot));
    assert_eq!(told, expected, "{link:?}");
    assert_eq!(asked, expected_asked, "{link:?}");
    if let Some(outcome) = outcome {
        has_source(&packet, outcome, &asked);
    }
    glanced(&packet, link, policy, outcome);
    assert_eq!(policy.asked.take(), Asked::default(), "asked at a glance");
}

/// What is counted by source is counted under the source that was looked up.
fn has_source(packet: &SliceReader<'_>, outcome: Outcome, asked: &Asked) {
    let sources: Vec<_> = match outcome.request {
        Request::UNKNOWN => Vec::new(),
        _ => vec![octets(source(packet, outcome.network).expect("a source"))],
    };
    assert_eq!(sources, asked.looked_up);
}

/// The short cut that the program takes comes to what it is a short cut to.
fn glanced(packet: &SliceReader<'_>, link: LinkLayer, policy: &Policy, decided: Option<Outcome>) {
    match glance_at(packet, link, Policy::is_guarded) {
        Glance::Unclear => {}
        Glance::Udp { plain, port } if Policy::is_guarded(port) => {
            let datagram = plain.datagram(packet).expect("what was seen is there");
            let arrival = Arrival {
                network: plain.network(),
                transport: datagram.offset,
                request: Request::read(packet, datagram),
            };
            let judged = is_to_guarded(packet, plain.network(), policy)
                .then(|| judge(packet, arrival, policy));
            assert_eq!(judged.flatten(), decided, "at a glance");
            policy.asked.take();
        }
        Glance::Udp { .. } | Glance::Other => assert_eq!(decided, None, "at a glance"),
    }
}

/// A read is the bytes that are there, and no others.
fn reads(frame: &[u8]) {
    let packet = SliceReader(frame);
    for offset in [0, frame.len() / 2, frame.len(), usize::MAX] {
        let there = frame
            .iter()
            .skip(offset)
            .take(8)
            .copied()
            .collect::<Vec<_>>();
        let read = packet.read::<8>(offset).map(|bytes| bytes.to_vec());
        let readable = there.len() == 8 && offset <= MAX_READ_OFFSET;
        assert_eq!(read, readable.then_some(there), "at {offset}");
        assert_eq!(packet.reaches(offset), offset <= frame.len());
    }
}
