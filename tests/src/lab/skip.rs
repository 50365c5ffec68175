//! Tests that cannot run on this machine say so.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
};

/// Says on standard error that `test` is skipped and why, and appends the same line to the file
/// that `RPCGUARD_SKIPPED` names, which `cargo xtask test` counts.
///
/// # Panics
///
/// If that file cannot be written: a skipped test must not go uncounted.
pub fn skip(test: &str, reason: &str) {
    let line = line(test, reason);
    // Not eprintln!, which the test harness captures.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = env::var_os("RPCGUARD_SKIPPED") {
        append(Path::new(&file), &line)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }
}

/// Whether this is the boot of this number of a virtual machine that is booted several times; if it is no such
/// machine, says so with [`skip`].
#[must_use]
pub fn is_boot_or_skip(number: &str, test: &str) -> bool {
    let boot = env::var("RPCGUARD_BOOT");
    if boot.is_err() {
        skip(
            test,
            "needs systemd, in a virtual machine: `cargo xtask vm`",
        );
    }
    boot.is_ok_and(|boot| boot == number)
}

pub(super) fn line(test: &str, reason: &str) -> String {
    format!("SKIPPED {test}: {reason}\n")
}

/// In one write, so that lines of several tests do not mix.
pub(super) fn append(file: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(line.as_bytes())
}
