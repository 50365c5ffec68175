//! A host that is hunted on, and its twin.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
};

use anyhow::{Context as _, Result, bail};
use nix::sys::socket::{setsockopt, sockopt};

use super::{
    deliveries::{Content, Deliveries, Delivery},
    terrain::{Device, GUARDED, OTHERS},
    wire::{Wire, refuses},
};
use crate::{
    lab::{Host, Tun, connect},
    packet::{
        Frame,
        numbers::SYN,
        peers::{FRIEND_V4, HOST_MAC, HOST_V4, HOST_V6, PEER_MAC},
    },
    site::CleanLab,
};

/// A multicast group that the hosts are in.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
/// The portmapper's multicast group (RFC 1833 section 2.2.1).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x202);

/// A port that nobody listens on and no shot is for.
const CLOSED: u16 = 9;

/// Room for what a volley brings to one socket.
const ROOM: usize = 8 << 20;

/// How long Linux keeps fragments, in seconds.
pub const FRAGMENTS_LAST: u64 = 1;

/// UDP sockets by port, and what listens for TCP, which nobody accepts connections from.
#[derive(Debug, Default)]
struct Sockets {
    udp: Vec<(u16, UdpSocket)>,
    tcp: Vec<TcpListener>,
}

/// A host, all its sockets, and the wire to it.
#[derive(Debug)]
pub struct Twin {
    /// The host.
    pub host: Host,
    /// Its interface.
    pub interface: &'static str,
    wire: Wire,
    sockets: Sockets,
    volleys: u32,
    _peer: Option<Host>,
}

impl Twin {
    /// A new one.
    ///
    /// # Errors
    ///
    /// If this machine has no such device.
    pub fn new(lab: &CleanLab, device: Device, mtu: usize) -> Result<Self> {
        let host = lab.host();
        for setting in [
            // Sockets of both families on each port, so that each packet is seen as what it is.
            "net/ipv6/bindv6only=1",
            // A connection request is replied to and forgotten.
            "net/ipv4/tcp_syncookies=2",
            // Leftovers do not meddle with what comes later, and there is room for all of them.
            &format!("net/ipv4/ipfrag_time={FRAGMENTS_LAST}"),
            &format!("net/ipv6/ip6frag_time={FRAGMENTS_LAST}"),
            "net/ipv4/ipfrag_high_thresh=268435456",
            "net/ipv6/ip6frag_high_thresh=268435456",
            "net/ipv4/ipfrag_max_dist=0",
        ] {
            host.sysctl(setting)?;
        }
        let (interface, wire, peer) = match device {
            Device::Veth => {
                let peer = lab.host();
                connect((&host, ("eth0", &[])), (&peer, ("eth0", &[])))?;
                peer.ip(&format!("link set eth0 address {}", text(PEER_MAC)))?;
                host.ip(&format!("link set eth0 address {}", text(HOST_MAC)))?;
                for end in [&host, &peer] {
                    end.ip(&format!("link set eth0 mtu {mtu}"))?;
                }
                ("eth0", Wire::veth(&peer, "eth0")?, Some(peer))
            }
            Device::Tun => {
                let device = Tun::new(&host, "tun0")?;
                host.ip(&format!("link set tun0 up mtu {mtu}"))?;
                ("tun0", Wire::Tun(device), None)
            }
        };
        host.add_address(interface, &format!("{HOST_V4}/24"))?;
        host.add_address(interface, &format!("{HOST_V6}/64"))?;
        reach_everybody(&host, interface, device)?;
        let sockets = host.enter(open_sockets)?;
        let index = host.ifindex(interface)?;
        for (_, socket) in &sockets.udp {
            match socket.local_addr()?.ip() {
                IpAddr::V4(_) => socket.join_multicast_v4(&GROUP_V4, &HOST_V4)?,
                IpAddr::V6(_) => socket.join_multicast_v6(&GROUP_V6, index)?,
            }
        }
        Ok(Self {
            host,
            interface,
            wire,
            sockets,
            volleys: 0,
            _peer: peer,
        })
    }

    /// Sends frames, and returns all that they brought to the sockets.
    ///
    /// # Errors
    ///
    /// If the host stops answering.
    pub fn volley<'f>(&mut self, frames: impl Iterator<Item = &'f Vec<u8>>) -> Result<Deliveries> {
        for frame in frames {
            self.wire.send(frame)?;
        }
        // Frames are received in the order in which they are sent, and so are replies.
        self.volleys += 1;
        let sequence = self.volleys;
        self.wire.send(&self.last_frame(sequence))?;
        let mut deliveries = Deliveries::default();
        self.wire
            .replies_until(|reply| refuses(reply, sequence), &mut deliveries)?;
        let mut buffer = vec![0; 65_536];
        for (port, socket) in &self.sockets.udp {
            while let Some((length, source)) = receive(socket, &mut buffer)? {
                deliveries.add(Delivery {
                    source,
                    port: *port,
                    content: Content::Datagram(buffer[..length].to_vec()),
                });
            }
        }
        Ok(deliveries)
    }

    /// A connection request that is refused.
    fn last_frame(&self, sequence: u32) -> Vec<u8> {
        let frame = match self.wire {
            Wire::Veth { .. } => Frame::ethernet(),
            Wire::Tun(_) => Frame::layer3(),
        };
        frame
            .ipv4(FRIEND_V4)
            .tcp(CLOSED, SYN)
            .patch(20 + 4, &sequence.to_be_bytes())
            .build()
    }
}

/// Every source is fine, and so are source routes. Replies go to the other end of the wire.
fn reach_everybody(host: &Host, interface: &str, device: Device) -> Result<()> {
    for setting in ["all", interface].iter().flat_map(|whom| {
        [
            format!("net/ipv4/conf/{whom}/rp_filter=0"),
            format!("net/ipv4/conf/{whom}/accept_source_route=1"),
            format!("net/ipv6/conf/{whom}/accept_source_route=1"),
            format!("net/ipv6/conf/{whom}/seg6_enabled=1"),
        ]
    }) {
        host.sysctl(&setting)?;
    }
    match device {
        Device::Veth => {
            for gateway in ["203.0.113.254", "2001:db8::fe"] {
                let mac = text(PEER_MAC);
                host.ip(&format!(
                    "neighbour add {gateway} lladdr {mac} dev {interface} nud permanent"
                ))?;
                host.ip(&format!("route add default via {gateway}"))?;
            }
        }
        Device::Tun => {
            host.ip(&format!("-4 route add default dev {interface}"))?;
            host.ip(&format!("-6 route add default dev {interface}"))?;
        }
    }
    Ok(())
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// UDP sockets and TCP listeners of both families.
fn open_sockets() -> Result<Sockets> {
    let mut sockets = Sockets::default();
    for port in GUARDED.into_iter().chain(OTHERS) {
        for any in [
            IpAddr::from(Ipv4Addr::UNSPECIFIED),
            Ipv6Addr::UNSPECIFIED.into(),
        ] {
            let address = SocketAddr::new(any, port);
            let socket =
                UdpSocket::bind(address).with_context(|| format!("cannot bind {address}"))?;
            socket.set_nonblocking(true)?;
            setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
            sockets.udp.push((port, socket));
            sockets.tcp.push(TcpListener::bind(address)?);
        }
    }
    Ok(sockets)
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Result<Option<(usize, SocketAddr)>> {
    match socket.recv_from(buffer) {
        Ok((length, source)) => {
            // A scope is the interface's, and not part of who it is.
            Ok(Some((length, SocketAddr::new(source.ip(), source.port()))))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => bail!("cannot receive: {error}"),
    }
}
