//! `cargo xtask miri`: the decision core's tests under Miri, which tells undefined behaviour.
//!
//! Miri only comes with nightly toolchains. Nothing else is built by one, so that any will do that is
//! installed; without, this is skipped.

use std::process::Command;

use anyhow::Result;

use crate::{lint::Outcome, process, progress::step};

const WITHOUT: &str = "no toolchain has Miri: `rustup toolchain install nightly --component miri \
                       --component rust-src` gets one that has";

pub(crate) fn run() -> Result<()> {
    let Some(toolchain) = find(true) else {
        eprintln!("SKIPPED Miri: {WITHOUT}");
        return Ok(());
    };
    // The second time, with what userspace adds: the types that it copies byte by byte.
    for features in [&[][..], &["--features", "user"]] {
        let what = format!(
            "testing the core under Miri of {toolchain} {}",
            features.join(" ")
        );
        step(what.trim_end(), || {
            process::run(cargo_miri(&toolchain).args(features))
        })?;
    }
    Ok(())
}

/// The part that takes seconds: the unit tests, if Miri is here already.
pub(crate) fn quick() -> Result<Outcome> {
    let Some(toolchain) = find(false) else {
        return Ok(Outcome::Skipped(WITHOUT));
    };
    process::run(cargo_miri(&toolchain).args(["--features", "user", "--lib"]))?;
    Ok(Outcome::Passed)
}

fn cargo_miri(toolchain: &str) -> Command {
    let mut command = process::command("rustup");
    command
        .args(["run", toolchain, "cargo", "miri", "test"])
        .args(["--package", "rpcguard-common"])
        // Those of the cargo that runs this.
        .env_remove("CARGO")
        .env_remove("RUSTC")
        // More than warnings: pointers must come from what they point into.
        .env(
            "MIRIFLAGS",
            "-Zmiri-strict-provenance -Zmiri-symbolic-alignment-check",
        );
    command
}

/// A toolchain that has Miri, and what it runs programs with; perhaps after asking rustup for them.
fn find(install: bool) -> Option<String> {
    let installed = process::output(process::command("rustup").args(["toolchain", "list", "-q"]));
    let toolchains: Vec<_> = installed
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .filter(|toolchain| toolchain.starts_with("nightly"))
        .collect();
    let has_miri = |toolchain: &&String| {
        let components = process::output(
            process::command("rustup")
                .args(["component", "list", "--installed", "--toolchain"])
                .arg(toolchain),
        );
        components.is_ok_and(|components| {
            ["miri", "rust-src"]
                .iter()
                .all(|name| components.lines().any(|line| line.starts_with(name)))
        })
    };
    let found = toolchains.iter().find(has_miri);
    let found = found.or_else(|| {
        toolchains.iter().filter(|_| install).find(|toolchain| {
            let mut add = process::command("rustup");
            add.args(["component", "add", "miri", "rust-src", "--toolchain"]);
            process::run(add.arg(toolchain)).is_ok()
        })
    });
    found.cloned()
}
