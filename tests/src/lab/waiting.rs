//! Waiting for what happens elsewhere.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Waits until something is the case.
///
/// # Panics
///
/// If it is not for so long, with what was waited for.
#[track_caller]
pub fn wait_for(what: &str, patience: Duration, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        thread::sleep(Duration::from_millis(100));
    }
}
