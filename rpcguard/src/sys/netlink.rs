//! Interfaces as rtnetlink describes them, what a driver says when it refuses a program, and what
//! it says that it can do.
//!
//! Attributes are read one by one, so that one that is unknown or malformed cannot get in the way
//! of the few that matter.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use netlink_packet_core::{
    DefaultNla, Emitable as _, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NlasIterator,
};
use netlink_sys::{
    Socket, SocketAddr,
    protocols::{NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE},
};

use crate::foreign_text::printable;

// linux/rtnetlink.h, linux/if_link.h, linux/netlink.h
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 1 << 4;
const NLMSGERR_ATTR_MSG: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IFLA_BOND_MODE: u16 = 1;
const IFLA_BOND_XMIT_HASH_POLICY: u16 = 14;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;
const IFLA_XDP_EXPECTED_FD: u16 = 8;
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
const XDP_FLAGS_UPDATE_IF_NOEXIST: u32 = 1;
const XDP_FLAGS_REPLACE: u32 = 1 << 4;
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_TYPE_MASK: u16 = 0x3fff;

// linux/genetlink.h, linux/netdev.h
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;

// linux/rtnetlink.h
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const ROUTE_HEADER_LEN: usize = 12;
const ROUTE_LENGTH: usize = 1;
const ROUTE_TYPE: usize = 7;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTN_LOCAL: u8 = 2;
const RTN_BROADCAST: u8 = 3;
const RTN_ANYCAST: u8 = 4;

// linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
const NFT_MSG_NEWTABLE: u16 = 10 << 8;
const NFT_MSG_GETTABLE: u16 = 10 << 8 | 1;

/// `MACVLAN_MODE_BRIDGE`.
const MACVLAN_BRIDGE: u32 = 4;
/// `IPVLAN_F_PRIVATE` and `IPVLAN_F_VEPA`.
const IPVLAN_APART: u16 = 1 | 2;

// linux/if.h
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 1 << 3;

pub(super) const NETLINK_HEADER_LEN: usize = 16;
const INTERFACE_HEADER_LEN: usize = 16;

/// Where an XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum XdpAttached {
    Native,
    Generic,
    Offloaded,
}

/// The XDP program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct XdpProgram {
    pub(crate) attached: XdpAttached,
    pub(crate) id: u32,
}

/// An interface, as far as attaching to it is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// `ARPHRD_*`, linux/if_arp.h.
    pub(crate) hardware: u16,
    pub(crate) mtu: u32,
    /// `veth`, `vlan`, ...; empty for hardware.
    pub(crate) kind: String,
    pub(crate) up: bool,
    pub(crate) loopback: bool,
    /// Index of the bridge or bond that it is a port of.
    pub(crate) master: Option<u32>,
    /// Index of the interface of this network namespace that it is stacked on.
    pub(crate) lower: Option<u32>,
    /// Whether others that are stacked on the same interface, in any network namespace, send to it
    /// past that interface.
    pub(crate) hears_siblings: bool,
    /// At most one in the driver or the network stack, and one on the device.
    pub(crate) xdp: Vec<XdpProgram>,
    /// How a bond distributes packets.
    pub(crate) bond: Option<Bond>,
}

/// Settings of a bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bond {
    /// `BOND_MODE_*`, linux/if_bonding.h.
    pub(crate) mode: u8,
    /// `BOND_XMIT_POLICY_*`, linux/if_bonding.h.
    pub(crate) hash: u8,
}

/// Looks an interface up by name; `None` if there is none in this network namespace.
pub(crate) fn interface_by_name(name: &str) -> io::Result<Option<Interface>> {
    let mut name = name.as_bytes().to_vec();
    name.push(0);
    interface(0, Some(DefaultNla::new(IFLA_IFNAME, name)))
}

/// Looks an interface up by index.
pub(crate) fn interface_by_index(index: u32) -> io::Result<Option<Interface>> {
    interface(index, None)
}

