//! Telling what is being done, and how long it took.

use std::time::Instant;

use anyhow::Result;

/// Does one step, announced before and timed after it.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {what}");
    let start = Instant::now();
    let result = work();
    let outcome = if result.is_ok() { "done" } else { "failed" };
    eprintln!("    {outcome} in {:.1} s", start.elapsed().as_secs_f64());
    result
}
