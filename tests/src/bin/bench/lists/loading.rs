//! Loading a list, replacing it by another, and changing a little of it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use rpcguard_tests::digits::grouped;

use super::{
    commands::{milliseconds, peak},
    contender::{Contender, Step},
    memory,
};
use crate::{
    Effort,
    chart::{Chart, Lines, Shape},
    guarded::Guarded,
    list::{self, Family, List, ONLY_HOSTS},
    report::{Report, Target},
    samples::Samples,
    timed::Timed,
};

const LENGTHS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const LENGTHS_QUICK: [usize; 2] = [10_000, 1_000_000];

/// What one contender took, round by round.
struct Figures {
    contender: Contender,
    /// Each with the file of its list.
    steps: Vec<(Step, PathBuf, Vec<Timed>)>,
    kernel_mebibytes: Vec<f64>,
}

impl Figures {
    /// `None` if it was not measured.
    fn times(&self, step: Step) -> Option<&[Timed]> {
        let mut steps = self.steps.iter();
        let (_, _, times) = steps.find(|(other, _, _)| *other == step)?;
        Some(times)
    }
}

pub(super) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let lengths: &[usize] = if effort.quick {
        &LENGTHS_QUICK
    } else {
        &LENGTHS
    };
    let mut all = Vec::new();
    for length in lengths {
        let figures = measure_length(*length, effort, report)?;
        show(*length, &figures, report);
        all.push(figures);
    }
    chart(lengths, &all, report)
}

/// What is measured of a contender. A quick run leaves out what no target is about.
fn steps(contender: Contender, effort: Effort) -> &'static [Step] {
    match contender {
        // The first long list has the program replaced, those that come later do not.
        Contender::Rpcguard if !effort.quick => {
            &[Step::Load, Step::Again, Step::Change, Step::Replace]
        }
        _ if !effort.quick => &[Step::Load, Step::Change, Step::Replace],
        Contender::Rpcguard => &[Step::Load, Step::Again, Step::Change],
        Contender::Nft => &[Step::Load],
        Contender::Ipset => &[],
    }
}

/// Each round has every contender load one list, change a hundredth of it, and replace it.
fn measure_length(length: usize, effort: Effort, report: &Report) -> Result<Vec<Figures>> {
    let mut rng = Rng::with_seed(length as u64);
    let first = List::random(Family::V4, length, &mut rng);
    let changed = first.changed_by_a_hundredth(&mut rng).shuffled(&mut rng);
    let new = List::random(Family::V4, length, &mut rng).shuffled(&mut rng);
    let first = first.shuffled(&mut rng);
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let mut all = Vec::new();
    for contender in Contender::ALL {
        let mut steps_of_it = Vec::new();
        for step in steps(contender, effort) {
            let prefixes = match step {
                Step::Load | Step::Again => &first,
                Step::Change => &changed,
                Step::Replace => &new,
            };
            let file = contender.write(directory.path(), *step, prefixes)?;
            steps_of_it.push((*step, file, Vec::new()));
        }
        if contender.missing().is_none() && !steps_of_it.is_empty() {
            all.push(Figures {
                contender,
                steps: steps_of_it,
                kernel_mebibytes: Vec::new(),
            });
        }
    }
    let one = directory.path().join("one");
    list::write_lines(&one, &["192.0.2.1".parse().context("no prefix")?])?;
    let guarded = Guarded::new()?;
    let rounds = rounds(length, effort);
    for round in 0..rounds {
        report.progress(&format!("lists of {}", grouped(length)), round, rounds);
        for figures in &mut all {
            measure_once(&guarded, figures, &one)?;
        }
    }
    Ok(all)
}

const fn rounds(length: usize, effort: Effort) -> usize {
    match length {
        1_000_000.. if effort.quick => 3,
        _ if effort.quick => 5,
        ..100_000 => 15,
        100_000..1_000_000 => 7,
        _ => 5,
    }
}

fn measure_once(guarded: &Guarded, figures: &mut Figures, one: &Path) -> Result<()> {
    let contender = figures.contender;
    contender.begin(guarded)?;
    let before = memory::of_kernel()?;
    for (step, file, times) in &mut figures.steps {
        if *step == Step::Again {
            contender.load(guarded, one)?;
        }
        times.push(contender.load(guarded, file)?);
        if *step == Step::Load {
            let grown = memory::of_kernel()? - before;
            figures.kernel_mebibytes.push(grown);
        }
    }
    contender.end(guarded)
}

