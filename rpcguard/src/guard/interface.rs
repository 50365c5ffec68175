//! Interfaces that can be guarded.

use rpcguard_common::parse::LinkLayer;

use crate::{
    error::{Doing as _, Error, Result},
    sys::netlink,
};

pub(super) use crate::sys::netlink::Interface;

// linux/if_arp.h
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_PPP: u16 = 512;
const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_LOOPBACK: u16 = 772;
const ARPHRD_NONE: u16 = 0xfffe;
const ARPHRD_VOID: u16 = 0xffff;

/// One less than `IFNAMSIZ`.
const MAX_NAME_LEN: usize = 15;

/// Looks an interface of this network namespace up.
pub(crate) fn by_name(name: &str) -> Result<Interface> {
    check_name(name)?;
    netlink::interface_by_name(name)
        .doing(format!("look up interface `{name}`"))?
        .ok_or_else(|| Error::NoSuchInterface(name.to_owned()))
}

/// Whether there is such an interface in this network namespace.
pub(crate) fn interface_exists(name: &str) -> Result<bool> {
    match by_name(name) {
        Ok(_) => Ok(true),
        Err(Error::NoSuchInterface(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Looks an interface of this network namespace up; `None` if it is gone, as is that of a link with
/// index zero.
pub(super) fn by_index(index: u32) -> Result<Option<Interface>> {
    if index == 0 {
        return Ok(None);
    }
    netlink::interface_by_index(index).doing(format!("look up the interface with index {index}"))
}

/// The rules of dev_valid_name() in the kernel's net/core/dev.c.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let refuse = |why| {
        Err(Error::InterfaceName {
            name: name.to_owned(),
            why,
        })
    };
    match name {
        "" => refuse("it is empty"),
        "." | ".." => refuse("it is a directory"),
        _ if name.len() > MAX_NAME_LEN => refuse("it has more than 15 bytes"),
        _ if name.contains('/') => refuse("it contains a slash"),
        _ if name.contains(':') => refuse("it contains a colon"),
        _ if name.contains(|c: char| c.is_ascii_whitespace() || c == '\0' || c == '\x0b') => {
            refuse("it contains white space")
        }
        _ => Ok(()),
    }
}

/// What frames begin with when XDP sees them.
///
/// Tunnels with a header of their own (GRE, IPIP, SIT) are refused rather than misread: there, the
/// outer header may still be in front.
pub(crate) fn link_layer(interface: &Interface) -> Result<LinkLayer> {
    match interface.hardware {
        ARPHRD_ETHER | ARPHRD_LOOPBACK => Ok(LinkLayer::Ethernet),
        ARPHRD_NONE | ARPHRD_PPP | ARPHRD_RAWIP | ARPHRD_VOID => Ok(LinkLayer::None),
        hardware => Err(Error::LinkLayer {
            interface: interface.name.clone(),
            hardware,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_kernels_rules() {
        for good in [
            "eth0",
            "eth0.100",
            "a",
            "fifteen-bytes-x",
            "ünïc",
            "%41",
            "a@b",
        ] {
            check_name(good).unwrap();
        }
        for bad in [
            "",
            ".",
            "..",
            "sixteen-bytes-xy",
            "a/b",
            "../x",
            "a b",
            "a\tb",
            "a:b",
            "a\0",
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
