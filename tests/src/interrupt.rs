//! What the programs here do about Ctrl-C.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context as _, Result};

/// The exit code of a command that Ctrl-C ended, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Becomes true at Ctrl-C, which from now on does not end the process.
///
/// # Errors
///
/// If the process listens for Ctrl-C already.
pub fn on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let pressed = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&pressed);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed))
        .context("cannot listen for Ctrl-C")?;
    Ok(pressed)
}
