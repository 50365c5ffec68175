//! Moments at which nothing is under way, and everything must be right.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rpcguard::guard::Registry;

use crate::{
    changes::Changes,
    flood::Flood,
    kernel_log::KernelLog,
    readers::Readers,
    resources::Resources,
    town::{CHANGING, STEADY, Town},
};

/// The guarded interfaces.
const GUARDED: [&str; 2] = [STEADY, CHANGING];

/// All checkpoints of a run.
pub(crate) struct Checkpoints<'a> {
    town: &'a Town,
    begun: Instant,
    log: KernelLog,
    /// At the first checkpoint: what comes once is there then.
    first: Option<Resources>,
    last: Option<Resources>,
}

impl<'a> Checkpoints<'a> {
    pub(crate) fn begin(town: &'a Town) -> Result<Self> {
        Ok(Self {
            town,
            begun: Instant::now(),
            log: KernelLog::follow()?,
            first: None,
            last: None,
        })
    }

    /// Lets changes and flood rest, checks everything, and prints a line about it.
    pub(crate) fn check(
        &mut self,
        flood: &Flood,
        changes: &Changes<'_>,
        readers: &Readers,
    ) -> Result<()> {
        let (_rest, made) = changes.pause()?;
        let _silence = readers.pause();
        let sent = flood.sent();
        self.town
            .site
            .registry(|registry: &Registry| -> Result<()> {
                for interface in GUARDED {
                    sent.check(&registry.guard(interface)?)?;
                }
                Ok(())
            })?;
        let complaints = self.log.complaints()?;
        ensure!(complaints.is_empty(), "the kernel says: {complaints:?}");
        let now = Resources::take(self.town, GUARDED.len())?;
        let (reads, events) = readers.counts();
        println!(
            "{:>5} s: {} packets, {made} changes, {reads} reads, {events} events; {now}",
            self.begun.elapsed().as_secs(),
            sent.total().packets
        );
        match &self.first {
            Some(first) => now.check(first)?,
            None => self.first = Some(now.clone()),
        }
        self.last = Some(now);
        Ok(())
    }

    /// Prints what there was in the beginning, and what in the end.
    pub(crate) fn end(self) -> Result<()> {
        let (first, last) = (self.first, self.last);
        println!("first: {}", first.context("there was no checkpoint")?);
        println!(" last: {}", last.context("there was no checkpoint")?);
        Ok(())
    }
}
