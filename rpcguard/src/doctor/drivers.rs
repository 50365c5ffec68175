//! Which interfaces can run a program in the driver, and what keeps them from it.
//!
//! Since Linux 6.3 each says whether it can; before, that is known of the drivers below. What else a driver insists
//! on, it only says when it refuses: these conditions are from the drivers' sources.

use super::{
    Obstacle,
    facts::{Device, Machine, Version},
};

// NETDEV_XDP_ACT_*, linux/netdev.h
const XDP_BASIC: u64 = 1;
const XDP_RX_SG: u64 = 1 << 5;

/// The first kernel that tells what a driver can do.
const TELLS: Version = (6, 3);

/// The first kernel on which bonds hand a program on to their ports.
const BONDS: Version = (5, 15);

/// The first kernel whose veth takes programs for frames in several buffers.
const VETH_FRAGS: Version = (5, 18);

/// Since when drivers have native XDP; of those that had it in the oldest kernel that rpcguard runs on, that one.
const NATIVE_SINCE: &[(&str, Version)] = &[
    ("bnxt_en", (5, 10)),
    ("ena", (5, 10)),
    ("hv_netvsc", (5, 10)),
    ("i40e", (5, 10)),
    ("ice", (5, 10)),
    ("igb", (5, 10)),
    ("ixgbe", (5, 10)),
    ("ixgbevf", (5, 10)),
    ("mlx4_en", (5, 10)),
    ("mlx5_core", (5, 10)),
    ("nfp", (5, 10)),
    ("qede", (5, 10)),
    ("tun", (5, 10)),
    ("veth", (5, 10)),
    ("virtio_net", (5, 10)),
    ("igc", (5, 13)),
    ("mana", (5, 17)),
    ("gve", (6, 4)),
    ("vmxnet3", (6, 6)),
    ("e1000", (u32::MAX, 0)),
    ("e1000e", (u32::MAX, 0)),
];

/// The largest MTU whose frames are in one buffer, where the driver refuses larger ones.
const LARGEST_MTU: &[(&str, u32)] = &[
    ("ena", 3498),
    ("hv_netvsc", 3506),
    ("veth", 3506),
    ("virtio_net", 3506),
];

// Bits of virtio features, linux/virtio_net.h.
const VIRTIO_NET_F_CTRL_GUEST_OFFLOADS: u64 = 1 << 2;
/// The host may leave checksums out, and merge TCP and UDP.
const VIRTIO_GUEST_OFFLOADS: u64 = 1 << 1 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 54 | 1 << 55;

// linux/if_bonding.h
const BOND_MODES: [&str; 7] = [
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
];
const BOND_XMIT_POLICY_VLAN_SRCMAC: u8 = 5;

/// Kinds of interfaces that have no driver to run a program in.
const NO_DRIVER: [&str; 19] = [
    "bridge",
    "dummy",
    "erspan",
    "geneve",
    "gre",
    "gretap",
    "ifb",
    "ip6gre",
    "ip6tnl",
    "ipip",
    "ipvlan",
    "macvlan",
    "macvtap",
    "ppp",
    "sit",
    "vlan",
    "vti",
    "vxlan",
    "wireguard",
];

/// What keeps an interface from running a program in the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hindrance {
    pub(crate) what: String,
    pub(crate) remedy: Option<Remedy>,
}

/// What would remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remedy {
    pub(crate) command: String,
    pub(crate) cost: &'static str,
}

/// Whether an interface can run a program in the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Native {
    Yes,
    No(Vec<Hindrance>),
    /// Neither this program nor the kernel knows.
    Unknown,
}

impl Hindrance {
    fn for_good(what: String) -> Self {
        Self { what, remedy: None }
    }

    fn of(obstacle: Obstacle, device: &Device, queues: Option<u32>, what: String) -> Self {
        Self {
            what,
            remedy: Some(Remedy {
                command: obstacle.command(&device.name, queues),
                cost: obstacle.cost(),
            }),
        }
    }
}

/// Whether it can.
pub(crate) fn native(device: &Device, machine: &Machine) -> Native {
    let name = &device.name;
    if device.kind == "bond" {
        return bond(device, machine);
    }
    let can = match device.xdp {
        Some(features) => Some(features & XDP_BASIC != 0),
        None if NO_DRIVER.contains(&&*device.kind) => Some(false),
        // Of the driver's two kinds of devices, only tap has XDP.
        None if device.kind == "tun" && !device.ethernet => Some(false),
        None => {
            let driver = device.driver.as_deref().unwrap_or_default();
            let mut known = NATIVE_SINCE.iter().filter(|(name, _)| *name == driver);
            known.next().map(|(_, since)| machine.version >= *since)
        }
    };
    match can {
        None => Native::Unknown,
        Some(false) if !device.kind.is_empty() => Native::No(vec![Hindrance::for_good(format!(
            "`{name}` is a {} device, which has no driver to run a program in",
            device.kind
        ))]),
        Some(false) => Native::No(vec![Hindrance::for_good(no_driver(device, machine))]),
        Some(true) => match conditions(device, machine) {
            hindrances if hindrances.is_empty() => Native::Yes,
            hindrances => Native::No(hindrances),
        },
    }
}

