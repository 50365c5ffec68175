//! Attaching a program to an interface.

use std::{fmt, os::fd::AsFd as _};

use aya::programs::{
    Xdp, XdpMode,
    links::{FdLink, LinkError},
    loaded_programs,
};

use super::interface::Interface;
use crate::{
    error::{Doing as _, Error, Result, causes},
    sys::netlink::{self, XdpAttached},
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
/// dropped unpinned.
pub(super) fn attach(program: &mut Xdp, interface: &Interface, mode: Mode) -> Result<FdLink> {
    let aya_mode = match mode {
        Mode::Native => XdpMode::Driver,
        Mode::Generic => XdpMode::Skb,
    };
    let result = program.attach_to_if_index(interface.index, aya_mode);
    let why = match result {
        Ok(id) => {
            let link = program
                .take_link(id)
                .doing(format!("keep the link to `{}`", interface.name))?;
            match FdLink::try_from(link) {
                Ok(link) => return Ok(link),
                // aya fell back to netlink, which cannot be pinned; dropping it detaches.
                Err(LinkError::InvalidLink) => {
                    return Err(Error::Kernel(
                        "it has no bpf_link for XDP (Linux 5.9)".to_owned(),
                    ));
                }
                Err(error) => {
                    return Err(error).doing(format!("link to `{}`", interface.name));
                }
            }
        }
        Err(error) => causes(&error),
    };
    if let Some(foreign) = foreign_program(interface)? {
        return Err(foreign);
    }
    let fd = program.fd().doing("use the program")?;
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
    let name = loaded_programs()
        .filter_map(std::result::Result::ok)
        .find(|info| info.id() == program.id)
        .and_then(|info| info.name_as_str().map(ToOwned::to_owned));
    Ok(Some(Error::ForeignProgram {
        interface: interface.name.clone(),
        id: program.id,
        name: name.unwrap_or_default(),
        mode: match program.attached {
            XdpAttached::Native => "native",
            XdpAttached::Generic => "generic",
            XdpAttached::Offloaded => "offloaded",
        },
    }))
}
