//! The daemon: keeps the interfaces of a network namespace as a configuration says.
//!
//! The filters do not need it: they are in the kernel, and stay there when it ends. It attaches to interfaces
//! that appear, takes changes of its configuration over as one, and serves metrics. One loop waits for
//! everything that can happen; what has to be done is done by a keeper on a thread for blocking work, so
//! that the loop goes on turning, which is what the watchdog is told.

mod backoff;
mod event_loop;
mod files;
mod instance;
mod keeper;
mod looks;
mod metrics;
mod plan;
mod service;
mod wanted;

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    error::{Doing as _, Result},
    guard::Registry,
};
use event_loop::EventLoop;
use keeper::{Keeper, Progress};

/// The stack of a thread that works on guards, in bytes: as large as that of the commands that do.
const STACK: usize = 8 << 20;

/// Runs until a signal ends it.
///
/// # Errors
///
/// If the configuration cannot be used, the machine cannot run the filter, or another daemon runs already.
/// What is attached stays so.
pub fn run(path: &Path) -> Result<()> {
    let registry = Registry::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // States of guards are tens of kibibytes.
        .thread_stack_size(STACK)
        // One for the keeper and one for metrics; each more would keep memory of its own.
        .max_blocking_threads(2)
        .build()
        .doing("start")?;
    // Nobody is ended by being told to reload, however early.
    let _hangup = {
        let _context = runtime.enter();
        signal(SignalKind::hangup()).doing("catch signals")?
    };
    // Whatever is missing for it is said before anything is begun.
    drop(registry.lock_to_attach()?);
    let _instance = instance::claim(&registry)?;
    let path = std::path::absolute(path).doing("find the configuration")?;
    let progress = Progress::default();
    runtime.block_on(async {
        // What happens from now on is not missed.
        let mut events = EventLoop::new(&registry, &path, Progress::clone(&progress))?;
        let keeper = Keeper::new(&path, registry, progress)?;
        events.run(keeper).await
    })
}
