//! The interfaces that packets arrive on, and what guards them.

use rpcguard_common::parse::Transport;

use super::{Cover, Guarded, forwards::Arrival};
use crate::{
    error::{Doing as _, Error, Result},
    guard::{Entry, Registry},
    sys::netlink::{self, Interface},
};

/// An interface that packets of other hosts can arrive on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInterface {
    /// Its name.
    pub name: String,
    /// Its guard.
    pub guard: Option<Guarded>,
    index: u32,
    master: Option<u32>,
    lower: Option<u32>,
}

/// Kinds that no packet of another host arrives on. Those of a VRF arrive on its ports: XDP on the
/// VRF sees none of them.
const SILENT: [&str; 4] = ["dummy", "ifb", "nlmon", "vrf"];

/// Kinds whose packets XDP sees on the interface below, as they arrive, unless they come from a
/// sibling.
const STACKED: [&str; 5] = ["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"];

/// Interfaces can be stacked and be ports of others so many times.
const MAX_DEPTH: usize = 8;

/// The interfaces of this network namespace that are up, with their guards.
///
/// # Errors
///
/// Those of [`Registry::entries`], and if the interfaces cannot be listed.
pub(super) fn interfaces(registry: &Registry) -> Result<Vec<NetworkInterface>> {
    let guards = match registry.entries() {
        // Pins are nowhere else, and without them there is no guard.
        Err(Error::NoBpffs(_)) => Vec::new(),
        entries => entries?,
    };
    let mut all = netlink::interfaces().doing("list the interfaces of this network namespace")?;
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let mut interfaces = Vec::new();
    for found in all.into_iter().filter(hears_others) {
        let guard = guards.iter().find_map(|entry| match entry {
            Entry::Guard(guard) if guard.ifindex() == found.index => Some(guard),
            _ => None,
        });
        interfaces.push(NetworkInterface {
            guard: guard.map(|guard| Guarded::of(guard)).transpose()?,
            index: found.index,
            master: found.master,
            lower: found
                .lower
                .filter(|_| STACKED.contains(&&*found.kind) && !found.hears_siblings),
            name: found.name,
        });
    }
    Ok(interfaces)
}

/// The interfaces on which the kernel's rules see packets of other hosts: those of a bridge or bond
/// come from it.
///
/// # Errors
///
/// If the interfaces cannot be listed.
pub(super) fn arrivals() -> Result<Vec<Arrival>> {
    let all = netlink::interfaces().doing("list the interfaces of this network namespace")?;
    let master_of = |interface: &Interface| {
        let master = interface.master?;
        all.iter().find(|other| other.index == master)
    };
    let mut arrivals = Vec::new();
    for interface in all.iter().filter(|interface| hears_others(interface)) {
        let mut names = vec![interface.name.clone()];
        match master_of(interface) {
            Some(master) if master.kind == "vrf" => names.push(master.name.clone()),
            Some(_) => continue,
            None => {}
        }
        arrivals.push((interface.name.clone(), names));
    }
    Ok(arrivals)
}

fn hears_others(interface: &Interface) -> bool {
    interface.up && !interface.loopback && !SILENT.contains(&&*interface.kind)
}

/// How well a port is guarded from what arrives on the interface with this index: by a guard of its
/// own, or by that of an interface that its packets pass as well.
pub(super) fn cover(
    interfaces: &[NetworkInterface],
    index: u32,
    transport: Transport,
    port: u16,
) -> Cover {
    cover_within(interfaces, index, transport, port, MAX_DEPTH)
}

fn cover_within(
    interfaces: &[NetworkInterface],
    index: u32,
    transport: Transport,
    port: u16,
    depth: usize,
) -> Cover {
    let found = interfaces.iter().find(|found| found.index == index);
    let Some(interface) = found.filter(|_| depth != 0) else {
        return Cover::None;
    };
    let above = interface.master.map_or(Cover::None, |master| {
        cover_within(interfaces, master, transport, port, depth - 1)
    });
    above.max(cover_below(interfaces, index, transport, port, depth))
}

/// How well a port is guarded by the time that a packet has come up to this interface.
fn cover_below(
    interfaces: &[NetworkInterface],
    index: u32,
    transport: Transport,
    port: u16,
    depth: usize,
) -> Cover {
    let found = interfaces.iter().find(|found| found.index == index);
    let Some(interface) = found.filter(|_| depth != 0) else {
        return Cover::None;
    };
    let below = |index| cover_below(interfaces, index, transport, port, depth - 1);
    let guard = interface.guard.as_ref();
    let own = guard.map_or(Cover::None, |guard| guard.covers(transport, port));
    // The interface below hands its packets over before its own bridge gets them.
    let lower = interface.lower.map_or(Cover::None, below);
    // What arrives on a bridge or bond came through one of its ports.
    let ports = interfaces
        .iter()
        .filter(|other| other.master == Some(index))
        .map(|port| below(port.index));
    own.max(lower).max(ports.min().unwrap_or(Cover::None))
}

