//! Tests that cannot run on this machine say so.

use std::{env, fs::OpenOptions, io::Write as _, path::PathBuf};

/// Says on standard error that `test` is skipped and why, and appends the same line to the file
/// that `RPCGUARD_SKIPPED` names, which `cargo xtask test` counts.
///
/// # Panics
///
/// If that file cannot be written: a skipped test must not go uncounted.
pub fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}\n");
    // Not eprintln!, which the test harness captures.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = env::var_os("RPCGUARD_SKIPPED") {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .unwrap_or_else(|error| {
                panic!("cannot write {}: {error}", PathBuf::from(path).display())
            });
    }
}