/// All interfaces of this network namespace, in the order of their indices.
pub(crate) fn interfaces() -> io::Result<Vec<Interface>> {
    const ATTEMPTS: usize = 10;
    for _ in 1..ATTEMPTS {
        if let Some(interfaces) = dump()? {
            return Ok(interfaces);
        }
    }
    Err(io::Error::other(
        "they change faster than they can be listed",
    ))
}

/// All interfaces; `None` if some came or went while they were listed, so that one may be missing.
fn dump() -> io::Result<Option<Vec<Interface>>> {
    let mut interfaces = Vec::new();
    let header = interface_header(0);
    let consistent = dump_each(
        RTM_GETLINK,
        &header,
        &[without_statistics()],
        |kind, body| {
            if kind == RTM_NEWLINK {
                interfaces.extend(parse_interface(body));
            }
        },
    )?;
    Ok(consistent.then_some(interfaces))
}

/// The kind of address by which a route takes packets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnRoute {
    pub(crate) address: IpAddr,
    pub(crate) length: u8,
    /// Whether all hosts of the link get what is sent there.
    pub(crate) broadcast: bool,
}

/// The routes of all tables by which packets are for this host itself: those of its addresses, of
/// the broadcasts of its links, and any that somebody has made.
pub(crate) fn own_routes() -> io::Result<Vec<OwnRoute>> {
    let mut routes = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut header = [0; ROUTE_HEADER_LEN];
        header[0] = family as u8;
        dump_each(RTM_GETROUTE, &header, &[], |kind, body| {
            let is_own = matches!(
                body.get(ROUTE_TYPE),
                Some(&(RTN_LOCAL | RTN_BROADCAST | RTN_ANYCAST))
            );
            if kind == RTM_NEWROUTE && is_own {
                routes.extend(parse_route(family, body));
            }
        })?;
    }
    Ok(routes)
}

fn parse_route(family: i32, body: &[u8]) -> Option<OwnRoute> {
    let length = *body.get(ROUTE_LENGTH)?;
    let to = attribute(body.get(ROUTE_HEADER_LEN..)?, RTA_DST).unwrap_or_default();
    // A route to all has no address.
    let address = match family {
        libc::AF_INET => IpAddr::from(to.first_chunk::<4>().copied().unwrap_or_default()),
        _ => IpAddr::from(to.first_chunk::<16>().copied().unwrap_or_default()),
    };
    let broadcast = body.get(ROUTE_TYPE) == Some(&RTN_BROADCAST);
    Some(OwnRoute {
        address,
        length,
        broadcast,
    })
}

/// Asks for all of a kind and passes on what comes; `false` if some came or went meanwhile, so that
/// one may be missing.
fn dump_each(
    kind: u16,
    header: &[u8],
    attributes: &[DefaultNla],
    mut each: impl FnMut(u16, &[u8]),
) -> io::Result<bool> {
    let message = message(kind, NLM_F_REQUEST | NLM_F_DUMP, header, attributes);
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&message, 0)?;
    let mut consistent = true;
    loop {
        let (answer, _) = socket.recv_from_full()?;
        let mut rest = answer.as_slice();
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some((message, next)) = first_message(rest) {
            rest = next;
            consistent &= message.get(6..8).map_or(0, read_u16) & NLM_F_DUMP_INTR == 0;
            let kind = message.get(4..6).map(read_u16);
            let body = message.get(NETLINK_HEADER_LEN..).unwrap_or_default();
            match kind {
                Some(NLMSG_DONE) => return Ok(consistent),
                Some(NLMSG_ERROR) => {
                    let code = body.get(..4).map_or(0, read_u32).cast_signed();
                    return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
                }
                Some(kind) => each(kind, body),
                None => {}
            }
        }
    }
}

/// The first of several messages, and what follows it.
pub(super) fn first_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = read_u32(bytes.get(..4)?) as usize;
    if length < NETLINK_HEADER_LEN {
        return None;
    }
    let message = bytes.get(..length)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((message, rest))
}

fn without_statistics() -> DefaultNla {
    DefaultNla::new(
        IFLA_EXT_MASK,
        RTEXT_FILTER_SKIP_STATS.to_ne_bytes().to_vec(),
    )
}

