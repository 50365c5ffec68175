//! `cargo xtask build`: the release command.

use std::path::PathBuf;

use anyhow::Result;

use crate::{process, progress::step};

/// Builds `rpcguard` with optimisations; returns where it is.
pub(crate) fn run() -> Result<PathBuf> {
    step("building rpcguard", || {
        process::run(&mut process::cargo(&[
            "build",
            "--release",
            "--package",
            "rpcguard",
        ]))
    })?;
    let built = release_directory().join("rpcguard");
    println!("{}", process::relative(&built).display());
    Ok(built)
}

/// Where cargo leaves optimised programs.
pub(crate) fn release_directory() -> PathBuf {
    process::target_directory().join("release")
}
