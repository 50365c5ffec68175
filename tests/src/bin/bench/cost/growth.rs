//! How the cost of a packet grows with the lists.
//!
//! The guard is one that the rpcguard command attached and filled. A packet from another source each
//! time finds the caches cold, as the packets of a flood do.

use std::{collections::BTreeMap, ffi::OsStr, net::IpAddr};

use anyhow::{Context as _, Result};
use aya::programs::Xdp;
use fastrand::Rng;
use rpcguard_tests::{
    digits::grouped,
    lab::{LabProgram, REPLAYED_SOURCES, Replay},
    packet::{Frame, numbers::ACK},
};

use super::{
    Bare,
    kinds::{INNOCENT, LISTED, UNLISTED},
    nanoseconds_per_run,
};
use crate::{
    Effort,
    chart::{Chart, Lines, Shape},
    guarded::Guarded,
    list::{self, Family, List},
    report::{Report, Target, cost},
};

const LENGTHS: [usize; 7] = [0, 1, 100, 1_000, 10_000, 100_000, 1_000_000];
const LENGTHS_QUICK: [usize; 3] = [1, 1_000, 1_000_000];

/// Up to this length, an unlisted source has a target.
const ORDINARY: usize = 1_000;

/// What is sent, and from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    Tcp,
    Unlisted(From),
    Listed(From),
}

/// Where calls come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum From {
    OneSource,
    /// An unlisted source, as near as can be to a listed one.
    Beside,
    RandomSources,
}

/// The figures of one cell of the table: of the bare program, and of the filter.
type Cell = (Vec<f64>, Vec<f64>);

impl Sent {
    const ALL: [Self; 6] = [
        Self::Tcp,
        Self::Unlisted(From::OneSource),
        Self::Unlisted(From::Beside),
        Self::Unlisted(From::RandomSources),
        Self::Listed(From::OneSource),
        Self::Listed(From::RandomSources),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP to another port",
            Self::Unlisted(From::OneSource) => "unlisted, one source",
            Self::Unlisted(From::Beside) => "unlisted, beside listed",
            Self::Unlisted(From::RandomSources) => "unlisted, random sources",
            Self::Listed(From::RandomSources) => "listed, random sources",
            Self::Listed(_) => "listed, one source",
        }
    }

    const fn bare(self) -> Bare {
        match self {
            Self::Tcp | Self::Listed(_) => Bare::Pass,
            Self::Unlisted(_) => Bare::Drop,
        }
    }

    /// A source beside a listed one has none: no block of addresses can be passed over for it. Nor have
    /// random ones that are listed: one cache miss takes longer than the target.
    fn target(self, length: usize) -> Target {
        match self {
            Self::Tcp => INNOCENT,
            Self::Unlisted(From::OneSource | From::RandomSources) if length <= ORDINARY => UNLISTED,
            Self::Listed(From::OneSource) => LISTED,
            Self::Unlisted(_) | Self::Listed(_) => Target::None,
        }
    }

    /// `None` if the list has no such source.
    fn sources(self, list: &List, rng: &mut Rng) -> Option<Vec<IpAddr>> {
        let sources = match self {
            Self::Tcp | Self::Unlisted(From::OneSource) => list.unlisted_sources(1, rng),
            Self::Unlisted(From::Beside) => list.source_beside().into_iter().collect(),
            Self::Unlisted(From::RandomSources) => list.unlisted_sources(REPLAYED_SOURCES, rng),
            Self::Listed(From::RandomSources) => list.listed_sources(REPLAYED_SOURCES, rng),
            Self::Listed(_) => list.listed_sources(1, rng),
        };
        (!sources.is_empty()).then_some(sources)
    }

    /// The source address will be another.
    fn frame(self, family: Family) -> Vec<u8> {
        let frame = match family {
            Family::V4 => Frame::ethernet().ipv4([192, 0, 2, 1].into()),
            Family::V6 => Frame::ethernet().ipv6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
        };
        match self {
            Self::Tcp => frame.tcp(443, ACK).payload(&[0; 64]).build(),
            Self::Unlisted(_) | Self::Listed(_) => frame.dump().build(),
        }
    }
}

