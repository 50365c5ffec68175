//! Where the scenario takes place: clients and a flood that reach a portmapper over one link.

use std::fs;

use anyhow::{Context as _, Result};
use rpcguard_tests::{
    lab::{Flood, Host, Lab, Rpcbind, Sources, connect},
    packet::{Frame, rpc},
};

use super::trial::Flooding;

/// The portmapper's address.
pub(super) const SERVER: [u8; 4] = [192, 0, 2, 1];

/// The router's address on the portmapper's link.
const ROUTER: [u8; 4] = [192, 0, 2, 2];

/// A portmapper, and the router that all the world is behind. The flood is sent by the router: over
/// the same link as what clients send.
pub(super) struct Town {
    _rpcbind: Rpcbind,
    pub(super) server: Host,
    pub(super) router: Host,
}

impl Town {
    pub(super) fn new(lab: &Lab) -> Result<Self> {
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
    pub(super) fn client(&self, lab: &Lab, number: u8) -> Result<Host> {
        let host = lab.host()?;
        let port = format!("client{number}");
        let router = format!("198.18.{number}.1/24");
        connect((&self.router, (&port, &[&router])), (&host, ("eth0", &[])))?;
        Ok(host)
    }

    /// A flood of GETPORT calls.
    pub(super) fn flood(&self, flooding: &Flooding) -> Result<Flood<'_>> {
        const GETPORT: u32 = 3;
        let frame = Frame::ethernet()
            .to_mac(self.server.mac("eth0")?)
            .ipv4([198, 18, 0, 1].into())
            .to_v4(SERVER.into())
            .udp(111)
            .payload(&rpc::whole_call(2, GETPORT));
        let make = if flooding.distinct {
            Flood::of_distinct_calls
        } else {
            Flood::new
        };
        let sources = Sources::any_of(flooding.sources.parse()?);
        make(&self.router, "eth0", frame.build(), sources)
    }

    /// How many datagrams the sockets of the server have been given; rpcbind's, that is.
    pub(super) fn calls_taken(&self) -> Result<u64> {
        let file = "/proc/thread-self/net/snmp";
        let text = self
            .server
            .enter(|| fs::read_to_string(file))
            .with_context(|| format!("cannot read {file}"))?;
        // A line of names, and one of values.
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, values) = lines
            .next()
            .zip(lines.next())
            .context("no UDP statistics")?;
        names
            .split(' ')
            .zip(values.split(' '))
            .find_map(|(name, value)| (name == "InDatagrams").then(|| value.parse().ok())?)
            .context("no count of UDP datagrams")
    }
}
