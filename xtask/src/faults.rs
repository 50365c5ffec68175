//! `cargo xtask faults`: every fault that the tests can cause, where `cargo xtask test` tries a choice.

use std::process::ExitCode;

use anyhow::Result;

use crate::{process, progress::step, setup, test};

/// Set for the tests: every fault is to be tried.
const EXHAUSTIVE: &str = "RPCGUARD_EXHAUSTIVE";

/// The modules of the lifecycle tests that cause faults.
const MODULES: [&str; 4] = ["interrupted::", "failing::", "killed::", "flood::"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose names contain one of these
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::run()?;
    step("building rpcguard and the tests", || {
        process::run(&mut process::cargo(&["build", "--package", "rpcguard"]))
    })?;
    let mut faults =
        process::cargo(&["test", "--package", "rpcguard-tests", "--test", "lifecycle"]);
    test::run_as_root(&mut faults, &format!("{EXHAUSTIVE}=1"))?;
    faults.env(EXHAUSTIVE, "1").args(["--", "--nocapture"]);
    if args.filters.is_empty() {
        faults.args(MODULES);
    } else {
        faults.args(&args.filters);
    }
    step("causing every fault", || process::run(&mut faults))?;
    Ok(ExitCode::SUCCESS)
}
