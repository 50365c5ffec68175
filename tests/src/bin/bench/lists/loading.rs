//! Loading a list, replacing it by another, and changing a little of it.

use anyhow::{Context as _, Result};
use fastrand::Rng;
use rpcguard_tests::digits::grouped;

use super::{
    commands::{milliseconds, peak},
    contender::{Contender, Files},
    memory,
};
use crate::{
    Effort,
    chart::{Chart, Lines, Shape},
    guarded::Guarded,
    list::{Family, List},
    report::{Report, Target},
    samples::Samples,
    timed::Timed,
};

const LENGTHS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const LENGTHS_QUICK: [usize; 2] = [10_000, 1_000_000];

/// What the rounds of one contender took.
#[derive(Default)]
struct Rounds {
    first: Vec<Timed>,
    new: Vec<Timed>,
    changed: Vec<Timed>,
    kernel_mebibytes: Vec<f64>,
}

/// Figures of one length, of each contender that is there.
type Figures = Vec<(Contender, Rounds)>;

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

/// Each round has every contender load one list, replace it, and change a hundredth of that.
fn measure_length(length: usize, effort: Effort, report: &Report) -> Result<Figures> {
    let mut rng = Rng::with_seed(length as u64);
    let [first, new] = [(); 2].map(|()| List::random(Family::V4, length, &mut rng));
    let changed = new.changed_by_a_hundredth(&mut rng);
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let mut contenders = Vec::new();
    for contender in Contender::ALL {
        if contender.missing().is_none() {
            let files = contender.files(directory.path(), [&first, &new, &changed], &mut rng)?;
            contenders.push((contender, files, Rounds::default()));
        }
    }
    let guarded = Guarded::new()?;
    let rounds = rounds(length, effort);
    for round in 0..rounds {
        report.progress(&format!("lists of {}", grouped(length)), round, rounds);
        for (contender, files, figures) in &mut contenders {
            measure_once(*contender, &guarded, files, figures)?;
        }
    }
    let figures = contenders.into_iter();
    Ok(figures
        .map(|(contender, _, rounds)| (contender, rounds))
        .collect())
}

const fn rounds(length: usize, effort: Effort) -> usize {
    match length {
        _ if effort.quick => 3,
        ..100_000 => 31,
        100_000..1_000_000 => 15,
        _ => 7,
    }
}

fn measure_once(
    contender: Contender,
    guarded: &Guarded,
    files: &Files,
    rounds: &mut Rounds,
) -> Result<()> {
    contender.begin(guarded)?;
    let before = memory::of_kernel()?;
    rounds.first.push(contender.load(guarded, &files.first)?);
    rounds.kernel_mebibytes.push(memory::of_kernel()? - before);
    rounds.new.push(contender.load(guarded, &files.new)?);
    rounds
        .changed
        .push(contender.load(guarded, &files.changed)?);
    contender.end(guarded)
}

fn show(length: usize, figures: &Figures, report: &mut Report) {
    let forms = if length >= 1_000_000 {
        "hosts; a plain set of nft, a hash:ip of ipset"
    } else {
        "/24 to /32; an interval set of nft, a hash:net of ipset"
    };
    report.section(
        &format!("Lists of {} prefixes, in milliseconds", grouped(length)),
        &format!("IPv4 {forms}; wall time of the command, which gets the whole list"),
    );
    let target = |contender, limit| match contender {
        Contender::Rpcguard => limit,
        Contender::Nft | Contender::Ipset => Target::None,
    };
    let loaded = match length {
        10_000 => Target::AtMost(20.0),
        1_000_000 => Target::AtMost(1500.0),
        _ => Target::None,
    };
    let changed = match length {
        1_000_000 => Target::AtMost(150.0),
        _ => Target::None,
    };
    for (what, times, limit) in [
        (
            "load",
            (|rounds| &rounds.first) as fn(&Rounds) -> &Vec<Timed>,
            loaded,
        ),
        ("replace all", |rounds| &rounds.new, Target::None),
        ("change 1%", |rounds| &rounds.changed, changed),
    ] {
        for (contender, rounds) in figures {
            let name = format!("{what}, {}", contender.name());
            report.amount(
                &name,
                &milliseconds(times(rounds)),
                target(*contender, limit),
            );
        }
    }
    for contender in Contender::ALL {
        if let Some((command, package)) = contender.missing() {
            report.missing(contender.name(), command, package);
        }
    }
    let faster = match length {
        1_000_000 => Target::AtLeast(4.0),
        _ => Target::None,
    };
    if let Some(((_, own), others)) = figures.split_first() {
        let own = milliseconds(&own.first);
        for (contender, rounds) in others {
            let name = format!("load, {} / rpcguard", contender.name());
            report.rate(
                &name,
                "rpcguard",
                &own,
                &milliseconds(&rounds.first),
                faster,
            );
        }
    }
    report.section(
        &format!("Memory for lists of {} prefixes, in MiB", grouped(length)),
        "of the kernel: by how much slab, vmalloc and per-CPU memory grow; of commands: the most at a time",
    );
    for (contender, rounds) in figures {
        report.amount(
            &format!("kernel, {}", contender.name()),
            &rounds.kernel_mebibytes,
            Target::None,
        );
    }
    for (contender, rounds) in figures {
        report.amount(
            &format!("load, {}", contender.name()),
            &peak(&rounds.first),
            Target::None,
        );
    }
    for (contender, rounds) in figures {
        report.amount(
            &format!("change 1%, {}", contender.name()),
            &peak(&rounds.changed),
            Target::None,
        );
    }
}

fn chart(lengths: &[usize], all: &[Figures], report: &mut Report) -> Result<()> {
    let line = |contender: Contender, figure: fn(&Rounds) -> Vec<f64>| {
        let values = all.iter().map(|figures| {
            let (_, rounds) = figures.iter().find(|(other, _)| *other == contender)?;
            Some(Samples::new(figure(rounds)).median())
        });
        values.collect::<Vec<_>>()
    };
    for (name, title, values, figure) in [
        (
            "lists-time",
            "Time to load a list",
            "milliseconds",
            (|rounds| milliseconds(&rounds.first)) as fn(&Rounds) -> Vec<f64>,
        ),
        ("lists-memory", "Kernel memory of a list", "MiB", |rounds| {
            rounds.kernel_mebibytes.clone()
        }),
    ] {
        let lines =
            Contender::ALL.map(|contender| (contender.name().to_owned(), line(contender, figure)));
        report.chart(&Chart {
            name: name.to_owned(),
            title: title.to_owned(),
            values: values.to_owned(),
            shape: Shape::Lines(Lines {
                along: "prefixes in the list".to_owned(),
                places: lengths.iter().copied().map(grouped).collect(),
                is_logarithmic: true,
                lines: lines.to_vec(),
            }),
        })?;
    }
    Ok(())
}
