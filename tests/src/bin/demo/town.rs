//! Who lives where.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use rpcguard_tests::lab::{Host, Lab, ReflectionCounter, Rpcbind, Switch};

/// The host with the portmapper.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// The client that needs it.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// In whose name the attacker asks: a range for such tests (RFC 2544), here behind the gateway.
pub(crate) const VICTIMS: &str = "198.18.0.0/15";

/// The interface of every host.
pub(crate) const INTERFACE: &str = "eth0";

/// Four hosts on a switch.
pub(crate) struct Town {
    pub(crate) host: Host,
    pub(crate) client: Host,
    pub(crate) attacker: Host,
    pub(crate) host_mac: [u8; 6],
    /// What leaves the host for the victims.
    pub(crate) reflected: ReflectionCounter,
    _rpcbind: Rpcbind,
    _switch: Switch,
    _gateway: Host,
    _lab: Lab,
}

impl Town {
    pub(crate) fn build() -> Result<Self> {
        let lab = Lab::new()?;
        let switch = Switch::new(&lab)?;
        let (host, client) = (lab.host()?, lab.host()?);
        let (attacker, gateway) = (lab.host()?, lab.host()?);
        switch.connect("host", &host, (INTERFACE, &["203.0.113.1/24"]))?;
        switch.connect("client", &client, (INTERFACE, &["203.0.113.7/24"]))?;
        switch.connect("attacker", &attacker, (INTERFACE, &["203.0.113.66/24"]))?;
        switch.connect("gateway", &gateway, (INTERFACE, &["203.0.113.254/24"]))?;
        // For the frames of the flood, which are handed over without a packet buffer.
        switch.host.ethtool("-K attacker gro on")?;
        host.ip(&format!("route add {VICTIMS} via 203.0.113.254"))?;
        let reflected = ReflectionCounter::attach(&gateway, INTERFACE)?;
        let host_mac = host.mac(INTERFACE)?;
        let rpcbind = Rpcbind::start(&host)?;
        Ok(Self {
            host,
            client,
            attacker,
            host_mac,
            reflected,
            _rpcbind: rpcbind,
            _switch: switch,
            _gateway: gateway,
            _lab: lab,
        })
    }

    pub(crate) const fn server() -> IpAddr {
        IpAddr::V4(HOST)
    }
}
