//! Numbers in files of the kernel's.

use std::fs;

use anyhow::{Context as _, Result};

/// The number behind this name in a file of the kernel's.
///
/// # Errors
///
/// If there is no such file, or no such number in it.
pub fn number(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{path} has no number {name}"))
}
