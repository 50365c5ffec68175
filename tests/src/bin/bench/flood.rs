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
    samples::Samples,
};

/// Packets in one measurement.
const PACKETS: u32 = 1_000_000;

/// Each round measures the bare program, then the filter.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let lab = Lab::new()?;
    let (host, attacker) = (lab.host()?, lab.host()?);
    connect((&host, ("eth0", &[])), (&attacker, ("eth0", &[])))?;
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&Setup {
        prefixes: vec![
            ("192.0.2.0/24".parse()?, Verdict::Allow),
            ("2001:db8:a::/48".parse()?, Verdict::Allow),
        ],
        ..Setup::default()
    })?;
    let mut drop = LabProgram::load(LabProgram::DROP)?;
    report.section(
        "Flood of DUMP calls from random sources, in million packets a second on one core",
        "one allow prefix a family; everything dropped",
    );
    let v4 = Frame::ethernet().ipv4(STRANGER_V4).dump();
    let v6 = Frame::ethernet().ipv6(STRANGER_V6).dump();
    for (name, frame, sources) in [("IPv4", v4, "0.0.0.0/0"), ("IPv6", v6, "::/0")] {
        let sources = Sources::any_of(sources.parse()?);
        let flood = Flood::new(&attacker, "eth0", frame.build(), sources)?;
        let (mut bares, mut ratios) = (Vec::new(), Vec::new());
        for round in 0..effort.long_rounds {
            report.progress(&format!("flood, {name}"), round, effort.long_rounds);
            let bare = rate(&host, drop.xdp_mut()?, &flood)?;
            bares.push(bare / 1e6);
            ratios.push(rate(&host, kernel.xdp_mut(Program::Linear)?, &flood)? / bare);
        }
        let target = Target::AtLeast(0.9);
        report.rate(name, &Samples::new(bares), &Samples::new(ratios), target);
    }
    Ok(())
}

/// Packets a second that a program handles.
fn rate(host: &Host, program: &mut Xdp, flood: &Flood<'_>) -> Result<f64> {
    let link = host.enter(|| program.attach("eth0", XdpMode::Driver))?;
    // The queues and pages of the wire begin empty after attaching.
    flood.send(PACKETS / 20)?;
    let before = handled(host)?;
    let start = Instant::now();
    flood.send(PACKETS)?;
    let elapsed = start.elapsed();
    let handled = handled(host)? - before;
    program.detach(link)?;
    Ok(handled as f64 / elapsed.as_secs_f64())
}

/// How many packets an XDP program has been shown; what did not fit into the receiving queue was
/// sent, but not handled.
fn handled(host: &Host) -> Result<u64> {
    let statistics = host.ethtool("-S eth0")?;
    statistics
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rx_queue_"))
        .filter_map(|line| line.split_once("_xdp_packets: "))
        .map(|(_, count)| count.trim().parse::<u64>())
        .sum::<Result<u64, _>>()
        .with_context(|| format!("ethtool prints statistics of another form: {statistics}"))
}
