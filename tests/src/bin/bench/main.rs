//! `cargo xtask bench`: what the filter costs, against programs that do nothing but pass or drop, and what
//! it does about a flood, against other filters; measured in the same run.
//!
//! A scenario is a module with a function that measures and appends its rows to the report.

mod bystanders;
mod contender;
mod cores;
mod cost;
mod flood;
mod honest;
mod lane;
mod peers;
mod report;
mod samples;
mod scaling;
mod town;
mod wire;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use report::Report;

/// Measures the filter against bare XDP programs and other filters, in network namespaces of its own.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Fewer rounds and floods: some six minutes instead of forty.
    #[arg(long)]
    quick: bool,
    /// Measure this alone; may be given several times.
    #[arg(long, value_enum, value_name = "SCENARIO")]
    only: Vec<Scenario>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// What one packet costs.
    Cost,
    /// How many packets of a flood are handled in a second under the rate policy, and with sampling.
    Flood,
    /// How many packets of a flood are dropped in a second, by rpcguard and by others.
    Peers,
    /// How much more is dropped by two cores than by one.
    Scaling,
    /// What a flood that is dropped leaves to TCP connections and allowed clients.
    Bystanders,
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
            Self::Cost => cost::measure(effort, report),
            Self::Flood => flood::measure(effort, report),
            Self::Peers => peers::measure(effort, report),
            Self::Scaling => scaling::measure(effort, report),
            Self::Bystanders => bystanders::measure(effort, report),
            Self::Honest => honest::measure(effort, report),
        }
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let effort = Effort {
        rounds: if arguments.quick { 75 } else { 501 },
        quick: arguments.quick,
    };
    let mut report = Report::begin();
    for scenario in Scenario::value_variants() {
        if arguments.only.is_empty() || arguments.only.contains(scenario) {
            scenario.measure(effort, &mut report)?;
        }
    }
    report.end()
}
