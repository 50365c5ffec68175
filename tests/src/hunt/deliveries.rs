//! What reached the sockets of a host.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::packet::numbers::{ACK, RST, SYN, TCP};

/// What was delivered, by which it is told from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// The payload of a datagram.
    Datagram(Vec<u8>),
    /// That a TCP segment arrived is known from the reply, which has these flags and acknowledges
    /// this.
    Reply {
        /// The flags of the reply.
        flags: u8,
        /// The sequence number that it acknowledges.
        acknowledges: u32,
    },
}

/// One thing that a socket received, or TCP replied to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivery {
    /// Who sent it.
    pub source: SocketAddr,
    /// The port that it was for.
    pub port: u16,
    /// What it was.
    pub content: Content,
}

impl Delivery {
    /// Whether a socket was given something by it: a datagram, or a connection request.
    #[must_use]
    pub const fn reached_a_socket(&self) -> bool {
        match self.content {
            Content::Datagram(_) => true,
            Content::Reply { flags, .. } => flags & SYN != 0,
        }
    }

    /// Reads it off the frame that a host replied with; `None` for anything but TCP.
    #[must_use]
    pub(super) fn from_reply(packet: &[u8]) -> Option<Self> {
        let v4 = packet.first()? >> 4 == 4;
        let (protocol, transport, destination) = if v4 {
            let octets: [u8; 4] = *packet.get(16..)?.first_chunk()?;
            let header = usize::from(packet[0] & 0x0f) * 4;
            let destination = routed_to(packet.get(20..header)?).unwrap_or(octets);
            (*packet.get(9)?, header, IpAddr::from(destination))
        } else {
            let octets: [u8; 16] = *packet.get(24..)?.first_chunk()?;
            (*packet.get(6)?, 40, IpAddr::from(octets))
        };
        if protocol != TCP {
            return None;
        }
        let header: &[u8; 20] = packet.get(transport..)?.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let acknowledges = u32::from(word(8)) << 16 | u32::from(word(10));
        Some(Self {
            source: SocketAddr::new(destination, word(2)),
            port: word(0),
            content: Content::Reply {
                flags: header[13] & (SYN | ACK | RST),
                acknowledges,
            },
        })
    }
}

/// Where a packet with these IPv4 options goes in the end, if that is not where its header says: a
/// request that came by a source route is replied to by the reverse route (RFC 791 section 3.1).
fn routed_to(mut options: &[u8]) -> Option<[u8; 4]> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_ROUTE: u8 = 131;
    const STRICT_ROUTE: u8 = 137;
    loop {
        match *options.first()? {
            END => return None,
            NO_OPERATION => options = &options[1..],
            kind => {
                let length = usize::from(*options.get(1)?).max(2);
                let option = options.get(..length)?;
                if [LOOSE_ROUTE, STRICT_ROUTE].contains(&kind) {
                    return option.get(3..)?.last_chunk().copied();
                }
                options = &options[length..];
            }
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            port,
            content,
        } = self;
        match content {
            Content::Datagram(payload) => {
                write!(
                    f,
                    "UDP from {source} to port {port}, {} bytes",
                    payload.len()
                )
            }
            Content::Reply { flags, .. } => {
                write!(
                    f,
                    "TCP from {source} to port {port}, reply with flags {flags:#04x}"
                )
            }
        }
    }
}

/// How often each thing was delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deliveries(BTreeMap<Delivery, u32>);

impl Deliveries {
    /// Counts one more.
    pub fn add(&mut self, delivery: Delivery) {
        *self.0.entry(delivery).or_default() += 1;
    }

    /// How often this was delivered.
    #[must_use]
    pub fn count(&self, delivery: &Delivery) -> u32 {
        self.0.get(delivery).copied().unwrap_or(0)
    }

    /// Each thing and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&Delivery, u32)> {
        self.0.iter().map(|(delivery, count)| (delivery, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Delivery};
    use crate::packet::{
        Frame,
        numbers::{ACK, SYN},
        peers::{HOST_V4, STRANGER_V4},
    };

    #[test]
    fn the_reply_to_a_source_route_is_to_its_beginning() {
        let reply = |options: &[u8]| {
            let words = (options.len() / 4) as u8;
            let frame = Frame::layer3().ipv4(HOST_V4).to_v4(STRANGER_V4);
            let frame = frame.options(words).patch(20, options);
            Delivery::from_reply(&frame.tcp_from(111, 7, SYN | ACK).build()).unwrap()
        };
        for (options, source) in [
            (&[][..], "198.51.100.7:7"),
            (&[1, 131, 7, 4, 10, 0, 0, 1], "10.0.0.1:7"),
            (
                &[148, 4, 0, 0, 137, 11, 4, 10, 0, 0, 1, 10, 0, 0, 2, 0],
                "10.0.0.2:7",
            ),
            (&[0, 131, 7, 4, 10, 0, 0, 1], "198.51.100.7:7"),
            (&[131, 3, 4, 1], "198.51.100.7:7"),
            (&[7, 0, 0, 0], "198.51.100.7:7"),
        ] {
            let reply = reply(options);
            assert_eq!(reply.source, source.parse().unwrap(), "{options:?}");
            let flags = SYN | ACK;
            assert!(matches!(reply.content, Content::Reply { flags: f, .. } if f == flags));
        }
    }
}