fn show(length: usize, all: &[Figures], report: &mut Report) {
    let forms = if length >= ONLY_HOSTS {
        "hosts; a plain set of nft, a hash:ip of ipset"
    } else {
        "/24 to /32; an interval set of nft, a hash:net of ipset"
    };
    report.section(
        &format!("Lists of {} prefixes, in milliseconds", grouped(length)),
        &format!("IPv4 {forms}; wall time of the command, which gets the whole list"),
    );
    let target = |contender, step| match (contender, step, length) {
        (Contender::Rpcguard, Step::Load | Step::Again, 10_000) => Target::AtMost(20.0),
        (Contender::Rpcguard, Step::Load, 1_000_000) => Target::AtMost(1500.0),
        (Contender::Rpcguard, Step::Change, 1_000_000) => Target::AtMost(150.0),
        _ => Target::None,
    };
    for step in [Step::Load, Step::Again, Step::Change, Step::Replace] {
        for figures in all {
            if let Some(times) = figures.times(step) {
                let name = format!("{}, {}", step.name(), figures.contender.name());
                let target = target(figures.contender, step);
                report.amount(&name, &milliseconds(times), target);
            }
        }
    }
    for contender in Contender::ALL {
        if let Some((command, package)) = contender.missing() {
            report.missing(contender.name(), command, package);
        }
    }
    let [own, others @ ..] = all else { return };
    for figures in others {
        let faster = match (figures.contender, length) {
            (Contender::Nft, 1_000_000) => Target::AtLeast(4.0),
            _ => Target::None,
        };
        if let (Some(own), Some(times)) = (own.times(Step::Load), figures.times(Step::Load)) {
            let name = format!("load, {} / rpcguard", figures.contender.name());
            let (own, times) = (milliseconds(own), milliseconds(times));
            report.rate(&name, "rpcguard", &own, &times, faster);
        }
    }
    show_memory(length, all, report);
}

fn show_memory(length: usize, all: &[Figures], report: &mut Report) {
    report.section(
        &format!(
            "Memory for lists of {} prefixes, in MiB",
            grouped(length)
        ),
        "of the kernel: by how much slab, vmalloc and per-CPU memory grow; of commands: the most at a time",
    );
    for figures in all {
        let name = format!("kernel, {}", figures.contender.name());
        report.amount(&name, &figures.kernel_mebibytes, Target::None);
    }
    for step in [Step::Load, Step::Change] {
        for figures in all {
            if let Some(times) = figures.times(step) {
                let name = format!("{}, {}", step.name(), figures.contender.name());
                report.amount(&name, &peak(times), Target::None);
            }
        }
    }
}

/// How the loading of a list and its memory grow.
fn chart(lengths: &[usize], all: &[Vec<Figures>], report: &mut Report) -> Result<()> {
    let figures_of = |contender: Contender, median: fn(&Figures) -> Option<f64>| {
        let of_length = |all: &Vec<Figures>| {
            let figures = all.iter().find(|figures| figures.contender == contender)?;
            median(figures)
        };
        (
            contender.name().to_owned(),
            all.iter().map(of_length).collect(),
        )
    };
    let time: fn(&Figures) -> Option<f64> = |figures| {
        let times = milliseconds(figures.times(Step::Load)?);
        Some(Samples::new(times).median())
    };
    let memory: fn(&Figures) -> Option<f64> =
        |figures| Some(Samples::new(figures.kernel_mebibytes.clone()).median());
    for (name, title, values, median) in [
        ("lists-time", "Time to load a list", "milliseconds", time),
        ("lists-memory", "Kernel memory of a list", "MiB", memory),
    ] {
        report.chart(&Chart {
            name: name.to_owned(),
            title: title.to_owned(),
            values: values.to_owned(),
            shape: Shape::Lines(Lines {
                along: "prefixes in the list".to_owned(),
                places: lengths.iter().copied().map(grouped).collect(),
                is_logarithmic: true,
                lines: Contender::ALL
                    .map(|contender| figures_of(contender, median))
                    .to_vec(),
            }),
        })?;
    }
    Ok(())
}
