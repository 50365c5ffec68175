//! A wire with an XDP program at its end, and floods that are sent over it.

use std::time::Instant;

use anyhow::{Context as _, Result};
use aya::programs::{Xdp, XdpMode};
use rpcguard_tests::lab::{Flood, Host, Lab, Sources, connect};

/// Packets in one measurement: some hundredths of a second, so that whatever else the machine does
/// meets the bare program and the filter alike.
const PACKETS: u32 = 200_000;

/// Packets before the first measurement, which find queues and caches cold.
const WARM_UP: u32 = 100_000;

/// A wire with a program at its end, which stays attached.
pub(super) struct Wire {
    attacker: Host,
    host: Host,
}

impl Wire {
    /// A new one, whose far end is an interface with this program.
    pub(super) fn guarded_by(lab: &Lab, program: &mut Xdp) -> Result<Self> {
        let (attacker, host) = (lab.host()?, lab.host()?);
        connect((&host, ("eth0", &[])), (&attacker, ("eth0", &[])))?;
        host.enter(|| program.attach("eth0", XdpMode::Driver))?;
        Ok(Self { attacker, host })
    }

    /// A flood of `frame` from these sources, which finds queues and caches warm.
    pub(super) fn flood(&self, frame: &[u8], sources: Sources) -> Result<WireFlood<'_>> {
        self.begin(Flood::new(&self.attacker, "eth0", frame.to_vec(), sources)?)
    }

    /// As [`Self::flood`], of calls with another transaction id in each.
    pub(super) fn flood_of_distinct_calls(
        &self,
        frame: &[u8],
        sources: Sources,
    ) -> Result<WireFlood<'_>> {
        let frame = frame.to_vec();
        self.begin(Flood::of_distinct_calls(
            &self.attacker,
            "eth0",
            frame,
            sources,
        )?)
    }

    fn begin<'a>(&'a self, flood: Flood<'a>) -> Result<WireFlood<'a>> {
        WireFlood::begin(flood, &self.host)
    }
}

/// A flood that is ready to be sent over a wire.
pub(crate) struct WireFlood<'a> {
    flood: Flood<'a>,
    host: &'a Host,
}

impl<'a> WireFlood<'a> {
    /// Takes a flood that reaches `eth0` of a host, and lets it find queues and caches warm.
    pub(crate) fn begin(flood: Flood<'a>, host: &'a Host) -> Result<Self> {
        flood.send(WARM_UP)?;
        Ok(Self { flood, host })
    }

    /// Packets a second that the program at the end of the wire handles.
    pub(crate) fn rate(&self) -> Result<f64> {
        let before = handled(self.host)?;
        let start = Instant::now();
        self.flood.send(PACKETS)?;
        let elapsed = start.elapsed();
        Ok((handled(self.host)? - before) as f64 / elapsed.as_secs_f64())
    }
}

/// How many packets have come out of the receiving queues of a host's `eth0`, where its XDP program is
/// shown them; what did not fit into a queue was sent, but not handled.
pub(crate) fn handled(host: &Host) -> Result<u64> {
    let statistics = host.ethtool("-S eth0")?;
    statistics
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rx_queue_"))
        .filter_map(|line| line.split_once("_xdp_packets: "))
        .map(|(_, count)| count.trim().parse::<u64>())
        .sum::<Result<u64, _>>()
        .with_context(|| format!("ethtool prints statistics of another form: {statistics}"))
}
