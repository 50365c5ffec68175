//! The part that a guard lets by of the traffic to this host.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
};

use rpcguard_common::parse::Transport;

use super::own::own_addresses;
use crate::{
    error::{Doing as _, Result},
    guard::Guard,
    policy::{Destinations, Policy},
    prefix::Prefix,
    sys::netlink,
};

/// How well a port is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cover {
    /// Not at all.
    None,
    /// Anybody is served at a limited rate.
    Limited,
    /// Those on the allow list are served, and nobody else.
    Full,
}

impl Cover {
    /// The word for it in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Limited => "limited",
            Self::Full => "full",
        }
    }
}

/// A guard, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// Its settings.
    pub policy: Policy,
    /// How many prefixes are allowed.
    pub allowed: u64,
    /// Whether everybody is: then it guards nothing.
    pub allows_everybody: bool,
    /// Whether the filter is attached still.
    pub attached: bool,
    /// The addresses of this host that it leaves out: packets to them are none of its business.
    /// Those of links, to which nobody sends from afar, do not count.
    pub left_out: Vec<LeftOut>,
}

/// Addresses of this host that a guard leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The addresses.
    pub prefix: Prefix,
    /// Whether it is the broadcast address of a link, to which its neighbours can send over UDP.
    pub broadcast: bool,
}

/// More prefixes than this are not named in a command.
const MAX_NAMED: usize = 16;

impl Guarded {
    pub(super) fn of(guard: &Guard) -> Result<Self> {
        let counts = guard.prefix_counts()?;
        let policy = guard.policy()?;
        Ok(Self {
            left_out: left_out(&policy.destinations)?,
            policy,
            allowed: u64::from(counts.allow_v4) + u64::from(counts.allow_v6),
            allows_everybody: guard.allows_everybody()?,
            attached: guard.mode().is_some(),
        })
    }

    /// How well it guards a port.
    #[must_use]
    pub fn covers(&self, transport: Transport, port: u16) -> Cover {
        let Policy {
            ports,
            tcp,
            observe,
            rate,
            ..
        } = &self.policy;
        let guarded = ports.contains(&port) && (*tcp || transport == Transport::Udp);
        if !self.attached
            || self.leaves_out(transport)
            || self.allows_everybody
            || *observe
            || !guarded
        {
            Cover::None
        } else if rate.is_some() {
            Cover::Limited
        } else {
            Cover::Full
        }
    }

    /// Whether it leaves out the addresses that IPv6 hosts have on every link, which nobody reaches
    /// from afar.
    pub(super) fn leaves_links_out(&self) -> bool {
        const OF_A_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        !self.policy.destinations.contain(OF_A_LINK.into())
    }

    fn leaves_out(&self, transport: Transport) -> bool {
        let mut left_out = self.left_out.iter();
        left_out.any(|left_out| transport == Transport::Udp || !left_out.broadcast)
    }

    /// The options of `rpcguard set` that have it leave out none of this host's addresses; empty if
    /// it does not.
    pub(super) fn completed(&self) -> String {
        let Destinations::Only(prefixes) = &self.policy.destinations else {
            return String::new();
        };
        if self.left_out.is_empty() {
            return String::new();
        }
        let left_out = self.left_out.iter().map(|left_out| left_out.prefix);
        let named: BTreeSet<Prefix> = prefixes.iter().copied().chain(left_out).collect();
        if named.len() > MAX_NAMED {
            return " --only-to all".to_owned();
        }
        let named = named.iter().map(|prefix| format!(" --only-to {prefix}"));
        named.collect()
    }
}

/// The addresses of this host that are not among these destinations: also those that only a route
/// makes its own.
fn left_out(destinations: &Destinations) -> Result<Vec<LeftOut>> {
    let Destinations::Only(prefixes) = destinations else {
        return Ok(Vec::new());
    };
    let routes = netlink::own_routes().doing("list the routes of this host")?;
    let routes = routes.into_iter().filter_map(|route| {
        Some(LeftOut {
            prefix: Prefix::new(route.address, route.length)?,
            broadcast: route.broadcast,
        })
    });
    let addresses = own_addresses()?.into_iter().map(|address| LeftOut {
        prefix: address.into(),
        broadcast: false,
    });
    let mut left_out: Vec<LeftOut> = addresses
        .chain(routes.filter(|route| is_reached_from_afar(route.prefix)))
        .filter(|own| !prefixes.iter().any(|prefix| prefix.contains(own.prefix)))
        .collect();
    left_out.sort();
    left_out.dedup();
    Ok(left_out)
}

/// Whether these are neither the addresses of a link nor those of the host to itself.
fn is_reached_from_afar(prefix: Prefix) -> bool {
    match prefix.address() {
        IpAddr::V4(address) => {
            prefix.length() == 0 || !(address.is_loopback() || address.is_link_local())
        }
        IpAddr::V6(address) => {
            prefix.length() == 0 || !(address.is_loopback() || address.is_unicast_link_local())
        }
    }
}
