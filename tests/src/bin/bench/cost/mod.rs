//! What one packet costs, by BPF_PROG_TEST_RUN: the same packet again and again, so everything is in
//! the cache, and what is measured is instructions; and one from another source each time.

mod growth;
mod kinds;
mod rate;
mod sampling;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use nix::time::{ClockId, clock_gettime};
use rpcguard_tests::lab::LabProgram;

use crate::{
    Effort,
    chart::Bar,
    report::{Report, Target, cost},
};

/// Runs of a program in one measurement.
const REPEAT: u32 = 200_000;

/// Appends a section for kinds of packets, some for the length of lists, one for the rate policy, and one
/// for sampling.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    kinds::measure(effort, report)?;
    growth::measure(effort, report)?;
    rate::measure(effort, report)?;
    sampling::measure(effort, report)
}

/// A packet, the filter that it is shown to, and which bare program does with it what that does.
struct Case<'a> {
    name: &'static str,
    frame: Vec<u8>,
    filter: &'a Xdp,
    bare: Bare,
    target: Target,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    Pass,
    Drop,
}

impl Bare {
    /// `XDP_DROP` and `XDP_PASS` of the kernel's bpf.h.
    const fn code(self) -> u32 {
        match self {
            Self::Pass => 2,
            Self::Drop => 1,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pass => "XDP_PASS",
            Self::Drop => "XDP_DROP",
        }
    }
}

/// Measures all cases once a round, each right after the bare program, and returns their costs.
fn compare(
    effort: Effort,
    report: &mut Report,
    what: &str,
    cases: &[Case<'_>],
) -> Result<Vec<Bar>> {
    let pass = LabProgram::load(LabProgram::PASS)?;
    let drop = LabProgram::load(LabProgram::DROP)?;
    let mut samples = vec![(Vec::new(), Vec::new()); cases.len()];
    for round in 0..effort.rounds {
        report.progress(what, round, effort.rounds);
        for (case, (bare, filtered)) in cases.iter().zip(&mut samples) {
            let bare_program = match case.bare {
                Bare::Pass => pass.xdp()?,
                Bare::Drop => drop.xdp()?,
            };
            bare.push(nanoseconds_per_run(bare_program, &case.frame, case.bare)?);
            filtered.push(nanoseconds_per_run(case.filter, &case.frame, case.bare)?);
        }
    }
    let mut costs = Vec::new();
    for (case, (bare, filtered)) in cases.iter().zip(samples) {
        report.cost(case.name, case.bare.name(), &bare, &filtered, case.target);
        costs.push(Bar {
            name: case.name.to_owned(),
            value: cost(&bare, &filtered),
            stands_out: true,
        });
    }
    Ok(costs)
}

/// Processor time of one run of a program that does with the frame what a bare one does. The kernel's own
/// figure is in whole nanoseconds.
fn nanoseconds_per_run(program: &Xdp, frame: &[u8], does: Bare) -> Result<f64> {
    let now =
        || -> Result<Duration> { Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into()) };
    let start = now()?;
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(frame),
            repeat: REPEAT,
            ..TestRunOptions::new()
        })
        .context("cannot run a program")?;
    let elapsed = now()? - start;
    ensure!(
        result.return_value == does.code(),
        "a program returned {} instead of {}",
        result.return_value,
        does.name()
    );
    Ok(elapsed.as_nanos() as f64 / f64::from(REPEAT))
}
