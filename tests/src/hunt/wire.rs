//! The way to a twin: frames go in, and TCP's replies come out.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::deliveries::{Content, Deliveries, Delivery};
use crate::{
    lab::{Host, PacketReceiver, PacketSocket, Tun},
    packet::numbers::{IPV4, IPV6},
};

/// How long a reply may take that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Room for the replies to a volley.
const ROOM: usize = 8 << 20;

/// Frames in, replies out.
#[derive(Debug)]
pub(super) enum Wire {
    /// The other end of a virtual Ethernet cable. IPv4 and IPv6 come out of different sockets: one for
    /// all protocols would also be given what is sent.
    Veth {
        sender: PacketSocket,
        receivers: [PacketReceiver; 2],
    },
    /// The device itself.
    Tun(Tun),
}

impl Wire {
    /// The wire whose other end is `interface` of `peer`.
    pub(super) fn veth(peer: &Host, interface: &str) -> Result<Self> {
        let receiver = |ether_type| PacketReceiver::open(peer, interface, ether_type, ROOM);
        Ok(Self::Veth {
            sender: PacketSocket::open(peer, interface)?,
            receivers: [receiver(IPV4)?, receiver(IPV6)?],
        })
    }

    pub(super) fn send(&self, frame: &[u8]) -> Result<()> {
        match self {
            Self::Veth { sender, .. } => sender.send(frame),
            Self::Tun(device) => device.send(frame),
        }
    }

    /// Adds all TCP replies up to the one over IPv4 for which `is_last`, which itself is not added.
    pub(super) fn replies_until(
        &self,
        is_last: impl Fn(&Delivery) -> bool,
        deliveries: &mut Deliveries,
    ) -> Result<()> {
        let mut buffer = [0; 2048];
        loop {
            let packet = match self {
                Self::Veth { receivers, .. } => receivers[0]
                    .next(&mut buffer, PATIENCE)?
                    .and_then(|frame| frame.get(14..)),
                Self::Tun(device) => device.next(&mut buffer, PATIENCE)?,
            };
            let packet = packet.context("the last of the frames got no reply")?;
            match Delivery::from_reply(packet) {
                Some(reply) if is_last(&reply) => break,
                Some(reply) => deliveries.add(reply),
                None => {}
            }
        }
        if let Self::Veth { receivers, .. } = self {
            // They were sent, and have arrived, before the last one.
            while let Some(frame) = receivers[1].next(&mut buffer, Duration::ZERO)? {
                if let Some(reply) = frame.get(14..).and_then(Delivery::from_reply) {
                    deliveries.add(reply);
                }
            }
        }
        Ok(())
    }
}

/// Whether a reply acknowledges this sequence number with a reset.
pub(super) const fn refuses(reply: &Delivery, sequence: u32) -> bool {
    matches!(reply.content, Content::Reply { acknowledges, flags }
        if acknowledges == sequence.wrapping_add(1) && flags & crate::packet::numbers::RST != 0)
}
