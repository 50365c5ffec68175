//! [`Parsed`] packet and [`Tables`] to [`Outcome`].

use network_types::udp::UdpHdr;

use crate::{
    abi::{Decision, Verdict},
    packet::PacketReader,
    parse::{Flow, LinkLayer, Network, Parsed, TCP_FLAGS_OFFSET, Transport, parse},
    reason::Reason,
    rpc::{Datagram, Request},
};

const TCP_SYN: u8 = 0x02;
const TCP_ACK: u8 = 0x10;

/// The address of a source or a destination, in wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 address.
    V6([u8; 16]),
}

/// Where settings and prefixes come from: BPF maps in the kernel, plain collections in tests.
///
/// All answers for one packet come from one epoch, so that no packet sees half a change.
pub trait Tables {
    /// Whether this destination port (host order) is guarded.
    fn guards_port(&self, port: u16) -> bool;

    /// Whether TCP to the guarded ports is guarded as well.
    fn guards_tcp(&self) -> bool;

    /// Whether only packets to some destinations are guarded, and those to others none of the
    /// filter's business.
    fn is_selective(&self) -> bool;

    /// Whether packets to this destination are guarded, if [not all](Self::is_selective) are.
    fn guards_destination(&self, destination: Address) -> bool;

    /// What the longest prefix that matches `source` says.
    fn lookup(&self, source: Address) -> Decision;

    /// The requests that unlisted sources are served, within their limits: a set of
    /// [`Request::bit`]s. `None` if all that they send is dropped.
    fn served(&self) -> Option<u64>;

    /// Whether an unlisted source is within its limits, which it is charged to. `call` is what it
    /// repeats when it gets no reply.
    fn admits(&self, source: Address, call: u32) -> bool;
}

/// What was decided about a packet to a guarded port, and about one that may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why, and so whether the packet passes.
    pub reason: Reason,
    /// The hit slot of the prefix that decided; zero for none.
    pub hit_slot: u32,
    /// What the packet asks for.
    pub request: Request,
    /// Where the source address is; meaningless if the request is [`Request::UNKNOWN`]. (As an
    /// option, it would have the compiler pass on undefined values, which the verifier refuses.)
    pub network: Network,
}

impl Outcome {
    const fn because(reason: Reason) -> Self {
        Self {
            reason,
            hit_slot: 0,
            request: Request::UNKNOWN,
            network: Network::V4(0),
        }
    }
}

/// Decides about one frame; `None` for a packet that is not the filter's business.
#[inline(always)]
pub fn decide<P: PacketReader, T: Tables>(
    packet: &P,
    link: LinkLayer,
    tables: &T,
) -> Option<Outcome> {
    let parsed = parse(packet, link);
    let route = match parsed {
        Parsed::Other => return None,
        Parsed::Flow(flow) if flow.transport == Transport::Tcp && !tables.guards_tcp() => {
            return None;
        }
        Parsed::Flow(Flow { route, .. })
        | Parsed::Undecidable(route)
        | Parsed::LaterFragment(route) => route,
    };
    if !route.detours && !is_to_guarded(packet, route.network, tables) {
        return None;
    }
    let flow = match parsed {
        Parsed::Other => return None,
        Parsed::Undecidable(_) => return Some(Outcome::because(Reason::Undecidable)),
        Parsed::LaterFragment(_) => return Some(Outcome::because(Reason::LaterFragment)),
        Parsed::Flow(flow) => flow,
    };
    // What the packet does not have, Linux cannot deliver it without; but the fragments that follow
    // a first one may bring it.
    let cut_off = flow
        .first_fragment
        .then_some(Outcome::because(Reason::Undecidable));
    // Both protocols have the destination port at the same place (RFC 768, RFC 9293).
    let Some(port) = packet.read::<2>(flow.offset + 2) else {
        return cut_off;
    };
    if !tables.guards_port(u16::from_be_bytes(port)) {
        return None;
    }
    let request = match flow.transport {
        Transport::Tcp => match opens_connection(packet, &flow) {
            Some(true) => Request::CONNECTION,
            Some(false) => return None,
            None => return cut_off,
        },
        Transport::Udp if flow.first_fragment => Request::FRAGMENT,
        Transport::Udp => Request::read(
            packet,
            Datagram {
                offset: flow.offset,
                end: flow.end,
            },
        ),
    };
    let arrival = Arrival {
        network: flow.route.network,
        transport: flow.offset,
        request,
    };
    judge(packet, arrival, tables)
}