fn no_driver(device: &Device, machine: &Machine) -> String {
    let Some(driver) = device.driver.as_deref() else {
        return format!("`{}` has no driver to run a program in", device.name);
    };
    let since = NATIVE_SINCE.iter().find(|(name, _)| *name == driver);
    match since {
        Some((_, since @ (major, minor))) if *major != u32::MAX && machine.version < *since => {
            format!("the driver `{driver}` has XDP since Linux {major}.{minor}")
        }
        _ => format!("the driver `{driver}` has no XDP"),
    }
}

/// What a driver that has XDP insists on besides.
fn conditions(device: &Device, machine: &Machine) -> Vec<Hindrance> {
    let mut found = Vec::new();
    let driver = device.driver.as_deref().unwrap_or_default();
    found.extend(large_frames(device, machine, driver));
    match driver {
        "virtio_net" => found.extend(guest_offloads(device)),
        "ena" | "gve" => {
            found.extend(busy_channels(device, driver));
            if driver == "gve" {
                found.extend(lro(device, driver));
            }
        }
        "hv_netvsc" | "mlx5_core" => found.extend(lro(device, driver)),
        _ => {}
    }
    found
}

fn large_frames(device: &Device, machine: &Machine, driver: &str) -> Option<Hindrance> {
    let takes_several_buffers = match (driver, device.xdp) {
        ("veth", _) => machine.version >= VETH_FRAGS,
        // Not all of its devices say so.
        ("virtio_net", _) => machine.version >= TELLS,
        (_, features) => features.is_some_and(|features| features & XDP_RX_SG != 0),
    };
    let (_, largest) = LARGEST_MTU.iter().find(|(name, _)| *name == driver)?;
    (!takes_several_buffers && device.mtu > *largest).then(|| {
        Hindrance::of(
            Obstacle::Mtu,
            device,
            None,
            format!(
                "`{driver}` takes programs up to an MTU of about {largest} here, and that of `{}` is {}",
                device.name, device.mtu
            ),
        )
    })
}

fn guest_offloads(device: &Device) -> Option<Hindrance> {
    // What older kernels call LRO.
    let merging = ["rx-gro-hw", "rx-lro"]
        .into_iter()
        .find_map(|name| device.offload(name));
    let is_fixed = match device.virtio {
        Some(features) => {
            features & VIRTIO_NET_F_CTRL_GUEST_OFFLOADS == 0
                && features & VIRTIO_GUEST_OFFLOADS != 0
        }
        None => merging.is_some_and(|offload| offload.fixed),
    };
    is_fixed.then(|| {
        Hindrance::for_good(format!(
            "the host of this virtual machine merges packets or leaves checksums out for `{}`, and only the host \
             can switch that off (QEMU: guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off, or \
             ctrl_guest_offloads=on)",
            device.name
        ))
    })
}

fn busy_channels(device: &Device, driver: &str) -> Option<Hindrance> {
    let channels = device.channels?;
    let (used, max) = if channels.max_combined > 0 {
        (channels.combined, channels.max_combined)
    } else {
        (channels.tx, channels.max_tx)
    };
    (max > 0 && used > max / 2).then(|| {
        Hindrance::of(
            Obstacle::Channels,
            device,
            Some((max / 2).max(1)),
            format!("`{driver}` wants half of its {max} queues to be free, and {used} are in use"),
        )
    })
}

fn lro(device: &Device, driver: &str) -> Option<Hindrance> {
    let offload = device.offload("rx-lro")?;
    let what = format!("`{driver}` runs no program while the card merges packets (LRO)");
    Some(if offload.fixed {
        Hindrance::for_good(format!("{what}, and that is [fixed]"))
    } else {
        Hindrance::of(Obstacle::Lro, device, None, what)
    })
}

fn bond(device: &Device, machine: &Machine) -> Native {
    let name = &device.name;
    let no = |what: String| Native::No(vec![Hindrance::for_good(what)]);
    if machine.version < BONDS {
        return no("bonds run programs in their ports' drivers since Linux 5.15".to_owned());
    }
    if let Some(bond) = device.bond {
        let mode = BOND_MODES.get(usize::from(bond.mode)).unwrap_or(&"?");
        match (*mode, bond.hash) {
            ("balance-rr" | "active-backup", _) => {}
            ("balance-xor" | "802.3ad", hash) if hash != BOND_XMIT_POLICY_VLAN_SRCMAC => {}
            ("balance-xor" | "802.3ad", _) => {
                return no(format!(
                    "bonds that distribute packets by vlan+srcmac, as `{name}` does, run no programs in drivers"
                ));
            }
            _ => {
                return no(format!(
                    "bonds in mode {mode}, as `{name}` is, run no programs in drivers"
                ));
            }
        }
    }
    let mut hindrances = Vec::new();
    let mut unknown = false;
    for port in &device.ports {
        match native(port, machine) {
            Native::Yes => {}
            Native::Unknown => unknown = true,
            Native::No(found) => hindrances.extend(found),
        }
        if let Some(program) = port.programs.first() {
            hindrances.push(Hindrance::for_good(format!(
                "its port `{}` has an XDP program already: id {}, name `{}`",
                port.name, program.id, program.name
            )));
        }
    }
    match (hindrances.is_empty(), unknown) {
        (false, _) => Native::No(hindrances),
        (true, true) => Native::Unknown,
        (true, false) => Native::Yes,
    }
}
