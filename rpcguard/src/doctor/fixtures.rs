//! Interfaces and machines as they are found, for tests.

use super::facts::{Device, Facts, Machine, Version};
use crate::sys::ethtool::{Channels, Feature};

/// `NETDEV_XDP_ACT_BASIC`, `REDIRECT` and `NDO_XMIT`.
pub(super) const XDP: u64 = 7;

/// `NETDEV_XDP_ACT_RX_SG`.
pub(super) const XDP_RX_SG: u64 = 1 << 5;

/// A machine where nothing is wrong.
pub(super) fn machine(version: Version) -> Machine {
    Machine {
        release: format!("{}.{}.0-test", version.0, version.1),
        version,
        processors: 4,
        jit: Some(true),
        btf: true,
        memlock: None,
        bpffs: "/sys/fs/bpf".into(),
        bpffs_error: None,
        missing: None,
    }
}

/// A network card; `xdp` is what it tells since Linux 6.3.
pub(super) fn card(driver: &str, xdp: Option<u64>) -> Device {
    Device {
        name: "eth0".to_owned(),
        up: true,
        driver: Some(driver.to_owned()),
        mtu: 1500,
        ethernet: true,
        xdp,
        ..Device::default()
    }
}

/// An interface of a kind that the kernel makes.
pub(super) fn of_kind(kind: &str, driver: &str, xdp: Option<u64>) -> Device {
    Device {
        kind: kind.to_owned(),
        ..card(driver, xdp)
    }
}

/// An offload.
pub(super) fn offload(name: &str, on: bool, fixed: bool) -> Feature {
    Feature {
        name: name.to_owned(),
        on,
        fixed,
    }
}

/// So many queues in use, and so many at most.
pub(super) fn combined(used: u32, max: u32) -> Option<Channels> {
    Some(Channels {
        combined: used,
        max_combined: max,
        ..Channels::default()
    })
}

/// An interface without guard.
pub(super) fn facts(device: Device, version: Version) -> Facts {
    Facts {
        machine: machine(version),
        device,
        guard: None,
        adoptable: false,
    }
}
