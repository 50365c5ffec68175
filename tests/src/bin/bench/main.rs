//! `cargo xtask bench`: what the filter costs, against programs that do nothing but pass or drop; what it
//! does about a flood, and how fast lists change, against other filters; measured in the same run.
//!
//! A scenario is a module with a function that measures and appends its rows to the report.

mod bystanders;
mod chart;
mod contender;
mod cores;
mod cost;
mod flood;
mod guarded;
mod honest;
mod lane;
mod list;
mod lists;
mod peers;
mod report;
mod samples;
mod scaling;
mod timed;
mod town;
mod wire;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::{Parser, ValueEnum};

use report::Report;

/// Measures the filter against bare XDP programs and other filters, in network namespaces of its own.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
#[command(after_help = "\
Exit status: 0 if no target is clearly missed, which is by more than the rounds differ; 1 if one is.")]
struct Arguments {
    /// Fewer rounds, and without `honest`: some three minutes instead of an hour or more.
    #[arg(long)]
    quick: bool,
    /// Measure this alone; may be given several times.
    #[arg(long, value_enum, value_name = "SCENARIO")]
    only: Vec<Scenario>,
    /// Write docs/BENCHMARKS.md and its charts, which show all scenarios of one run.
    #[arg(long, conflicts_with_all = ["quick", "only"])]
    write_docs: bool,
    /// Run a command and print as JSON what it took: how this program measures others.
    #[arg(long, hide = true, num_args = 1.., allow_hyphen_values = true, exclusive = true)]
    timed: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// How many packets of a flood are dropped in a second, by rpcguard and by others.
    Peers,
    /// How much more is dropped by two cores than by one.
    Scaling,
    /// What a flood that is dropped leaves to TCP connections and allowed clients.
    Bystanders,
    /// What one packet costs, and how that grows with the lists.
    Cost,
    /// How many packets of a flood are handled in a second under the rate policy, and with sampling.
    Flood,
    /// How long lists take to load and to change, and what memory.
    Lists,
    /// How many calls of honest clients succeed under a flood.
    Honest,
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
struct Effort {
    rounds: usize,
    quick: bool,
}

impl Scenario {
    fn measure(self, effort: Effort, report: &mut Report) -> Result<()> {
        match self {
            Self::Peers => peers::measure(effort, report),
            Self::Scaling => scaling::measure(effort, report),
            Self::Bystanders => bystanders::measure(effort, report),
            Self::Cost => cost::measure(effort, report),
            Self::Flood => flood::measure(effort, report),
            Self::Lists => lists::measure(effort, report),
            Self::Honest => honest::measure(effort, report),
        }
    }

    /// Whether `--quick` leaves it out: its calls take a minute to fail.
    const fn is_long(self) -> bool {
        matches!(self, Self::Honest)
    }
}

impl Arguments {
    fn include(&self, scenario: Scenario) -> bool {
        if self.only.is_empty() {
            !(self.quick && scenario.is_long())
        } else {
            self.only.contains(&scenario)
        }
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if !arguments.timed.is_empty() {
        return timed::run(&arguments.timed);
    }
    let effort = Effort {
        rounds: if arguments.quick { 15 } else { 101 },
        quick: arguments.quick,
    };
    let mut report = Report::begin();
    for scenario in Scenario::value_variants() {
        if arguments.include(*scenario) {
            scenario.measure(effort, &mut report)?;
        }
    }
    report.end(arguments.write_docs)
}

#[cfg(test)]
mod tests {
    use clap::{Parser as _, ValueEnum as _};

    use super::{Arguments, Scenario};

    fn included(arguments: &[&str]) -> Vec<Scenario> {
        let words = ["bench"].iter().chain(arguments);
        let arguments = Arguments::try_parse_from(words).unwrap();
        let all = Scenario::value_variants().iter().copied();
        all.filter(|scenario| arguments.include(*scenario))
            .collect()
    }

    #[test]
    fn a_quick_run_has_the_long_scenario_only_if_it_is_asked_for() {
        assert_eq!(included(&[]), Scenario::value_variants());
        assert!(!included(&["--quick"]).contains(&Scenario::Honest));
        assert_eq!(
            included(&["--quick", "--only", "honest"]),
            [Scenario::Honest]
        );
    }

    #[test]
    fn the_document_is_only_written_of_all_scenarios() {
        for other in [
            ["--quick", "--write-docs"].as_slice(),
            &["--only", "cost", "--write-docs"],
        ] {
            let words = ["bench"].iter().chain(other);
            assert!(Arguments::try_parse_from(words).is_err());
        }
    }
}