fn interface(index: u32, name: Option<DefaultNla>) -> io::Result<Option<Interface>> {
    let attributes: Vec<DefaultNla> = name.into_iter().chain([without_statistics()]).collect();
    match request(RTM_GETLINK, NLM_F_REQUEST, index, &attributes) {
        Ok(Reply::Interface(interface)) => Ok(Some(interface)),
        Ok(Reply::Done) => Ok(None),
        Err(Refusal { error, .. }) => match error.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => Ok(None),
            _ => Err(error),
        },
    }
}

/// What a driver says that it does for XDP programs (`NETDEV_XDP_ACT_*`, linux/netdev.h; Linux
/// 6.3); `None` if the kernel cannot tell.
pub(crate) fn xdp_features(index: u32) -> io::Result<Option<u64>> {
    let text = |kind, text: &str| DefaultNla::new(kind, [text.as_bytes(), &[0]].concat());
    let generic = |kind, command: u8, attribute| {
        let header = [command, 1, 0, 0];
        match exchange(NETLINK_GENERIC, kind, NLM_F_REQUEST, &header, &[attribute]) {
            Ok((_, body)) => Ok(body.get(header.len()..).map(<[u8]>::to_vec)),
            // There is no such family, or no such command.
            Err(Refusal { error, .. }) => match error.raw_os_error() {
                Some(libc::ENOENT | libc::EOPNOTSUPP) => Ok(None),
                _ => Err(error),
            },
        }
    };
    let family = generic(
        GENL_ID_CTRL,
        CTRL_CMD_GETFAMILY,
        text(CTRL_ATTR_FAMILY_NAME, "netdev"),
    )?;
    let Some(family) =
        family.and_then(|family| attribute(&family, CTRL_ATTR_FAMILY_ID).map(read_u16))
    else {
        return Ok(None);
    };
    let index = DefaultNla::new(NETDEV_A_DEV_IFINDEX, index.to_ne_bytes().to_vec());
    let device = generic(family, NETDEV_CMD_DEV_GET, index)?;
    Ok(device.and_then(|device| {
        let features = attribute(&device, NETDEV_A_DEV_XDP_FEATURES)?;
        features.first_chunk().copied().map(u64::from_ne_bytes)
    }))
}

/// Whether a packet of this host to this address stays on it; `scope` is the index of an interface,
/// or zero.
pub(crate) fn is_local(address: IpAddr, scope: u32) -> io::Result<bool> {
    let (family, octets) = match address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    let mut header = [0; ROUTE_HEADER_LEN];
    header[0] = family as u8;
    header[1] = octets.len() as u8 * 8;
    let mut attributes = vec![DefaultNla::new(RTA_DST, octets)];
    if scope != 0 {
        attributes.push(DefaultNla::new(RTA_OIF, scope.to_ne_bytes().to_vec()));
    }
    match exchange(
        NETLINK_ROUTE,
        RTM_GETROUTE,
        NLM_F_REQUEST,
        &header,
        &attributes,
    ) {
        Ok((_, route)) => Ok(route.get(ROUTE_TYPE) == Some(&RTN_LOCAL)),
        Err(Refusal { error, .. }) => Err(error),
    }
}

