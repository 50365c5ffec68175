//! Clients and a flood that reach a portmapper over one link.

use anyhow::Result;
use rpcguard_tests::{
    lab::{Flood, Host, Lab, Rpcbind, Sources, connect},
    packet::{Frame, rpc},
};

/// The portmapper's address.
pub(crate) const SERVER: [u8; 4] = [192, 0, 2, 1];

/// The router's address on the portmapper's link.
pub(crate) const ROUTER: [u8; 4] = [192, 0, 2, 2];

/// A portmapper, and the router that all the world is behind. The flood is sent by the router: over
/// the same link as what clients send.
pub(crate) struct Town {
    _rpcbind: Rpcbind,
    pub(crate) server: Host,
    pub(crate) router: Host,
}

impl Town {
    pub(crate) fn new(lab: &Lab) -> Result<Self> {
        let (server, router) = (lab.host()?, lab.host()?);
        let [server_address, router_address] =
            [SERVER, ROUTER].map(|[a, b, c, d]| format!("{a}.{b}.{c}.{d}/24"));
        connect(
            (&server, ("eth0", &[&server_address])),
            (&router, ("eth0", &[&router_address])),
        )?;
        // Where frames of the flood are handed over without an XDP program.
        server.ethtool("-K eth0 gro on")?;
        server.ip("route add default via 192.0.2.2")?;
        router.sysctl("net/ipv4/ip_forward=1")?;
        // Replies to spoofed sources end here.
        router.ip("route add blackhole default")?;
        Ok(Self {
            _rpcbind: Rpcbind::start(&server)?,
            server,
            router,
        })
    }

    /// A client in a network of its own.
    pub(crate) fn client(&self, lab: &Lab, number: u8) -> Result<Host> {
        let host = lab.host()?;
        let port = format!("client{number}");
        let router = format!("198.18.{number}.1/24");
        connect((&self.router, (&port, &[&router])), (&host, ("eth0", &[])))?;
        Ok(host)
    }

    /// A flood of GETPORT calls from any address of a prefix: of the same call again and again, or of
    /// distinct ones.
    pub(crate) fn flood(&self, sources: &str, distinct: bool) -> Result<Flood<'_>> {
        const GETPORT: u32 = 3;
        let frame = Frame::ethernet()
            .to_mac(self.server.mac("eth0")?)
            .ipv4([198, 18, 0, 1].into())
            .to_v4(SERVER.into())
            .udp(111)
            .payload(&rpc::whole_call(2, GETPORT));
        let make = if distinct {
            Flood::of_distinct_calls
        } else {
            Flood::new
        };
        let sources = Sources::any_of(sources.parse()?);
        make(&self.router, "eth0", frame.build(), sources)
    }
}
