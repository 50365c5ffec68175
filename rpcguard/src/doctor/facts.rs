//! What there is to know about an interface and the machine, before anything is tried.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rpcguard_common::parse::LinkLayer;
use rustix::{
    process::{Resource, getrlimit},
    system::uname,
};

use crate::{
    error::{Doing as _, Error, Result},
    guard::{self, Entry, Registry, preconditions},
    sys::{
        ethtool::{Channels, Ethtool, Feature},
        netlink::{self, Bond, Interface, XdpAttached},
    },
};

/// Kinds that take the packets of another interface.
const STACKED: [&str; 5] = ["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"];

/// The first two numbers of a kernel's version.
pub(crate) type Version = (u32, u32);

/// The machine, as far as attaching is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// As uname(1) has it.
    pub(crate) release: String,
    pub(crate) version: Version,
    /// Processors that there may ever be, for each of which some drivers want a queue.
    pub(crate) processors: usize,
    /// Whether programs are compiled, and not interpreted; `None` if that is not told.
    pub(crate) jit: Option<bool>,
    /// Whether the kernel has its types with it. rpcguard does without.
    pub(crate) btf: bool,
    /// Bytes that a process may lock, which kernels before 5.11 count maps against; `None` without a limit.
    pub(crate) memlock: Option<u64>,
    /// Where guards are pinned.
    pub(crate) bpffs: PathBuf,
    /// What is wrong with it.
    pub(crate) bpffs_error: Option<String>,
    /// Capabilities that this process lacks to attach.
    pub(crate) missing: Option<String>,
}

/// An XDP program on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) id: u32,
    /// May be empty.
    pub(crate) name: String,
    pub(crate) mode: &'static str,
}

/// A guard on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guarded {
    Here {
        mode: Option<&'static str>,
        confirmed: bool,
    },
    /// By an rpcguard of this ABI version.
    Incompatible(u32),
}

/// An interface that another one is a port of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Master {
    pub(crate) name: String,
    /// `bond`, `bridge`, ...
    pub(crate) kind: String,
}

/// An interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) up: bool,
    /// `veth`, `vlan`, ...; empty for hardware.
    pub(crate) kind: String,
    /// As ethtool has it; `None` if it has none.
    pub(crate) driver: Option<String>,
    pub(crate) mtu: u32,
    /// Whether its packets begin with an Ethernet header.
    pub(crate) ethernet: bool,
    /// Why packets of its link layer are not understood, if they are not.
    pub(crate) strange: Option<String>,
    pub(crate) channels: Option<Channels>,
    pub(crate) offloads: Vec<Feature>,
    /// `NETDEV_XDP_ACT_*`; `None` before Linux 6.3.
    pub(crate) xdp: Option<u64>,
    /// The features that a virtio device and its driver have agreed upon.
    pub(crate) virtio: Option<u64>,
    pub(crate) bond: Option<Bond>,
    /// The ports of a bond or bridge.
    pub(crate) ports: Vec<Self>,
    pub(crate) master: Option<Master>,
    /// XDP programs of interfaces that it is a port of, or that are stacked on it, with their names.
    pub(crate) above: Vec<(String, Program)>,
    /// The interface that it is stacked on.
    pub(crate) lower: Option<String>,
    pub(crate) programs: Vec<Program>,
}

/// Everything.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) machine: Machine,
    pub(crate) device: Device,
    pub(crate) guard: Option<Guarded>,
    /// Whether a program of rpcguard's that somebody else attached waits to be adopted.
    pub(crate) adoptable: bool,
}

impl Facts {
    /// Looks everything up. Nothing is changed.
    pub(crate) fn gather(registry: &Registry, name: &str) -> Result<Self> {
        let interface = guard::interface_by_name(name)?;
        let machine = Machine::look(registry);
        let can_look = machine.missing.is_none() && machine.bpffs_error.is_none();
        let guard = if can_look {
            guarded(registry, name)?
        } else {
            None
        };
        let adoptable = can_look && guard.is_none() && guard::is_adoptable(registry, &interface)?;
        let mut device = Device::of(&interface);
        let others = others(&interface)?;
        let ports = others
            .iter()
            .filter(|other| other.master == Some(interface.index));
        device.ports = ports.map(Device::of).collect();
        let named = |index: Option<u32>| others.iter().find(|other| Some(other.index) == index);
        let is_stacked = |kind: &str| STACKED.contains(&kind);
        device.lower = named(interface.lower)
            .filter(|_| is_stacked(&interface.kind))
            .map(|lower| lower.name.clone());
        let is_above = |other: &&Interface| {
            interface.master == Some(other.index)
                || other.lower == Some(interface.index) && is_stacked(&other.kind)
        };
        let above = others.iter().filter(is_above);
        device.above = above
            .filter_map(|other| Some((other.name.clone(), Program::of(other.xdp.first()?))))
            .collect();
        device.master = named(interface.master).map(|master| Master {
            name: master.name.clone(),
            kind: master.kind.clone(),
        });
        Ok(Self {
            machine,
            device,
            guard,
            adoptable,
        })
    }
}