/// Whether nftables, by which iptables may be made too, has a table in this network namespace.
pub(crate) fn has_nftables() -> io::Result<bool> {
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    match exchange(NETLINK_NETFILTER, NFT_MSG_GETTABLE, flags, &[0; 4], &[]) {
        Ok((kind, _)) => Ok(kind == NFT_MSG_NEWTABLE),
        Err(Refusal { error, .. }) => match error.raw_os_error() {
            // The kernel does without.
            Some(libc::EPROTONOSUPPORT | libc::EOPNOTSUPP | libc::EINVAL) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Attaches `program` the old way and takes it off again at once, to be told why the interface
/// would not have it: a bpf_link is refused with a number only. `None` if there is no word about
/// it.
///
/// Does not replace a program that is there. `mode` is `XDP_FLAGS_DRV_MODE` or
/// `XDP_FLAGS_SKB_MODE`.
pub(crate) fn why_refused(index: u32, program: BorrowedFd<'_>, mode: u32) -> Option<String> {
    let attach = xdp_attribute(&[
        (IFLA_XDP_FD, program.as_raw_fd() as u32),
        (IFLA_XDP_FLAGS, mode | XDP_FLAGS_UPDATE_IF_NOEXIST),
    ]);
    match request(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, index, &[attach]) {
        Err(refusal) => refusal.words,
        Ok(_) => {
            let detach = xdp_attribute(&[
                (IFLA_XDP_FD, u32::MAX),
                (IFLA_XDP_EXPECTED_FD, program.as_raw_fd() as u32),
                (IFLA_XDP_FLAGS, mode | XDP_FLAGS_REPLACE),
            ]);
            let detached = request(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, index, &[detach]);
            if let Err(Refusal { error, .. }) = detached {
                log::warn!("an XDP program was left on interface {index}: {error}");
            }
            None
        }
    }
}

fn xdp_attribute(fields: &[(u16, u32)]) -> DefaultNla {
    let fields: Vec<DefaultNla> = fields
        .iter()
        .map(|(kind, value)| DefaultNla::new(*kind, value.to_ne_bytes().to_vec()))
        .collect();
    let mut nested = vec![0; fields.as_slice().buffer_len()];
    fields.as_slice().emit(&mut nested);
    DefaultNla::new(IFLA_XDP | NLA_F_NESTED, nested)
}

enum Reply {
    Interface(Interface),
    Done,
}

/// An error, with the kernel's words about it if it had any (extended acknowledgement).
struct Refusal {
    error: io::Error,
    words: Option<String>,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self { error, words: None }
    }
}

/// A request, of which `header` comes before the attributes.
pub(super) fn message(kind: u16, flags: u16, header: &[u8], attributes: &[DefaultNla]) -> Vec<u8> {
    let start = NETLINK_HEADER_LEN + header.len();
    let mut message = vec![0; start + attributes.buffer_len()];
    let len = message.len() as u32;
    message[0..4].copy_from_slice(&len.to_ne_bytes());
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    message[NETLINK_HEADER_LEN..start].copy_from_slice(header);
    attributes.emit(&mut message[start..]);
    message
}

/// What comes before the attributes of a request about one interface, or about all of them if
/// `index` is zero.
fn interface_header(index: u32) -> [u8; INTERFACE_HEADER_LEN] {
    let mut header = [0; INTERFACE_HEADER_LEN];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header
}

/// Sends one request about one interface and waits for the one answer.
fn request(kind: u16, flags: u16, index: u32, attributes: &[DefaultNla]) -> Result<Reply, Refusal> {
    let header = interface_header(index);
    let (kind, body) = exchange(NETLINK_ROUTE, kind, flags, &header, attributes)?;
    match kind {
        NLMSG_ERROR => Ok(Reply::Done),
        RTM_NEWLINK => parse_interface(&body)
            .map(Reply::Interface)
            .ok_or_else(malformed),
        _ => Err(malformed()),
    }
}

fn malformed() -> Refusal {
    Refusal::from(io::Error::from(io::ErrorKind::InvalidData))
}

/// Sends one request, of which `header` comes before the attributes, and waits for the one answer:
/// its type, and what comes after netlink's header.
fn exchange(
    protocol: isize,
    kind: u16,
    flags: u16,
    header: &[u8],
    attributes: &[DefaultNla],
) -> Result<(u16, Vec<u8>), Refusal> {
    let message = message(kind, flags, header, attributes);
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    // Both only make the answer better.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&message, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    parse_answer(&answer)
}

fn parse_answer(answer: &[u8]) -> Result<(u16, Vec<u8>), Refusal> {
    let kind = answer.get(4..6).map(read_u16).ok_or_else(malformed)?;
    let body = answer.get(NETLINK_HEADER_LEN..).ok_or_else(malformed)?;
    if kind == NLMSG_ERROR {
        let code = body.get(..4).map(read_u32).ok_or_else(malformed)? as i32;
        if code != 0 {
            let attributes = body.get(4 + NETLINK_HEADER_LEN..).unwrap_or_default();
            return Err(Refusal {
                error: io::Error::from_raw_os_error(-code),
                words: attribute(attributes, NLMSGERR_ATTR_MSG)
                    .map(|words| printable(&read_string(words))),
            });
        }
    }
    Ok((kind, body.to_vec()))
}

fn parse_interface(body: &[u8]) -> Option<Interface> {
    let attributes = body.get(INTERFACE_HEADER_LEN..)?;
    let xdp = attribute(attributes, IFLA_XDP).unwrap_or_default();
    let modes = [
        (IFLA_XDP_DRV_PROG_ID, XdpAttached::Native),
        (IFLA_XDP_SKB_PROG_ID, XdpAttached::Generic),
        (IFLA_XDP_HW_PROG_ID, XdpAttached::Offloaded),
    ];
    let programs = modes.into_iter().filter_map(|(id, attached)| {
        let id = attribute(xdp, id).map(read_u32)?;
        Some(XdpProgram { attached, id })
    });
    let info = attribute(attributes, IFLA_LINKINFO).unwrap_or_default();
    let kind = attribute(info, IFLA_INFO_KIND).map(read_string);
    let bond = attribute(info, IFLA_INFO_DATA).filter(|_| kind.as_deref() == Some("bond"));
    let bond = bond.map(|data| {
        let setting = |kind| attribute(data, kind).and_then(|value| value.first().copied());
        Bond {
            mode: setting(IFLA_BOND_MODE).unwrap_or_default(),
            hash: setting(IFLA_BOND_XMIT_HASH_POLICY).unwrap_or_default(),
        }
    });
    let setting = |kind| attribute(attribute(info, IFLA_INFO_DATA).unwrap_or_default(), kind);
    // A tap hands its packets to a process, as to a guest.
    let hears_siblings = match kind.as_deref() {
        Some("macvlan") => {
            setting(IFLA_MACVLAN_MODE).is_none_or(|mode| read_u32(mode) == MACVLAN_BRIDGE)
        }
        Some("ipvlan") => {
            setting(IFLA_IPVLAN_FLAGS).is_none_or(|flags| read_u16(flags) & IPVLAN_APART == 0)
        }
        _ => false,
    };
    let flags = read_u32(&body[8..12]);
    let index_in = |kind| {
        let index = attribute(attributes, kind).map(read_u32)?;
        (index != 0).then_some(index)
    };
    let elsewhere = attribute(attributes, IFLA_LINK_NETNSID).is_some();
    Some(Interface {
        index: read_u32(&body[4..8]),
        name: read_string(attribute(attributes, IFLA_IFNAME)?),
        hardware: read_u16(&body[2..4]),
        mtu: attribute(attributes, IFLA_MTU).map_or(0, read_u32),
        kind: kind.unwrap_or_default(),
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        master: index_in(IFLA_MASTER),
        lower: index_in(IFLA_LINK).filter(|_| !elsewhere),
        hears_siblings,
        xdp: programs.collect(),
        bond,
    })
}

/// The value of the first attribute of this type.
pub(super) fn attribute(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    NlasIterator::new(attributes)
        .map_while(Result::ok)
        .find(|attribute| attribute.kind() & NLA_TYPE_MASK == kind)
        .and_then(|attribute| {
            // The iterator lends each attribute from its own buffer reference.
            let bytes = attribute.into_inner();
            let len = usize::from(read_u16(&bytes[0..2]));
            bytes.get(4..len)
        })
}

pub(super) fn read_u16(bytes: &[u8]) -> u16 {
    bytes.first_chunk().copied().map_or(0, u16::from_ne_bytes)
}

pub(super) fn read_u32(bytes: &[u8]) -> u32 {
    bytes.first_chunk().copied().map_or(0, u32::from_ne_bytes)
}

fn read_string(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
