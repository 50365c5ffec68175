//! Numbers for eighty columns.

use std::io::{self, IsTerminal as _};

/// Bytes in megabytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A heading; bold on a terminal.
pub(crate) fn heading(text: &str) {
    if io::stdout().is_terminal() {
        println!("\n\x1b[1m{text}\x1b[0m");
    } else {
        println!("\n{text}");
    }
}