impl NetworkInterface {
    /// Its index.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// The indices of other interfaces that its packets pass: the bridge or bond that it is a port
    /// of, the interface that it is stacked on.
    pub(super) fn passes(&self) -> impl Iterator<Item = u32> {
        [self.master, self.lower].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use rpcguard_common::parse::Transport::{Tcp, Udp};

    use super::{super::LeftOut, Cover, Guarded, NetworkInterface, cover};
    use crate::policy::{Policy, RatePolicy};

    fn guarded(change: impl FnOnce(&mut Guarded)) -> Option<Guarded> {
        let mut guarded = Guarded {
            policy: Policy::default(),
            allowed: 1,
            allows_everybody: false,
            attached: true,
            left_out: Vec::new(),
        };
        change(&mut guarded);
        Some(guarded)
    }

    fn left_out(prefix: &str, broadcast: bool) -> LeftOut {
        LeftOut {
            prefix: prefix.parse().unwrap(),
            broadcast,
        }
    }

    fn interface(index: u32, guard: Option<Guarded>) -> NetworkInterface {
        NetworkInterface {
            name: format!("eth{index}"),
            guard,
            index,
            master: None,
            lower: None,
        }
    }

    #[test]
    fn a_guard_covers_what_it_guards() {
        for (guard, udp, tcp) in [
            (None, Cover::None, Cover::None),
            (guarded(|_| ()), Cover::Full, Cover::None),
            (guarded(|g| g.policy.tcp = true), Cover::Full, Cover::Full),
            (
                guarded(|g| g.policy.observe = true),
                Cover::None,
                Cover::None,
            ),
            (
                guarded(|g| g.allows_everybody = true),
                Cover::None,
                Cover::None,
            ),
            (guarded(|g| g.attached = false), Cover::None, Cover::None),
            (
                guarded(|g| {
                    g.policy.tcp = true;
                    g.left_out = vec![left_out("10.8.0.0/24", false)];
                }),
                Cover::None,
                Cover::None,
            ),
            (
                // A neighbour can send a broadcast, and connect to none.
                guarded(|g| {
                    g.policy.tcp = true;
                    g.left_out = vec![left_out("192.0.2.255", true)];
                }),
                Cover::None,
                Cover::Full,
            ),
            (
                guarded(|g| g.policy.ports = [2049].into()),
                Cover::None,
                Cover::None,
            ),
            (
                guarded(|g| g.policy.rate = Some(RatePolicy::default())),
                Cover::Limited,
                Cover::None,
            ),
        ] {
            let interfaces = [interface(1, guard)];
            assert_eq!(cover(&interfaces, 1, Udp, 111), udp, "{interfaces:?}");
            assert_eq!(cover(&interfaces, 1, Tcp, 111), tcp, "{interfaces:?}");
        }
    }

    #[test]
    fn guards_cover_what_is_stacked_on_or_part_of_their_interface() {
        let full = || guarded(|_| ());
        let vlan = NetworkInterface {
            lower: Some(1),
            ..interface(2, None)
        };
        assert_eq!(
            cover(&[interface(1, full()), vlan.clone()], 2, Udp, 111),
            Cover::Full
        );
        assert_eq!(cover(&[interface(1, None), vlan], 2, Udp, 111), Cover::None);

        let port = |index, guard| NetworkInterface {
            master: Some(1),
            ..interface(index, guard)
        };
        // The bridge, or all of its ports.
        let of_bridge = [interface(1, full()), port(2, None), port(3, None)];
        let of_ports = [interface(1, None), port(2, full()), port(3, full())];
        let of_one = [interface(1, None), port(2, full()), port(3, None)];
        for index in 1..=3 {
            assert_eq!(cover(&of_bridge, index, Udp, 111), Cover::Full);
            assert_eq!(cover(&of_ports, index, Udp, 111), Cover::Full);
        }
        assert_eq!(cover(&of_one, 1, Udp, 111), Cover::None);
        assert_eq!(cover(&of_one, 3, Udp, 111), Cover::None);
    }

    #[test]
    fn guards_below_a_bond_or_a_vlan_cover_the_bridge_above_it() {
        let stacked = |index, master, lower| NetworkInterface {
            master,
            lower,
            ..interface(index, None)
        };
        let full = |index, master| NetworkInterface {
            master,
            ..interface(index, guarded(|_| ()))
        };
        // A bridge of a bond of two interfaces, and one of a VLAN of an interface.
        let bond = [
            interface(1, None),
            stacked(2, Some(1), None),
            full(3, Some(2)),
            full(4, Some(2)),
        ];
        let vlan = [
            interface(1, None),
            stacked(2, Some(1), Some(3)),
            full(3, None),
        ];
        for index in 1..=3 {
            assert_eq!(cover(&bond, index, Udp, 111), Cover::Full, "{index}");
            assert_eq!(cover(&vlan, index, Udp, 111), Cover::Full, "{index}");
        }
        // A VLAN gets its packets before the bridge does that its interface is a port of.
        let beside = [
            full(1, None),
            stacked(2, Some(1), None),
            stacked(3, None, Some(2)),
        ];
        assert_eq!(cover(&beside, 2, Udp, 111), Cover::Full);
        assert_eq!(cover(&beside, 3, Udp, 111), Cover::None);
    }

    #[test]
    fn loops_of_interfaces_end() {
        let looped = |index: u32, lower: u32| NetworkInterface {
            lower: Some(lower),
            ..interface(index, None)
        };
        assert_eq!(
            cover(&[looped(1, 2), looped(2, 1)], 1, Udp, 111),
            Cover::None
        );
    }
}
