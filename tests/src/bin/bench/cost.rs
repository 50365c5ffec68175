//! What one packet costs, by BPF_PROG_TEST_RUN: the same packet again and again, so everything is
//! in the cache, and what is measured is instructions.

use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use nix::time::{ClockId, clock_gettime};
use rpcguard_common::{abi::Verdict, parse::LinkLayer};
use rpcguard_tests::{
    kernel::{Kernel, Program},
    lab::LabProgram,
    packet::{
        Frame, Setup,
        numbers::{ACK, ARP},
        peers::{FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
    },
};

use crate::{
    Effort,
    report::{Report, Target},
};

/// Runs of a program in one measurement.
const REPEAT: u32 = 200_000;

/// A packet, and which bare program does with it what the filter does.
struct Case {
    name: &'static str,
    frame: Vec<u8>,
    bare: Bare,
    target: Target,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    Pass,
    Drop,
}

/// Measures all cases once a round, each right after the bare program.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let mut kernel = Kernel::load(LinkLayer::Ethernet)?;
    kernel.apply(&Setup {
        prefixes: vec![
            ("192.0.2.0/24".parse()?, Verdict::Allow),
            ("2001:db8:a::/48".parse()?, Verdict::Allow),
        ],
        ..Setup::default()
    })?;
    let filter = kernel.xdp(Program::Linear)?;
    let pass = LabProgram::load(LabProgram::PASS)?;
    let drop = LabProgram::load(LabProgram::DROP)?;
    let cases = cases();
    let mut samples = vec![(Vec::new(), Vec::new()); cases.len()];
    for round in 0..effort.rounds {
        report.progress("cost per packet", round, effort.rounds);
        for (case, (bare, filtered)) in cases.iter().zip(&mut samples) {
            let bare_program = match case.bare {
                Bare::Pass => pass.xdp()?,
                Bare::Drop => drop.xdp()?,
            };
            bare.push(nanoseconds_per_run(bare_program, &case.frame)?);
            filtered.push(nanoseconds_per_run(filter, &case.frame)?);
        }
    }
    report.section(
        "Cost per packet, in nanoseconds over a bare program",
        "one allow prefix a family; BPF_PROG_TEST_RUN",
    );
    for (case, (bare, filtered)) in cases.iter().zip(samples) {
        let against = match case.bare {
            Bare::Pass => "XDP_PASS",
            Bare::Drop => "XDP_DROP",
        };
        report.cost(case.name, against, &bare, &filtered, case.target);
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    let case = |name, frame: Frame, bare, target| Case {
        name,
        frame: frame.build(),
        bare,
        target,
    };
    let v4 = |source| Frame::ethernet().ipv4(source);
    let v6 = |source| Frame::ethernet().ipv6(source);
    let innocent = Target::AtMost(3.0);
    vec![
        case(
            "TCP, IPv4",
            v4(STRANGER_V4).tcp(443, ACK).payload(&[0; 64]),
            Bare::Pass,
            innocent,
        ),
        case(
            "UDP to port 53, IPv4",
            v4(STRANGER_V4).udp(53).payload(&[0; 40]),
            Bare::Pass,
            Target::None,
        ),
        case(
            "TCP, IPv6",
            v6(STRANGER_V6).tcp(443, ACK).payload(&[0; 64]),
            Bare::Pass,
            innocent,
        ),
        case(
            "UDP to port 53, IPv6",
            v6(STRANGER_V6).udp(53).payload(&[0; 40]),
            Bare::Pass,
            Target::None,
        ),
        case(
            "ARP",
            Frame::ethernet().ether_type(ARP).payload(&[0; 46]),
            Bare::Pass,
            Target::None,
        ),
        case(
            "unlisted DUMP, IPv4",
            v4(STRANGER_V4).dump(),
            Bare::Drop,
            Target::None,
        ),
        case(
            "unlisted DUMP, IPv6",
            v6(STRANGER_V6).dump(),
            Bare::Drop,
            Target::None,
        ),
        case(
            "listed DUMP, IPv4",
            v4(FRIEND_V4).dump(),
            Bare::Pass,
            Target::None,
        ),
        case(
            "listed DUMP, IPv6",
            v6(FRIEND_V6).dump(),
            Bare::Pass,
            Target::None,
        ),
    ]
}

/// Processor time of one run. The kernel's own figure is in whole nanoseconds.
fn nanoseconds_per_run(program: &Xdp, frame: &[u8]) -> Result<f64> {
    let now =
        || -> Result<Duration> { Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into()) };
    let start = now()?;
    program
        .test_run(TestRunOptions {
            data_in: Some(frame),
            repeat: REPEAT,
            ..TestRunOptions::new()
        })
        .context("cannot run a program")?;
    Ok((now()? - start).as_nanos() as f64 / f64::from(REPEAT))
}