/// Whether a packet is to a guarded destination, if it makes no
/// [detours](crate::parse::Route::detours).
#[inline(always)]
pub fn is_to_guarded<P: PacketReader, T: Tables>(packet: &P, network: Network, tables: &T) -> bool {
    !tables.is_selective()
        || destination(packet, network)
            .is_some_and(|destination| tables.guards_destination(destination))
}

/// A packet to a guarded port, of a guarded destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Where the addresses are.
    pub network: Network,
    /// Where the UDP or TCP header begins, in bytes from the start of the frame.
    pub transport: usize,
    /// What it asks for.
    pub request: Request,
}

/// Decides about a packet to a guarded port of a [guarded destination](is_to_guarded).
#[inline(always)]
pub fn judge<P: PacketReader, T: Tables>(
    packet: &P,
    arrival: Arrival,
    tables: &T,
) -> Option<Outcome> {
    let source = source(packet, arrival.network)?;
    let decision = tables.lookup(source);
    let reason = match decision.verdict() {
        Verdict::Allow => Reason::Allowed,
        Verdict::Deny => Reason::Denied,
        Verdict::Unlisted => match tables.served() {
            None => Reason::Unlisted,
            Some(served) if served & arrival.request.bit() == 0 => not_served(arrival.request),
            Some(_) if tables.admits(source, call(packet, &arrival)?) => Reason::WithinRate,
            Some(_) => Reason::OverRate,
        },
    };
    Some(Outcome {
        reason,
        hit_slot: decision.hit_slot(),
        request: arrival.request,
        network: arrival.network,
    })
}

/// Why the rate policy drops a request, however rarely it comes.
#[inline(always)]
const fn not_served(request: Request) -> Reason {
    match request {
        Request::MALFORMED => Reason::Malformed,
        Request::FRAGMENT => Reason::Fragment,
        _ => Reason::Amplifier,
    }
}

/// What a client repeats when it gets no reply, and other clients do not send: the transaction id
/// of a call (RFC 5531 section 9), or the sequence number of a connection request (RFC 9293 section
/// 3.1).
#[inline(always)]
fn call<P: PacketReader>(packet: &P, arrival: &Arrival) -> Option<u32> {
    let at = match arrival.request {
        Request::CONNECTION => arrival.transport + 4,
        _ => arrival.transport + UdpHdr::LEN,
    };
    packet.read(at).map(u32::from_be_bytes)
}

/// Whether this TCP segment opens a connection: SYN without ACK. `None` if it has no flags.
#[inline(always)]
fn opens_connection<P: PacketReader>(packet: &P, flow: &Flow) -> Option<bool> {
    if flow.flags_cut_off {
        return None;
    }
    packet
        .read::<2>(flow.offset + TCP_FLAGS_OFFSET - 1)
        .map(is_opening)
}

/// Whether the byte before the flags of a TCP segment and its flags have SYN set and ACK clear.
#[inline(always)]
pub(crate) const fn is_opening([_, flags]: [u8; 2]) -> bool {
    flags & (TCP_SYN | TCP_ACK) == TCP_SYN
}

/// The source address; `None` only if the packet shrank since it was parsed.
#[inline(always)]
pub fn source<P: PacketReader>(packet: &P, network: Network) -> Option<Address> {
    Some(match network {
        Network::V4(start) => Address::V4(packet.read(start + 12)?),
        Network::V6(start) => Address::V6(address_v6(packet, start + 8)?),
    })
}

/// The destination address; `None` only if the packet shrank since it was parsed.
#[inline(always)]
fn destination<P: PacketReader>(packet: &P, network: Network) -> Option<Address> {
    Some(match network {
        Network::V4(start) => Address::V4(packet.read(start + 16)?),
        Network::V6(start) => Address::V6(address_v6(packet, start + 24)?),
    })
}

/// In halves, which are copied as words.
#[inline(always)]
fn address_v6<P: PacketReader>(packet: &P, at: usize) -> Option<[u8; 16]> {
    let [high, low] = [packet.read::<8>(at)?, packet.read::<8>(at + 8)?];
    let mut address = [0; 16];
    address[..8].copy_from_slice(&high);
    address[8..].copy_from_slice(&low);
    Some(address)
}