/// One table for each family, of which each length of the lists fills a part.
pub(super) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let lengths: &[usize] = if effort.quick {
        &LENGTHS_QUICK
    } else {
        &LENGTHS
    };
    let mut cells = BTreeMap::new();
    for length in lengths {
        measure_length(*length, effort, report, &mut cells)?;
    }
    for family in [Family::V4, Family::V6] {
        report.section(
            &format!(
                "Cost per packet by length of the lists ({}), in nanoseconds over a bare program",
                family.name()
            ),
            &format!(
                "as many prefixes of each family, {}; {} random sources",
                list::FORM,
                grouped(REPLAYED_SOURCES)
            ),
        );
        let mut lines = Vec::new();
        for sent in Sent::ALL {
            let mut line = Vec::new();
            for length in lengths {
                let cell: Option<&Cell> = cells.get(&(family.name(), sent, *length));
                line.push(cell.map(|(bare, filtered)| cost(bare, filtered)));
                if let Some((bare, filtered)) = cell {
                    let name = format!("{}, {}", sent.name(), grouped(*length));
                    let target = sent.target(*length);
                    report.cost(&name, sent.bare().name(), bare, filtered, target);
                }
            }
            lines.push((sent.name().to_owned(), line));
        }
        // TCP lies on the axis.
        lines.remove(0);
        lines.retain(|(_, line)| line.iter().any(Option::is_some));
        report.chart(&Chart {
            name: format!("cost-{}", family.name().to_lowercase()),
            title: format!("Cost of a call by length of the list, {}", family.name()),
            values: "nanoseconds over a bare program".to_owned(),
            shape: Shape::Lines(Lines {
                along: "prefixes in the list".to_owned(),
                places: lengths.iter().copied().map(grouped).collect(),
                is_logarithmic: true,
                lines,
            }),
        })?;
    }
    Ok(())
}

fn measure_length(
    length: usize,
    effort: Effort,
    report: &Report,
    cells: &mut BTreeMap<(&'static str, Sent, usize), Cell>,
) -> Result<()> {
    let mut rng = Rng::with_seed(length as u64);
    let lists =
        [Family::V4, Family::V6].map(|family| (family, List::random(family, length, &mut rng)));
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let file = directory.path().join("allowed");
    let prefixes = lists.each_ref().map(|(_, list)| list.shuffled(&mut rng));
    list::write_lines(&file, &prefixes.concat())?;
    let guarded = Guarded::new()?;
    let words = ["attach", "eth0", "--mode", "native", "--allow-file"].map(OsStr::new);
    guarded.run(words.into_iter().chain([file.as_os_str()]))?;

    let filter = guarded.program()?;
    let [pass, drop] = [
        LabProgram::load(LabProgram::PASS)?,
        LabProgram::load(LabProgram::DROP)?,
    ];
    let mut programs = Replays {
        pass: Replay::to(pass.xdp()?)?,
        drop: Replay::to(drop.xdp()?)?,
        filter: Replay::to(&filter)?,
    };
    // Every cell takes rounds of its own, since all share the tables of sources.
    let rounds = if effort.quick { 5 } else { 31 };
    for (family, list) in &lists {
        for sent in Sent::ALL {
            report.progress(
                &format!("cost with {} prefixes", grouped(length)),
                0,
                rounds,
            );
            // A quick run leaves out what no target is about.
            if effort.quick && matches!(sent.target(length), Target::None) {
                continue;
            }
            if let Some(sources) = sent.sources(list, &mut rng) {
                let cell = programs.measure(sent, *family, &sources, rounds)?;
                cells.insert((family.name(), sent, length), cell);
            }
        }
    }
    Ok(())
}

/// The programs under test, each behind one that writes sources.
struct Replays {
    pass: Replay,
    drop: Replay,
    filter: Replay,
}

impl Replays {
    fn measure(
        &mut self,
        sent: Sent,
        family: Family,
        sources: &[IpAddr],
        rounds: usize,
    ) -> Result<Cell> {
        let bare = match sent.bare() {
            Bare::Pass => &mut self.pass,
            Bare::Drop => &mut self.drop,
        };
        bare.set_sources(sources)?;
        self.filter.set_sources(sources)?;
        let frame = sent.frame(family);
        let [bare, filter]: [&Xdp; 2] = [bare.xdp()?, self.filter.xdp()?];
        let mut cell = Cell::default();
        for _ in 0..rounds {
            cell.0.push(nanoseconds_per_run(bare, &frame, sent.bare())?);
            cell.1
                .push(nanoseconds_per_run(filter, &frame, sent.bare())?);
        }
        Ok(cell)
    }
}
