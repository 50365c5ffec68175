//! Printing what the BPF program logs.

use std::{io, os::fd::AsFd as _};

use anyhow::Context as _;
use aya_log::EbpfLogger;
use tokio::{io::unix::AsyncFd, signal, task::LocalSet};

use super::input::note;
use crate::{
    guard::{self, Change, Guard, LogLevel, Registry},
    output,
};

/// Prints the log of these guards' programs until Ctrl-C, and then has them log no more.
pub(super) fn until_interrupted(registry: &Registry, guards: &[Guard]) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = LocalSet::new();
    for guard in guards {
        let logger = EbpfLogger::init_from_id_with_logger(guard.program_id(), Printer)
            .with_context(|| format!("cannot read the program's log on `{}`", guard.interface()))?;
        tasks.spawn_local(follow(logger));
    }
    note("logging until Ctrl-C; the filter stays attached");
    tasks.block_on(&runtime, signal::ctrl_c())?;

    let lock = registry.lock()?;
    let names = guards.iter().map(Guard::interface);
    guard::replace(registry, &lock, names, &Change::default(), LogLevel::Off)?;
    note("logging ended; the filter stays attached");
    Ok(())
}

async fn follow(mut logger: EbpfLogger<Printer>) -> io::Result<()> {
    #[expect(
        deprecated,
        reason = "sound for an OwnedFd; its successor takes an unsafe block"
    )]
    let readable = AsyncFd::new(logger.as_fd().try_clone_to_owned()?)?;
    loop {
        let mut ready = readable.readable().await?;
        logger.flush();
        ready.clear_ready();
    }
}

/// Prints records whatever `RUST_LOG` says: they were asked for.
struct Printer;

impl log::Log for Printer {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // Who has closed the pipe still has to end the logging with Ctrl-C.
        let _ = output::lines(&[format!("{} {}", record.level(), record.args())]);
    }

    fn flush(&self) {}
}
