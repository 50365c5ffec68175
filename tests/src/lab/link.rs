//! Interfaces, and the wires between them.

use std::{fs, process};

use anyhow::{Context as _, Result};

use super::{Host, Lab};

/// Joins two hosts by a pair of virtual Ethernet interfaces, which are up afterwards. An interface
/// and its addresses are given as `("eth0", &["192.0.2.1/24", "2001:db8::1/64"])`.
///
/// # Errors
///
/// If a name is taken or an address is malformed.
pub fn connect(
    (a, (a_name, a_addresses)): (&Host, (&str, &[&str])),
    (b, (b_name, b_addresses)): (&Host, (&str, &[&str])),
) -> Result<()> {
    let peer = format!("/proc/{}/fd/{}", process::id(), b.network_fd());
    a.ip(&format!(
        "link add {a_name} type veth peer name {b_name} netns {peer}"
    ))?;
    for (host, name, addresses) in [(a, a_name, a_addresses), (b, b_name, b_addresses)] {
        host.ip(&format!("link set {name} up"))?;
        for address in addresses {
            host.add_address(name, address)?;
        }
    }
    Ok(())
}

/// An Ethernet switch: several hosts on one segment, each with one interface.
#[derive(Debug)]
pub struct Switch {
    /// The host that the switch runs in. Its interface `br0` is on the segment too.
    pub host: Host,
}

impl Switch {
    /// A switch with no host connected.
    ///
    /// # Errors
    ///
    /// If the kernel has no bridge.
    pub fn new(lab: &Lab) -> Result<Self> {
        let host = lab.host()?;
        host.ip("link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0")?;
        host.ip("link set br0 up")?;
        Ok(Self { host })
    }

    /// Connects a host; `port` names the switch's end of the wire.
    ///
    /// # Errors
    ///
    /// As [`connect`].
    pub fn connect(&self, port: &str, host: &Host, interface: (&str, &[&str])) -> Result<()> {
        connect((host, interface), (&self.host, (port, &[])))?;
        self.host.ip(&format!("link set {port} master br0"))?;
        Ok(())
    }
}

/// What an interface counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
}

impl Host {
    /// Adds an address, usable at once.
    ///
    /// # Errors
    ///
    /// If there is no such interface or the address is malformed.
    pub fn add_address(&self, interface: &str, address: &str) -> Result<()> {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.ip(&format!("address add {address} dev {interface} {nodad}"))?;
        Ok(())
    }

    /// What an interface counted.
    ///
    /// # Errors
    ///
    /// If there is no such interface.
    pub fn statistics(&self, interface: &str) -> Result<Statistics> {
        let read = |name| {
            self.interface_attribute(interface, &format!("statistics/{name}"))?
                .parse::<u64>()
                .with_context(|| format!("{name} of {interface} is not a number"))
        };
        Ok(Statistics {
            rx_packets: read("rx_packets")?,
            rx_bytes: read("rx_bytes")?,
            tx_packets: read("tx_packets")?,
            tx_bytes: read("tx_bytes")?,
        })
    }

    /// An interface's index in this host.
    ///
    /// # Errors
    ///
    /// If there is no such interface.
    pub fn ifindex(&self, interface: &str) -> Result<u32> {
        self.interface_attribute(interface, "ifindex")?
            .parse()
            .with_context(|| format!("the index of {interface} is not a number"))
    }

    /// An interface's hardware address.
    ///
    /// # Errors
    ///
    /// If there is no such interface, or it has no Ethernet address.
    pub fn mac(&self, interface: &str) -> Result<[u8; 6]> {
        let text = self.interface_attribute(interface, "address")?;
        text.split(':')
            .map(|byte| u8::from_str_radix(byte, 16))
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .with_context(|| format!("`{text}`, the address of {interface}, is not Ethernet's"))
    }

    fn interface_attribute(&self, interface: &str, attribute: &str) -> Result<String> {
        let path = format!("/sys/class/net/{interface}/{attribute}");
        let text = self
            .enter(|| fs::read_to_string(&path))
            .with_context(|| format!("cannot read {path} in a host of the lab"))?;
        Ok(text.trim().to_owned())
    }
}
