//! `cargo xtask test`: everything that can be tested, on a machine as it is found.

mod leftovers;
pub(crate) mod reproducible;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result};
use rpcguard_ebpf::build::{self, Flavour};

use crate::{
    dist,
    lint::{self, Check, Outcome},
    miri, process,
    progress::step,
    root, setup,
    tally::Tally,
    vm,
};
use leftovers::Leftovers;

/// Set for the tests: a file to which one that cannot run here adds the line `SKIPPED test: reason`.
const SKIPPED: &str = "RPCGUARD_SKIPPED";

const WHY_ROOT: &str = "to make network namespaces and attach BPF programs in them";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only tests whose names contain one of these, and nothing but tests
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::run()?;
    if let Err(error) = setup::trees() {
        // Tests that need them say that they are skipped.
        eprintln!("no Debian systems for the tests of `rpcguard disable`: {error:#}");
    }
    step("building rpcguard and the tests", build)?;
    let mut tally = Tally::default();
    if args.filters.is_empty() {
        let made = dist::deb_for_tests().map(|_| ());
        tally.record(
            "the Debian package",
            made.map_err(|error| format!("{error:#}")),
        );
    }
    let before = Leftovers::find()?;
    run_tests(args, &mut tally)?;
    let left = before.added_since()?;
    tally.record("the tests leave nothing behind", left.map_or(Ok(()), Err));
    if args.filters.is_empty() {
        if let Err(error) = vm::run_quick(&mut tally) {
            tally.record("the tests on other kernels", Err(format!("{error:#}")));
        }
        check(
            &mut tally,
            ("the BPF object is reproducible", reproducible::check),
        );
        check(
            &mut tally,
            ("the core's unit tests under Miri", miri::quick),
        );
        for lint in lint::CHECKS {
            check(&mut tally, lint);
        }
    }

    print!("{tally}");
    Ok(if tally.succeeded() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds the tests, and what they run: the command, which is of another package, and the BPF
/// object for other loaders, which they would build themselves, but as root.
fn build() -> Result<()> {
    build::build(Flavour::Portable { cpus: 1 })?;
    process::run(&mut process::cargo(&["build"]))?;
    process::run(&mut process::cargo(&["test", "--no-run"]))
}

/// Unit, integration and documentation tests. Cargo goes through the packages by name, so the ones
/// that need no namespaces come first; a failure does not keep the others from running.
fn run_tests(args: &Args, tally: &mut Tally) -> Result<()> {
    let skipped = tempfile::NamedTempFile::new_in(process::target_directory())?;
    let command = |arguments: &[String]| -> Result<Command> {
        let mut test = process::cargo(&["test", "--no-fail-fast"]);
        run_as_root(
            &mut test,
            &format!("{SKIPPED}={}", skipped.path().display()),
        )?;
        test.env(SKIPPED, skipped.path()).arg("--").args(arguments);
        Ok(test)
    };
    let mut results = Tally::default();
    let mut test = command(&args.filters)?;
    step("running the tests", || stream(&mut test, &mut results))?;
    let names = results.worth_another_run();
    if !names.is_empty() {
        let alone = ["--exact", "--test-threads=1"].map(ToOwned::to_owned);
        let mut test = command(&[&alone[..], &names].concat())?;
        let mut again = Tally::default();
        step("running what failed again, alone", || {
            stream(&mut test, &mut again)
        })?;
        results.settle(&names, &again);
    }
    tally.absorb("", results);
    let reasons = fs::read_to_string(skipped.path())
        .with_context(|| format!("cannot read {}", skipped.path().display()))?;
    for line in reasons.lines() {
        tally.skipped(line);
    }
    Ok(())
}

/// Has cargo, which stays who it is, run the test programs through sudo where that is needed, with this
/// assignment to an environment variable.
pub(crate) fn run_as_root(test: &mut Command, assignment: &str) -> Result<()> {
    let prefix = root::prefix(WHY_ROOT)?;
    if prefix.is_empty() {
        return Ok(());
    }
    let words: Vec<_> = prefix
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .chain([assignment.to_owned()])
        .collect();
    // A list of strings is written the same in TOML.
    test.arg("--config")
        .arg(format!("target.'cfg(unix)'.runner={words:?}"));
    Ok(())
}

/// Runs a test command, showing what it prints and counting the results in it.
fn stream(test: &mut Command, tally: &mut Tally) -> Result<()> {
    let mut child = test
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| process::cannot_run(test))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            tally.read_line(&line);
        }
    }
    let status = child.wait()?;
    if !status.success() && tally.succeeded() {
        tally.record("cargo test", Err(status.to_string()));
    } else if tally.is_empty() {
        tally.record("cargo test", Err("no test ran".to_owned()));
    }
    Ok(())
}

fn check(tally: &mut Tally, (name, check): Check) {
    match step(name, check) {
        Ok(Outcome::Passed) => tally.record(name, Ok(())),
        Ok(Outcome::Skipped(reason)) => tally.skip_check(name, reason),
        Err(error) => tally.record(name, Err(format!("{error:#}"))),
    }
}
