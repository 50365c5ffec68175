//! What sampling costs on average where each sample is of another source.

use anyhow::Result;
use rpcguard_common::parse::LinkLayer;
use rpcguard_tests::{
    kernel::{Kernel, Program},
    lab::{Lab, Sources},
    packet::{Frame, Setup, peers::STRANGER_V4},
};

use crate::{
    Effort,
    cores::Core,
    report::{Report, Target},
    wire::Wire,
};

/// The same program is measured with samples and without, in turns.
pub(super) fn measure(effort: Effort, core: &Core, report: &mut Report) -> Result<()> {
    let lab = Lab::new()?;
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&Setup::default())?;
    let wire = Wire::guarded_by(&lab, kernel.xdp_mut(Program::Linear)?)?;
    report.section(
        "Flood of DUMP calls of which one in 128 is sampled, in million packets a second on one core",
        "against the same program with no sample due; everything dropped",
    );
    let frame = Frame::ethernet().ipv4(STRANGER_V4).dump().build();
    let flood = wire.flood(&frame, Sources::any_of("0.0.0.0/0".parse()?))?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        report.progress("flood, sampling", round, effort.rounds);
        for (samples, rates) in [(false, &mut without), (true, &mut with)] {
            kernel.sample(samples)?;
            rates.push(flood.sample(core)?.rate() / 1e6);
        }
    }
    // 3 ns of the 300 that a packet takes from generator to filter.
    report.rate("IPv4", "unsampled", &without, &with, Target::AtLeast(0.99));
    Ok(())
}
