//! A wire, and floods that are sent over it.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::programs::{Xdp, XdpMode};
use rpcguard_tests::lab::{Flood, Host, Lab, Sources, connect};

use crate::cores::{Core, busy};

/// Packets in one measurement: some hundredths of a second, so that whatever else the machine does
/// meets all that is compared alike.
const PACKETS: u32 = 200_000;

/// Packets before the first measurement, which find queues and caches cold.
const WARM_UP: u32 = 100_000;

/// A wire from an attacker to a host, each of which has it as `eth0`.
pub(crate) struct Wire {
    attacker: Host,
    pub(crate) host: Host,
    /// How many floods there have been: each has an interface of its own to stand by at.
    floods: AtomicU32,
}

impl Wire {
    /// A wire that leads nowhere yet: the attacker's interface takes no frames until something at the
    /// other end receives them in bulk, which is an XDP program or GRO.
    pub(crate) fn new(lab: &Lab) -> Result<Self> {
        let (attacker, host) = (lab.host()?, lab.host()?);
        connect((&host, ("eth0", &[])), (&attacker, ("eth0", &[])))?;
        Ok(Self {
            attacker,
            host,
            floods: AtomicU32::new(0),
        })
    }

    /// A new one, whose far end is an interface with this program, which stays attached.
    pub(crate) fn guarded_by(lab: &Lab, program: &mut Xdp) -> Result<Self> {
        let wire = Self::new(lab)?;
        wire.host
            .enter(|| program.attach("eth0", XdpMode::Driver))?;
        Ok(wire)
    }

    /// A flood of `frame` from these sources, which finds queues and caches warm.
    pub(crate) fn flood(&self, frame: &[u8], sources: Sources) -> Result<WireFlood<'_>> {
        self.begin(Flood::new(&self.attacker, "eth0", frame.to_vec(), sources)?)
    }

    /// As [`Self::flood`], of calls with another transaction id in each.
    pub(crate) fn flood_of_distinct_calls(
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

    /// Sends a few packets, cold.
    pub(crate) fn send(&self, frame: &[u8], sources: Sources, packets: u32) -> Result<()> {
        Flood::new(&self.attacker, "eth0", frame.to_vec(), sources)?.send(packets)
    }

    fn begin<'a>(&'a self, mut flood: Flood<'a>) -> Result<WireFlood<'a>> {
        let nowhere = format!("ready{}", self.floods.fetch_add(1, Ordering::Relaxed));
        self.attacker.ip(&format!("link add {nowhere} type veth"))?;
        flood.stand_by(&nowhere)?;
        WireFlood::begin(flood, &self.host)
    }
}

/// A flood that is ready to be sent over a wire.
pub(crate) struct WireFlood<'a> {
    flood: Flood<'a>,
    host: &'a Host,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Packets sent.
    pub(crate) sent: u64,
    /// Packets that came out of the queue at the other end; the others found no place in it.
    pub(crate) handled: u64,
    /// For how long one core was busy, with the generator as well as with what receives.
    pub(crate) busy: Duration,
}

impl Sample {
    /// Packets handled a second.
    pub(crate) fn rate(&self) -> f64 {
        self.handled as f64 / self.busy.as_secs_f64()
    }

    /// Nanoseconds for each packet sent.
    pub(crate) fn sending_took(&self) -> f64 {
        self.busy.as_nanos() as f64 / self.sent as f64
    }

    /// Packets handled a second by a core that needs not send them as well, which takes so many
    /// nanoseconds for each.
    pub(crate) fn rate_without_sending(&self, nanoseconds: f64) -> f64 {
        let sending = nanoseconds * self.sent as f64;
        self.handled as f64 / (self.busy.as_nanos() as f64 - sending) * 1e9
    }
}

impl<'a> WireFlood<'a> {
    /// Takes a flood that reaches `eth0` of a host, and lets it find queues and caches warm.
    pub(crate) fn begin(flood: Flood<'a>, host: &'a Host) -> Result<Self> {
        flood.send(WARM_UP)?;
        Ok(Self { flood, host })
    }

    /// Sends packets, as fast as one core can.
    pub(crate) fn send(&self, packets: u32) -> Result<()> {
        self.flood.send(packets)
    }

    /// Packets handled in a second of wall time, while other threads of this process are busy as well.
    pub(crate) fn rate(&self) -> Result<f64> {
        let (before, start) = (handled(self.host)?, Instant::now());
        self.send(PACKETS)?;
        let elapsed = start.elapsed();
        Ok((handled(self.host)? - before) as f64 / elapsed.as_secs_f64())
    }

    /// Sends some packets from a thread on this core.
    pub(crate) fn sample(&self, core: &Core) -> Result<Sample> {
        let (handled_before, busy_before) = (handled(self.host)?, busy([core])?);
        self.send(PACKETS)?;
        let busy = busy([core])? - busy_before;
        Ok(Sample {
            sent: PACKETS.into(),
            handled: handled(self.host)? - handled_before,
            busy,
        })
    }
}

/// How many packets have come out of the receiving queues of a host's `eth0`, where an XDP program would be
/// shown them, whether there is one or not; what did not fit into a queue was sent, but not handled.
pub(crate) fn handled(host: &Host) -> Result<u64> {
    queue_statistic(host, "xdp_packets")
}

/// A statistic of the receiving queues of a host's `eth0`, added up.
pub(crate) fn queue_statistic(host: &Host, name: &str) -> Result<u64> {
    let statistics = host.ethtool("-S eth0")?;
    statistics
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rx_queue_")?.split_once(": "))
        .filter(|(queue_and_name, _)| {
            queue_and_name
                .split_once('_')
                .is_some_and(|(_, of)| of == name)
        })
        .map(|(_, count)| count.trim().parse::<u64>())
        .sum::<Result<u64, _>>()
        .with_context(|| format!("ethtool prints statistics of another form: {statistics}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Sample;

    #[test]
    fn what_sending_takes_is_taken_off_for_lost_packets_too() {
        let sample = Sample {
            sent: 1000,
            handled: 500,
            busy: Duration::from_micros(200),
        };
        assert_eq!(sample.rate(), 2.5e6);
        assert_eq!(sample.rate_without_sending(100.0), 5e6);
    }
}
