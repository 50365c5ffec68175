//! A host of its own for each contender, so that they can be measured in turns.

use anyhow::Result;
use rpcguard_tests::{
    lab::{Lab, LabProgram, Listener, Sources},
    packet::{
        Frame,
        peers::{HOST_V4, HOST_V6, STRANGER_V4, STRANGER_V6},
        rpc,
    },
};

use crate::{
    contender::{Contender, Family, List},
    wire::{Wire, WireFlood},
};

const GETPORT: u32 = 3;

/// A wire to a host with a socket on port 111, and a contender in front of that.
pub(crate) struct Lane {
    pub(crate) contender: Contender,
    pub(crate) wire: Wire,
    /// What gets through to it fills its buffer, and is then dropped there.
    pub(crate) socket: Listener,
    family: Family,
    _program: Option<LabProgram>,
}

impl Lane {
    pub(crate) fn set_up(contender: Contender, list: &List, family: Family) -> Result<Self> {
        Self::with_queues(1, contender, list, family)
    }

    /// As [`Self::set_up`], with so many receiving queues, which cores choose from by their number.
    pub(crate) fn with_queues(
        queues: usize,
        contender: Contender,
        list: &List,
        family: Family,
    ) -> Result<Self> {
        let wire = Wire::new(&Lab::new()?)?;
        wire.host.add_address("eth0", &format!("{HOST_V4}/24"))?;
        wire.host.add_address("eth0", &format!("{HOST_V6}/64"))?;
        // For those that have no XDP program. The others are not in its way: they drop before.
        wire.host.ethtool("-K eth0 gro on")?;
        if queues > 1 {
            // Before an XDP program is attached: veth shows it nothing of queues that are added later.
            wire.host.ethtool(&format!("-L eth0 rx {queues}"))?;
        }
        let socket = Listener::bind(&wire.host, "[::]:111")?;
        let program = contender.set_up(&wire.host, list)?;
        Ok(Self {
            contender,
            wire,
            socket,
            family,
            _program: program,
        })
    }

    /// A flood of calls for the host's portmapper.
    pub(crate) fn flood(&self, sources: Sources) -> Result<WireFlood<'_>> {
        self.wire.flood(&self.call()?, sources)
    }

    /// A call that the rate policy serves.
    pub(crate) fn call(&self) -> Result<Vec<u8>> {
        let frame = Frame::ethernet().to_mac(self.wire.host.mac("eth0")?);
        let frame = match self.family {
            Family::V4 => frame.ipv4(STRANGER_V4).to_v4(HOST_V4),
            Family::V6 => frame.ipv6(STRANGER_V6).to_v6(HOST_V6),
        };
        Ok(frame.udp(111).payload(&rpc::whole_call(2, GETPORT)).build())
    }
}
