//! `cargo xtask bench`: what the filter costs, against programs that do nothing but pass or drop,
//! measured in the same run.
//!
//! A scenario is a module with a function that measures and appends its rows to the report.

mod cost;
mod flood;
mod report;
mod samples;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use report::Report;

/// Measures the filter against bare XDP programs, in network namespaces of its own.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Fewer rounds: half a minute instead of several.
    #[arg(long)]
    quick: bool,
}

/// How often to measure what.
#[derive(Clone, Copy, Debug)]
struct Effort {
    rounds: usize,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let effort = Effort {
        rounds: if arguments.quick { 75 } else { 501 },
    };
    let mut report = Report::begin();
    cost::measure(effort, &mut report)?;
    flood::measure(effort, &mut report)?;
    report.end()
}
