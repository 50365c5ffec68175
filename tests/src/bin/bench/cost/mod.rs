//! What one packet costs, by BPF_PROG_TEST_RUN: the same packet again and again, so everything is
//! in the cache, and what is measured is instructions.

mod lists;
mod rate;
mod sampling;

use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use nix::time::{ClockId, clock_gettime};
use rpcguard_tests::lab::LabProgram;

use crate::{
    Effort,
    report::{Report, Target},
};

/// Runs of a program in one measurement.
const REPEAT: u32 = 200_000;

/// Appends a section for lists, one for the rate policy, and one for sampling.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    lists::measure(effort, report)?;
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

/// Measures all cases once a round, each right after the bare program.
fn compare(effort: Effort, report: &mut Report, what: &str, cases: &[Case<'_>]) -> Result<()> {
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
            bare.push(nanoseconds_per_run(bare_program, &case.frame)?);
            filtered.push(nanoseconds_per_run(case.filter, &case.frame)?);
        }
    }
    for (case, (bare, filtered)) in cases.iter().zip(samples) {
        let against = match case.bare {
            Bare::Pass => "XDP_PASS",
            Bare::Drop => "XDP_DROP",
        };
        report.cost(case.name, against, &bare, &filtered, case.target);
    }
    Ok(())
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
