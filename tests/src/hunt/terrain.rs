//! Where a hunt takes place, and what is guarded there.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use rpcguard_common::{
    abi::Verdict,
    parse::LinkLayer,
    policy::{Address, Tables as _},
};

use crate::packet::{Setup, prefixes};

/// Guarded ports.
pub const GUARDED: [u16; 2] = [111, 2049];

/// Ports that are not guarded and have sockets: neighbours of 111, and what it becomes if its bytes
/// are swapped or another bit is set.
pub const OTHERS: [u16; 5] = [110, 112, 53, 367, 0x6f00];

/// Allowed prefixes, one of them inside a denied one.
pub const ALLOW: [&str; 5] = [
    "10.0.0.0/8",
    "10.66.6.0/24",
    "192.0.2.0/24",
    "2001:db8:a::/48",
    "2001:db8:a:66:6::/80",
];

/// Denied prefixes, inside allowed ones.
pub const DENY: [&str; 3] = ["10.66.0.0/16", "192.0.2.64/26", "2001:db8:a:66::/64"];

/// The device that frames arrive on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// A virtual Ethernet interface.
    Veth,
    /// A tun interface, whose frames begin with the IP header.
    Tun,
}

impl Device {
    /// What its frames begin with.
    #[must_use]
    pub const fn link(self) -> LinkLayer {
        match self {
            Self::Veth => LinkLayer::Ethernet,
            Self::Tun => LinkLayer::None,
        }
    }
}

/// What is guarded: lists and ports as above, TCP too.
#[must_use]
pub fn setup(device: Device) -> Setup {
    Setup {
        link: device.link(),
        tcp: true,
        ports: GUARDED.to_vec(),
        prefixes: prefixes(&ALLOW, &DENY),
        ..Setup::default()
    }
}

/// Tells whether a source may send to guarded ports: the most naive longest match.
#[derive(Debug)]
pub struct Guests {
    setup: Setup,
    guarded: BTreeSet<u16>,
}

impl Default for Guests {
    fn default() -> Self {
        Self {
            setup: setup(Device::Veth),
            guarded: GUARDED.into(),
        }
    }
}

impl Guests {
    /// Whether a port is guarded.
    #[must_use]
    pub fn guards(&self, port: u16) -> bool {
        self.guarded.contains(&port)
    }

    /// Whether what this source sends to this port must be dropped.
    #[must_use]
    pub fn unwelcome(&self, source: SocketAddr, port: u16) -> bool {
        let address = match source.ip() {
            IpAddr::V4(address) => Address::V4(address.octets()),
            IpAddr::V6(address) => Address::V6(address.octets()),
        };
        self.guards(port) && self.setup.lookup(address).verdict() != Verdict::Allow
    }
}
