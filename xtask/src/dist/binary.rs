//! The command, linked statically.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result};
use rpcguard_ebpf::build::{sysroot, workspace};

use crate::process;

/// Builds it; returns where it is.
///
/// The linker is the toolchain's own, and so are the C library and its start-up code: no C toolchain of the
/// target is needed, since nothing that rpcguard links has code in C.
pub(super) fn build(target: &str) -> Result<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    // What messages of panics say about where they come from.
    let remap = |from: PathBuf, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags = [
        "-Clinker=rust-lld".to_owned(),
        "-Clink-self-contained=yes".to_owned(),
        "-Ctarget-feature=+crt-static".to_owned(),
        remap(sysroot()?.join("lib/rustlib/src/rust"), "/rust"),
        remap(cargo_home, "/cargo"),
        remap(workspace().to_owned(), "/rpcguard"),
    ];
    let directory = process::target_directory().join("dist/build");
    process::run(
        process::cargo(&["build", "--release", "--locked", "--package", "rpcguard"])
            .args(["--bin", "rpcguard", "--target", target, "--target-dir"])
            .arg(&directory)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
            .env_remove("RUSTFLAGS"),
    )?;
    Ok(directory.join(target).join("release/rpcguard"))
}
