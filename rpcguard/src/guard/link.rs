//! Attaching a program to an interface.

use std::{
    fmt,
    os::fd::{AsFd as _, OwnedFd},
};

use aya::programs::{Xdp, loaded_programs};

use super::interface::Interface;
use crate::{
    error::{Doing as _, Error, Result},
    sys::{
        bpf,
        netlink::{self, XdpAttached},
    },
};

// linux/if_link.h
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// Where in the receive path the filter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver, before the kernel allocates anything for the packet.
    Native,
    /// In the network stack, for drivers without XDP: correct, and slower.
    Generic,
}

impl Mode {
    pub(super) const fn of(attached: XdpAttached) -> Option<Self> {
        match attached {
            XdpAttached::Native => Some(Self::Native),
            XdpAttached::Generic => Some(Self::Generic),
            XdpAttached::Offloaded => None,
        }
    }

    const fn flag(self) -> u32 {
        match self {
            Self::Native => XDP_FLAGS_DRV_MODE,
            Self::Generic => XDP_FLAGS_SKB_MODE,
        }
    }

    /// The word for it in commands, tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Attaches `program`, which is loaded, in one mode. The program is detached again when the link is
/// closed unpinned.
pub(super) fn attach(program: &Xdp, interface: &Interface, mode: Mode) -> Result<OwnedFd> {
    let fd = program.fd().doing("use the program")?;
    let why = match bpf::create_xdp_link(fd.as_fd(), interface.index, mode.flag()) {
        Ok(link) => return Ok(link),
        Err(error) => error.to_string(),
    };
    if let Some(foreign) = foreign_program(interface)? {
        return Err(foreign);
    }
    let words = netlink::why_refused(interface.index, fd.as_fd(), mode.flag());
    Err(Error::Refused {
        interface: interface.name.clone(),
        mode: mode.name(),
        why: words.unwrap_or(why),
    })
}

/// The error that says whose program is on the interface, if one is.
pub(super) fn foreign_program(interface: &Interface) -> Result<Option<Error>> {
    let Some(program) = interface.xdp.first() else {
        return Ok(None);
    };
    Ok(Some(Error::ForeignProgram {
        interface: interface.name.clone(),
        id: program.id,
        name: program_name(program.id),
        mode: match program.attached {
            XdpAttached::Native => "native",
            XdpAttached::Generic => "generic",
            XdpAttached::Offloaded => "offloaded",
        },
    }))
}

/// The name of a program; empty if it has none, or has gone.
pub(crate) fn program_name(id: u32) -> String {
    loaded_programs()
        .filter_map(std::result::Result::ok)
        .find(|info| info.id() == id)
        .and_then(|info| info.name_as_str().map(ToOwned::to_owned))
        .unwrap_or_default()
}
