//! [`Shot`]: frames that belong together.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// What is special about a shot; a hunt tells how much of each reached a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// VLAN tags.
    Tagged,
    /// IPv4 options.
    Options,
    /// IPv6 extension headers.
    Extended,
    /// In fragments.
    Fragmented,
    /// In fragments that overlap, or come twice.
    Overlapping,
    /// In fragments that come in another order.
    Disordered,
    /// In fragments with bytes that Linux cuts off: not at a multiple of eight, and others follow.
    Trimmed,
    /// To a broadcast address.
    Broadcast,
    /// To a multicast group.
    Multicast,
    /// With a length that is not the right one.
    Lying,
    /// With bytes behind the end of the packet.
    Padded,
    /// TCP.
    Tcp,
    /// With bytes changed at random.
    Mutated,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Ipv4,
        Self::Ipv6,
        Self::Tagged,
        Self::Options,
        Self::Extended,
        Self::Fragmented,
        Self::Overlapping,
        Self::Disordered,
        Self::Trimmed,
        Self::Broadcast,
        Self::Multicast,
        Self::Lying,
        Self::Padded,
        Self::Tcp,
        Self::Mutated,
    ];

    /// As a person would say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::Tagged => "VLAN tags",
            Self::Options => "IPv4 options",
            Self::Extended => "extension headers",
            Self::Fragmented => "fragments",
            Self::Overlapping => "overlapping fragments",
            Self::Disordered => "fragments in disorder",
            Self::Trimmed => "fragments cut to units of eight",
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
            Self::Lying => "wrong lengths",
            Self::Padded => "padding",
            Self::Tcp => "TCP",
            Self::Mutated => "changed bytes",
        }
    }
}

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(u16);

impl Features {
    /// Adds one.
    pub const fn insert(&mut self, feature: Feature) {
        self.0 |= 1 << feature as u16;
    }

    /// Whether it is in the set.
    #[must_use]
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u16 != 0
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Feature::ALL
            .into_iter()
            .filter(|feature| self.has(*feature));
        f.write_str(&names.map(Feature::name).collect::<Vec<_>>().join(", "))
    }
}

/// Frames that are sent one after the other and may make up one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// As they are on the wire.
    pub frames: Vec<Vec<u8>>,
    /// Who seems to send them, by which what arrives is recognised.
    pub source: SocketAddr,
    /// What is special about them.
    pub features: Features,
    /// Why it is no harm if the filter loses them.
    pub excuse: Option<Excuse>,
}

impl Shot {
    /// Whether something from this source can have come of it: a change of bytes may have given it
    /// another than the one it was made with.
    #[must_use]
    pub fn may_come_from(&self, source: SocketAddr) -> bool {
        let has = |bytes: &[u8]| {
            let frames = self.frames.iter();
            frames
                .flat_map(|frame| frame.windows(bytes.len()))
                .any(|window| window == bytes)
        };
        let has_address = match source.ip() {
            IpAddr::V4(address) => has(&address.octets()),
            IpAddr::V6(address) => has(&address.octets()),
        };
        has_address && has(&source.port().to_be_bytes())
    }
}

/// Why the loss of a shot that is not for a guarded port is no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// Its header chain is beyond what the filter decides about, or is cut off: `undecidable`.
    Undecidable,
    /// Its fragments are of one packet and for different ports: what the guarded port is denied
    /// is missing from the other datagram.
    Mixed,
}
