//! [`Frame`]: a frame written header by header.

mod finish;

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    numbers::{
        AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, IPIP, IPV4, IPV6, IPV6_IN_IP,
        TCP, UDP,
    },
    peers::{HOST_MAC, HOST_V4, HOST_V6, PEER_MAC},
    rpc,
};

/// Source port of every datagram and segment, unless said otherwise.
const SOURCE_PORT: u16 = 40_000;

/// Where later fragments begin, in units of eight bytes: what an Ethernet of 1500 bytes leaves.
const SECOND_FRAGMENT: u16 = 185;

/// A frame under construction: each method appends a header or changes the last one.
///
/// A header's predecessor is made to announce it, and lengths and checksums come out right, unless
/// a method is called that makes them lie.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Vec<u8>,
    announcement: Announcement,
    networks: Vec<Network>,
    transport: Option<Transport>,
    udp_length: Option<u16>,
    padding: Vec<u8>,
    cut: Option<usize>,
}

/// The field that says what the next header is.
#[derive(Clone, Copy, Debug)]
enum Announcement {
    /// There is none: the frame begins with its network header.
    Nowhere,
    /// An EtherType at this offset.
    EtherType(usize),
    /// An IP protocol number at this offset.
    Protocol(usize),
}

#[derive(Clone, Copy, Debug)]
struct Network {
    start: usize,
    version: u8,
    /// Instead of the right one.
    length: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
struct Transport {
    start: usize,
    protocol: u8,
}

impl Frame {
    /// Begins with an Ethernet header.
    #[must_use]
    pub fn ethernet() -> Self {
        let mut bytes = [HOST_MAC, PEER_MAC].concat();
        bytes.extend([0, 0]);
        Self {
            announcement: Announcement::EtherType(12),
            bytes,
            ..Self::layer3()
        }
    }

    /// Begins with the network header, as on a device without link layer.
    #[must_use]
    pub const fn layer3() -> Self {
        Self {
            bytes: Vec::new(),
            announcement: Announcement::Nowhere,
            networks: Vec::new(),
            transport: None,
            udp_length: None,
            padding: Vec::new(),
            cut: None,
        }
    }

    /// Sends to another MAC address than the host's.
    #[must_use]
    pub fn to_mac(mut self, mac: [u8; 6]) -> Self {
        self.bytes[..6].copy_from_slice(&mac);
        self
    }

    /// Announces another protocol than the header that follows, or one without header.
    #[must_use]
    pub fn ether_type(mut self, number: u16) -> Self {
        self.announce(number, 0);
        self.announcement = Announcement::Nowhere;
        self
    }

    /// As [`Self::ether_type`], for an IP protocol number.
    #[must_use]
    pub fn protocol(mut self, number: u8) -> Self {
        self.announce(0, number);
        self.announcement = Announcement::Nowhere;
        self
    }

    /// A VLAN tag for VLAN `id`.
    #[must_use]
    pub fn vlan(mut self, ether_type: u16, id: u16) -> Self {
        self.announce(ether_type, 0);
        self.bytes.extend(id.to_be_bytes());
        self.announcement = Announcement::EtherType(self.bytes.len());
        self.bytes.extend([0, 0]);
        self
    }

    /// An IPv4 header (RFC 791) without options, to the guarded host.
    #[must_use]
    pub fn ipv4(mut self, source: Ipv4Addr) -> Self {
        self.announce(IPV4, IPIP);
        self.begin_network(4, 9);
        // Version and length, then total length, identification, fragment, TTL, protocol, checksum.
        self.bytes
            .extend([0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, 0, 0, 0]);
        self.bytes.extend(source.octets());
        self.bytes.extend(HOST_V4.octets());
        self
    }

    /// Appends IPv4 options of `words` times four bytes.
    #[must_use]
    pub fn options(mut self, words: u8) -> Self {
        const NO_OPERATION: u8 = 1;
        let start = self.last_network().start;
        self.bytes[start] += words;
        self.bytes
            .extend(std::iter::repeat_n(NO_OPERATION, usize::from(words) * 4));
        self
    }

