//! `cargo xtask lint`: every check that needs no test to run.

use anyhow::{Result, bail};
use rpcguard_ebpf::build::{self, Flavour, workspace};

use crate::{process, progress::step, setup};

/// One check, and what it is called.
pub(crate) type Check = (&'static str, fn() -> Result<Outcome>);

/// What came of a check that did not fail.
pub(crate) enum Outcome {
    Passed,
    /// It could not be done here, for this reason.
    Skipped(&'static str),
}

/// All of them, the quickest first.
pub(crate) const CHECKS: [Check; 6] = [
    ("rustfmt", rustfmt),
    ("clippy", clippy),
    ("clippy for BPF", clippy_bpf),
    ("rustdoc", rustdoc),
    ("cargo-deny: bans, licences, sources", dependencies),
    ("cargo-deny: advisories", advisories),
];

pub(crate) fn run() -> Result<()> {
    setup::for_building()?;
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        match step(name, check) {
            Ok(Outcome::Passed) => {}
            Ok(Outcome::Skipped(reason)) => eprintln!("SKIPPED {name}: {reason}"),
            Err(error) => {
                eprintln!("{error:#}");
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("lint failed: {}", failed.join("; "));
    }
    Ok(())
}

fn rustfmt() -> Result<Outcome> {
    process::run(&mut process::cargo(&["fmt", "--all", "--check"]))?;
    Ok(Outcome::Passed)
}

fn clippy() -> Result<Outcome> {
    process::run(&mut process::cargo(&[
        "clippy",
        "--all-targets",
        "--",
        "-Dwarnings",
    ]))?;
    Ok(Outcome::Passed)
}

/// The BPF program, as embedded and as built for other loaders.
fn clippy_bpf() -> Result<Outcome> {
    let target = workspace().join("target/bpf/clippy");
    for flavour in [Flavour::Embedded, Flavour::Portable { cpus: 1 }] {
        let mut clippy = build::cargo(workspace(), "clippy", &target, flavour)?;
        process::run(clippy.args(["--", "-Dwarnings"]))?;
    }
    Ok(Outcome::Passed)
}

fn rustdoc() -> Result<Outcome> {
    process::run(process::cargo(&["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings"))?;
    Ok(Outcome::Passed)
}

fn dependencies() -> Result<Outcome> {
    let deny = setup::cargo_deny()?;
    process::run(
        process::command(deny.path())
            .args(["check", "--hide-inclusion-graph"])
            .args(["bans", "licenses", "sources"]),
    )?;
    Ok(Outcome::Passed)
}

fn advisories() -> Result<Outcome> {
    let deny = setup::cargo_deny()?;
    // Two minutes are plenty for the database, and a firewall may let the request wait for ever.
    let mut fetch = process::command("timeout");
    fetch.arg("120").arg(deny.path()).args(["fetch", "db"]);
    if process::output(&mut fetch).is_err() {
        return Ok(Outcome::Skipped(
            "the advisory database cannot be fetched from here",
        ));
    }
    process::run(process::command(deny.path()).args(["check", "advisories"]))?;
    Ok(Outcome::Passed)
}