fn guarded(registry: &Registry, name: &str) -> Result<Option<Guarded>> {
    Ok(match registry.find(name)? {
        Some(Entry::Guard(guard)) => Some(Guarded::Here {
            mode: guard.mode().map(guard::Mode::name),
            confirmed: guard.is_confirmed(),
        }),
        Some(Entry::Incompatible { found, .. }) => Some(Guarded::Incompatible(found)),
        Some(Entry::Leftover(_)) | None => None,
    })
}

/// The other interfaces of this network namespace.
fn others(interface: &Interface) -> Result<Vec<Interface>> {
    let mut others =
        netlink::interfaces().doing("list the interfaces of this network namespace")?;
    others.retain(|other| other.index != interface.index);
    Ok(others)
}

impl Machine {
    fn look(registry: &Registry) -> Self {
        let release = uname().release().to_string_lossy().into_owned();
        Self {
            version: version(&release),
            release,
            processors: fs::read_to_string("/sys/devices/system/cpu/possible")
                .map_or(0, |list| count(&list)),
            jit: fs::read_to_string("/proc/sys/net/core/bpf_jit_enable")
                .ok()
                .map(|enabled| enabled.trim() != "0"),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            memlock: getrlimit(Resource::Memlock).current,
            bpffs: registry.bpffs().to_owned(),
            bpffs_error: preconditions::bpffs(registry.bpffs())
                .err()
                .map(|error| error.to_string()),
            missing: match preconditions::privileges("attach", preconditions::TO_LOAD) {
                Err(Error::NotPermitted { missing, .. }) => Some(missing),
                _ => None,
            },
        }
    }
}

/// What is not understood is a new kernel.
fn version(release: &str) -> Version {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => (u32::MAX, 0),
    }
}

/// How many numbers are in a list such as `0-3,8`.
fn count(list: &str) -> usize {
    let length = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        (last + 1).checked_sub(first)
    };
    list.trim().split(',').filter_map(length).sum()
}

impl Device {
    /// What the interface itself tells.
    fn of(interface: &Interface) -> Self {
        let Interface { name, index, .. } = interface;
        let told = |question: std::io::Result<()>, what: &str| {
            if let Err(error) = question {
                log::debug!("`{name}` does not tell its {what}: {error}");
            }
        };
        let mut device = Self {
            name: name.clone(),
            up: interface.up,
            kind: interface.kind.clone(),
            mtu: interface.mtu,
            ethernet: matches!(guard::link_layer(interface), Ok(LinkLayer::Ethernet)),
            strange: guard::link_layer(interface)
                .err()
                .map(|error| error.to_string()),
            virtio: virtio_features(name),
            bond: interface.bond,
            programs: interface.xdp.iter().map(Program::of).collect(),
            ..Self::default()
        };
        match Ethtool::open(name) {
            Ok(ethtool) => {
                told(
                    ethtool
                        .driver()
                        .map(|driver| device.driver = Some(driver).filter(|name| !name.is_empty())),
                    "driver",
                );
                told(
                    ethtool
                        .channels()
                        .map(|channels| device.channels = Some(channels)),
                    "queues",
                );
                told(
                    ethtool
                        .features()
                        .map(|offloads| device.offloads = offloads),
                    "offloads",
                );
            }
            Err(error) => told(Err(error), "driver"),
        }
        told(
            netlink::xdp_features(*index).map(|features| device.xdp = features),
            "XDP features",
        );
        device
    }

    /// The offload of this name, if it is on.
    pub(crate) fn offload(&self, name: &str) -> Option<&Feature> {
        let mut offloads = self.offloads.iter();
        offloads.find(|offload| offload.name == name && offload.on)
    }
}

impl Program {
    fn of(program: &netlink::XdpProgram) -> Self {
        Self {
            id: program.id,
            name: guard::program_name(program.id),
            mode: match program.attached {
                XdpAttached::Native => "native",
                XdpAttached::Generic => "generic",
                XdpAttached::Offloaded => "offloaded",
            },
        }
    }
}

/// From sysfs, which shows the interfaces of the network namespace that it was mounted in: `None` elsewhere.
fn virtio_features(name: &str) -> Option<u64> {
    let path = Path::new("/sys/class/net")
        .join(name)
        .join("device/features");
    let bits = fs::read_to_string(path).ok()?;
    let bits = bits.trim().bytes().take(64).enumerate();
    Some(bits.fold(0, |features, (number, bit)| {
        features | u64::from(bit == b'1') << number
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_counted() {
        assert_eq!(count("0-3\n"), 4);
        assert_eq!(count("0"), 1);
        assert_eq!(count("0-1,4-7,9"), 7);
        assert_eq!(count(""), 0);
        assert_eq!(count("7-3"), 0);
    }

    #[test]
    fn a_kernel_of_an_unknown_kind_is_new() {
        assert_eq!(version("6.1.0-31-cloud-amd64"), (6, 1));
        assert_eq!(version("6.18.44-fc"), (6, 18));
        assert!(version("strange") > (99, 0));
    }
}