    /// An IPv6 header (RFC 8200), to the guarded host.
    #[must_use]
    pub fn ipv6(mut self, source: Ipv6Addr) -> Self {
        self.announce(IPV6, IPV6_IN_IP);
        self.begin_network(6, 6);
        // Version, class and flow label, then payload length, next header, hop limit.
        self.bytes.extend([0x60, 0, 0, 0, 0, 0, 0, 64]);
        self.bytes.extend(source.octets());
        self.bytes.extend(HOST_V6.octets());
        self
    }

    /// Changes the destination of the last IPv4 header.
    #[must_use]
    pub fn to_v4(self, destination: Ipv4Addr) -> Self {
        self.patch(16, &destination.octets())
    }

    /// Changes the destination of the last IPv6 header.
    #[must_use]
    pub fn to_v6(self, destination: Ipv6Addr) -> Self {
        self.patch(24, &destination.octets())
    }

    /// Overwrites bytes, counted from the start of the last network header.
    #[must_use]
    pub fn patch(mut self, offset: usize, bytes: &[u8]) -> Self {
        let start = self.last_network().start + offset;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Makes this an IPv4 fragment, or appends an IPv6 fragment header; `offset` is in units of
    /// eight bytes.
    #[must_use]
    pub fn fragment(self, offset: u16, more: bool) -> Self {
        self.fragment_of(0x1234, offset, more)
    }

    /// As [`Self::fragment`], of the packet with this identification, of which IPv4 has the lower
    /// half.
    #[must_use]
    pub fn fragment_of(mut self, identification: u32, offset: u16, more: bool) -> Self {
        match self.last_network().version {
            4 => {
                let field = offset | u16::from(more) << 13;
                self.patch(4, &(identification as u16).to_be_bytes())
                    .patch(6, &field.to_be_bytes())
            }
            _ => {
                self.announce(0, FRAGMENT);
                let start = self.bytes.len();
                let field = offset << 3 | u16::from(more);
                self.announcement = Announcement::Protocol(start);
                self.bytes.extend([0, 0]);
                self.bytes.extend(field.to_be_bytes());
                self.bytes.extend(identification.to_be_bytes());
                self
            }
        }
    }

    /// The first fragment of several.
    #[must_use]
    pub fn first_fragment(self) -> Self {
        self.fragment(0, true)
    }

    /// Neither the first nor the last fragment.
    #[must_use]
    pub fn later_fragment(self) -> Self {
        self.fragment(SECOND_FRAGMENT, true)
    }

    /// The last fragment of several.
    #[must_use]
    pub fn last_fragment(self) -> Self {
        self.fragment(SECOND_FRAGMENT, false)
    }

    /// An IPv6 extension header of `units` times eight bytes, other than the fragment header.
    ///
    /// # Panics
    ///
    /// If no header can be that long.
    #[must_use]
    pub fn extension(mut self, number: u8, units: u16) -> Self {
        self.announce(0, number);
        let start = self.bytes.len();
        self.announcement = Announcement::Protocol(start);
        let length = match number {
            // RFC 4302 counts words of four bytes, and not the first two.
            AUTHENTICATION => units * 2 - 2,
            _ => units - 1,
        };
        let length = u8::try_from(length).expect("a header of at most 256 units");
        self.bytes.extend([0, length]);
        let content = usize::from(units) * 8 - 2;
        match number {
            HOP_BY_HOP | DESTINATION_OPTIONS => self.ignored_options(content),
            _ => self.bytes.extend(std::iter::repeat_n(0, content)),
        }
        self
    }

    /// One extension header of eight bytes for each number; a fragment header is an atomic one.
    #[must_use]
    pub fn extensions(self, numbers: &[u8]) -> Self {
        numbers.iter().fold(self, |frame, number| match *number {
            FRAGMENT => frame.fragment(0, false),
            number => frame.extension(number, 1),
        })
    }

    /// A UDP header (RFC 768).
    #[must_use]
    pub fn udp(self, port: u16) -> Self {
        self.udp_from(SOURCE_PORT, port)
    }

    /// A UDP header with this source port.
    #[must_use]
    pub fn udp_from(mut self, source: u16, port: u16) -> Self {
        self.begin_transport(UDP);
        self.bytes.extend(source.to_be_bytes());
        self.bytes.extend(port.to_be_bytes());
        self.bytes.extend([0; 4]);
        self
    }

    /// A whole DUMP call to port 111.
    #[must_use]
    pub fn dump(self) -> Self {
        self.udp(111).payload(&rpc::DUMP)
    }

    /// A TCP header (RFC 9293) without options.
    #[must_use]
    pub fn tcp(self, port: u16, flags: u8) -> Self {
        self.tcp_from(SOURCE_PORT, port, flags)
    }

    /// A TCP header with this source port.
    #[must_use]
    pub fn tcp_from(mut self, source: u16, port: u16, flags: u8) -> Self {
        self.begin_transport(TCP);
        self.bytes.extend(source.to_be_bytes());
        self.bytes.extend(port.to_be_bytes());
        // Sequence and acknowledgement numbers.
        self.bytes.extend([0, 0, 0, 1, 0, 0, 0, 0]);
        // Header length, flags, window, checksum, urgent pointer.
        self.bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        self
    }

    /// Any bytes.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// Bytes after the end of the packet, which its length fields do not count.
    #[must_use]
    pub fn padding(mut self, bytes: &[u8]) -> Self {
        self.padding.extend(bytes);
        self
    }

    /// Puts this into the IPv4 total length, or the IPv6 payload length.
    #[must_use]
    pub fn ip_length(mut self, length: u16) -> Self {
        self.last_network().length = Some(length);
        self
    }

    /// Puts this into the UDP length.
    #[must_use]
    pub const fn udp_length(mut self, length: u16) -> Self {
        self.udp_length = Some(length);
        self
    }

    /// Leaves only the first bytes of the finished frame.
    #[must_use]
    pub const fn cut(mut self, length: usize) -> Self {
        self.cut = Some(length);
        self
    }

    fn announce(&mut self, ether_type: u16, protocol: u8) {
        match self.announcement {
            Announcement::Nowhere => {}
            Announcement::EtherType(at) => {
                self.bytes[at..at + 2].copy_from_slice(&ether_type.to_be_bytes());
            }
            Announcement::Protocol(at) => self.bytes[at] = protocol,
        }
    }

    fn begin_network(&mut self, version: u8, protocol_offset: usize) {
        let start = self.bytes.len();
        self.networks.push(Network {
            start,
            version,
            length: None,
        });
        self.announcement = Announcement::Protocol(start + protocol_offset);
    }

    fn last_network(&mut self) -> &mut Network {
        self.networks
            .last_mut()
            .expect("a network header comes first")
    }

    fn begin_transport(&mut self, protocol: u8) {
        assert!(
            self.transport.is_none(),
            "a packet has one transport header"
        );
        self.announce(0, protocol);
        self.announcement = Announcement::Nowhere;
        let start = self.bytes.len();
        self.transport = Some(Transport { start, protocol });
    }

    /// Options that Linux skips (it refuses more than seven bytes of padding).
    fn ignored_options(&mut self, mut length: usize) {
        const PAD_N: u8 = 1;
        const EXPERIMENTAL_SKIP: u8 = 0x1e;
        while length > 0 {
            // One byte cannot hold an option, so none is left over.
            let option = match length {
                258.. => 256,
                length => length.min(257),
            };
            let kind = if option <= 7 {
                PAD_N
            } else {
                EXPERIMENTAL_SKIP
            };
            self.bytes.extend([kind, (option - 2) as u8]);
            self.bytes.extend(std::iter::repeat_n(0, option - 2));
            length -= option;
        }
    }
}

impl From<Frame> for Vec<u8> {
    fn from(frame: Frame) -> Self {
        frame.build()
    }
}
