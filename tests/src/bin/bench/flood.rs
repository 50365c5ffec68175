//! A flood from random sources over a wire, end to end on one core: generator, wire, filter.

use std::time::Instant;

use anyhow::{Context as _, Result};
use aya::programs::{Xdp, XdpMode};
use rpcguard_common::{abi::Verdict, parse::LinkLayer};
use rpcguard_tests::{
    kernel::{Kernel, Program},
    lab::{Flood, Host, Lab, LabProgram, Sources, connect},
    packet::{
        Frame, Setup,
        peers::{STRANGER_V4, STRANGER_V6},
    },
};

use crate::{
    Effort,
    report::{Report, Target},
};

/// Packets in one measurement: some hundredths of a second, so that whatever else the machine does
/// meets the bare program and the filter alike.
const PACKETS: u32 = 200_000;

/// Packets before the first measurement, which find queues and caches cold.
const WARM_UP: u32 = 100_000;

/// Each round measures the bare program, then the filter, each on a wire of its own.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let lab = Lab::new()?;
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&Setup {
        prefixes: vec![
            ("192.0.2.0/24".parse()?, Verdict::Allow),
            ("2001:db8:a::/48".parse()?, Verdict::Allow),
        ],
        ..Setup::default()
    })?;
    let mut drop = LabProgram::load(LabProgram::DROP)?;
    let bare = Wire::guarded_by(&lab, drop.xdp_mut()?)?;
    let filtered = Wire::guarded_by(&lab, kernel.xdp_mut(Program::Linear)?)?;
    report.section(
        "Flood of DUMP calls from random sources, in million packets a second on one core",
        "one allow prefix a family; everything dropped",
    );
    let v4 = Frame::ethernet().ipv4(STRANGER_V4).dump().build();
    let v6 = Frame::ethernet().ipv6(STRANGER_V6).dump().build();
    for (name, frame, sources) in [("IPv4", v4, "0.0.0.0/0"), ("IPv6", v6, "::/0")] {
        let sources = Sources::any_of(sources.parse()?);
        let bare = bare.flood(&frame, sources)?;
        let filtered = filtered.flood(&frame, sources)?;
        let (mut bare_rates, mut filtered_rates) = (Vec::new(), Vec::new());
        for round in 0..effort.rounds {
            report.progress(&format!("flood, {name}"), round, effort.rounds);
            bare_rates.push(bare.rate()? / 1e6);
            filtered_rates.push(filtered.rate()? / 1e6);
        }
        let target = Target::AtLeast(0.9);
        report.rate(name, "XDP_DROP", &bare_rates, &filtered_rates, target);
    }
    Ok(())
}

/// A wire with a program at its end, which stays attached.
struct Wire {
    attacker: Host,
    host: Host,
}

impl Wire {
    fn guarded_by(lab: &Lab, program: &mut Xdp) -> Result<Self> {
        let (attacker, host) = (lab.host()?, lab.host()?);
        connect((&host, ("eth0", &[])), (&attacker, ("eth0", &[])))?;
        host.enter(|| program.attach("eth0", XdpMode::Driver))?;
        Ok(Self { attacker, host })
    }

    fn flood(&self, frame: &[u8], sources: Sources) -> Result<WireFlood<'_>> {
        let flood = Flood::new(&self.attacker, "eth0", frame.to_vec(), sources)?;
        flood.send(WARM_UP)?;
        Ok(WireFlood { wire: self, flood })
    }

    /// How many packets the program has been shown; what did not fit into the receiving queue was
    /// sent, but not handled.
    fn handled(&self) -> Result<u64> {
        let statistics = self.host.ethtool("-S eth0")?;
        statistics
            .lines()
            .filter_map(|line| line.trim().strip_prefix("rx_queue_"))
            .filter_map(|line| line.split_once("_xdp_packets: "))
            .map(|(_, count)| count.trim().parse::<u64>())
            .sum::<Result<u64, _>>()
            .with_context(|| format!("ethtool prints statistics of another form: {statistics}"))
    }
}

/// A flood that is ready to be sent over a wire.
struct WireFlood<'a> {
    wire: &'a Wire,
    flood: Flood<'a>,
}

impl WireFlood<'_> {
    /// Packets a second that the program handles.
    fn rate(&self) -> Result<f64> {
        let before = self.wire.handled()?;
        let start = Instant::now();
        self.flood.send(PACKETS)?;
        let elapsed = start.elapsed();
        Ok((self.wire.handled()? - before) as f64 / elapsed.as_secs_f64())
    }
}
