//! What it costs, on average, to look closely at one drop in so many.
//!
//! The same program on the same packet is measured with a countdown to the next sample that does not
//! end, which leaves the rest of it as it is.

use anyhow::Result;
use rpcguard_common::parse::LinkLayer;
use rpcguard_tests::{
    kernel::{Kernel, Program},
    packet::{
        Frame, Setup,
        peers::{STRANGER_V4, STRANGER_V6},
    },
};

use super::{Bare, nanoseconds_per_run};
use crate::{
    Effort,
    report::{Report, Target},
};

pub(super) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&Setup::default())?;
    report.section(
        "Cost of sampling drops, in nanoseconds per packet",
        "one source; one drop in 128 is sampled; BPF_PROG_TEST_RUN",
    );
    for (name, frame) in [
        ("unlisted DUMP, IPv4", Frame::ethernet().ipv4(STRANGER_V4)),
        ("unlisted DUMP, IPv6", Frame::ethernet().ipv6(STRANGER_V6)),
    ] {
        let frame = frame.dump().build();
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for round in 0..effort.rounds {
            report.progress("cost of sampling", round, effort.rounds);
            for (samples, nanoseconds) in [(false, &mut without), (true, &mut with)] {
                kernel.sample(samples)?;
                let filter = kernel.xdp(Program::Linear)?;
                nanoseconds.push(nanoseconds_per_run(filter, &frame, Bare::Drop)?);
            }
        }
        report.cost(name, "unsampled", &without, &with, Target::AtMost(3.0));
    }
    Ok(())
}
