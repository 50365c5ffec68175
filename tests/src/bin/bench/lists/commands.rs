//! Commands that are not about loading a list, with and without one.

use anyhow::{Context as _, Result};
use fastrand::Rng;

use super::memory;
use crate::{
    Effort,
    guarded::Guarded,
    list::{self, Family, List},
    report::{Report, Target},
    timed::Timed,
};

const LENGTH: usize = 1_000_000;

pub(super) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let rounds = if effort.quick { 11 } else { 51 };
    let guarded = Guarded::new()?;
    let (mut attach, mut detach) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        report.progress("attach", round, rounds);
        attach.push(guarded.timed(["attach", "eth0", "--mode", "native"])?);
        detach.push(guarded.timed(["detach", "eth0"])?);
    }
    guarded.run(["attach", "eth0", "--mode", "native"])?;
    let maps = memory::of_maps(&guarded)?;
    let empty = repeat(rounds, || guarded.timed(["status"]))?;
    fill(&guarded)?;
    let status = repeat(rounds, || guarded.timed(["status"]))?;
    let json = repeat(rounds, || guarded.timed(["status", "--json"]))?;

    report.section(
        "Commands, in milliseconds",
        "wall time from before a command is started until after its end; 1M: 1,000,000 prefixes loaded",
    );
    for (name, times, target) in [
        ("attach", &attach, Target::AtMost(50.0)),
        ("detach", &detach, Target::None),
        ("status", &empty, Target::None),
        ("status, 1M", &status, Target::AtMost(10.0)),
        ("status --json, 1M", &json, Target::AtMost(10.0)),
    ] {
        report.amount(name, &milliseconds(times), target);
    }
    let processor: Vec<f64> = attach
        .iter()
        .map(|timed| timed.processor_milliseconds)
        .collect();
    report.amount("attach, processor time", &processor, Target::None);
    report.section(
        "Memory, in MiB",
        "of commands: the most at a time; of maps: as the kernel says",
    );
    for (name, times, target) in [
        ("attach", &attach, Target::None),
        ("status, 1M", &status, Target::AtMost(10.0)),
        ("status --json, 1M", &json, Target::AtMost(10.0)),
    ] {
        report.amount(name, &peak(times), target);
    }
    report.amount("maps of a guard without prefixes", &[maps], Target::None);
    Ok(())
}

fn repeat(rounds: usize, run: impl Fn() -> Result<Timed>) -> Result<Vec<Timed>> {
    (0..rounds).map(|_| run()).collect()
}

fn fill(guarded: &Guarded) -> Result<()> {
    let mut rng = Rng::with_seed(1);
    let list = List::random(Family::V4, LENGTH, &mut rng);
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let file = directory.path().join("allowed");
    list::write_lines(&file, &list.shuffled(&mut rng))?;
    guarded.replace(&file)?;
    Ok(())
}

/// The wall times alone.
pub(super) fn milliseconds(times: &[Timed]) -> Vec<f64> {
    times.iter().map(|timed| timed.milliseconds).collect()
}

/// The memory alone.
pub(super) fn peak(times: &[Timed]) -> Vec<f64> {
    times.iter().map(|timed| timed.peak_mebibytes).collect()
}
