//! Tells this host's own addresses from those of others: what it asks itself over loopback, no
//! guard and no firewall sees.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use crate::{
    error::{Doing as _, Result},
    sys::netlink,
};

/// The addresses of a name: those of this host, and those of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitAddresses {
    /// This host's.
    pub own: Vec<IpAddr>,
    /// Those of others, which can be asked.
    pub others: Vec<SocketAddr>,
}

/// The addresses of this network namespace that others can send to from afar.
pub(super) fn own_addresses() -> Result<Vec<IpAddr>> {
    let all = if_addrs::get_if_addrs().doing("list the addresses of this host")?;
    let reachable = all
        .into_iter()
        .filter(|interface| !interface.is_loopback() && !interface.is_link_local());
    Ok(reachable.map(|interface| interface.ip()).collect())
}

/// Tells them apart, each once. An address of IPv4 in the form of IPv6 is that of IPv4.
///
/// # Errors
///
/// If the addresses of this host cannot be listed.
pub fn split(addresses: &[SocketAddr]) -> Result<SplitAddresses> {
    let mut split = SplitAddresses::default();
    for address in addresses {
        let address = canonical(*address);
        if is_own(address)? {
            if !split.own.contains(&address.ip()) {
                split.own.push(address.ip());
            }
        } else if !split.others.contains(&address) {
            split.others.push(address);
        }
    }
    Ok(split)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match (address.ip().to_canonical(), address) {
        (IpAddr::V4(ip), _) => SocketAddr::from((ip, address.port())),
        (IpAddr::V6(ip), SocketAddr::V6(address)) => {
            SocketAddrV6::new(ip, address.port(), 0, address.scope_id()).into()
        }
        (IpAddr::V6(_), SocketAddr::V4(_)) => address,
    }
}

fn is_own(address: SocketAddr) -> Result<bool> {
    let ip = address.ip();
    if ip.is_unspecified() || ip.is_loopback() {
        return Ok(true);
    }
    let scope = match address {
        SocketAddr::V6(address) => address.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    let interfaces = if_addrs::get_if_addrs().doing("list the addresses of this host")?;
    // The address of a link is that of another host on another link.
    let here = |index: Option<u32>| scope == 0 || index.is_none() || index == Some(scope);
    let listed = interfaces
        .iter()
        .any(|interface| interface.ip() == ip && here(interface.index));
    // A route may make further addresses its own; without one, it is no address of this host.
    Ok(listed || netlink::is_local(ip, scope).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::split;

    #[test]
    fn every_form_of_an_address_of_this_host_is_its_own() {
        let read = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let own = [
            "127.0.0.1:111",
            "127.5.6.7:111",
            "0.0.0.0:111",
            "[::]:111",
            "[::1]:111",
            "[::ffff:127.0.0.1]:111",
            "[::ffff:0.0.0.0]:111",
        ];
        for address in own {
            let found = split(&[read(address)]).unwrap();
            assert_eq!((found.own.len(), found.others), (1, vec![]), "{address}");
        }
        // Mixed, in both forms, and twice.
        let mixed = [
            "192.0.2.77:111",
            "[::ffff:192.0.2.77]:111",
            "127.0.0.1:111",
            "[::ffff:127.0.0.1]:111",
        ];
        let found = split(&mixed.map(read)).unwrap();
        assert_eq!(found.others, [read("192.0.2.77:111")]);
        assert_eq!(found.own, [read("127.0.0.1:111").ip()]);
    }
}
