//! Whoever looks on meanwhile.

use std::{
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rpcguard::guard::{Aggregate, Events, FilterCounters, Guard, Reason, Registry};

use crate::town::{ALLOWED, CHANGING, DENIED, STEADY, Town, prefix};

/// How often each of them looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long events are followed before somebody else may.
const TURN: Duration = Duration::from_secs(2);

/// How much was read.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    reads: AtomicU64,
    events: AtomicU64,
    /// Locked by each of them while it reads.
    busy: RwLock<()>,
}

impl Readers {
    /// How often everything was read, and how many drops were told of.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (load(&self.reads), load(&self.events))
    }

    /// Lets nobody read.
    pub(crate) fn pause(&self) -> impl Drop + '_ {
        self.busy.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self) -> impl Drop + '_ {
        self.busy.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the commands that only look.
    pub(crate) fn read_by_command(&self, town: &Town, over: &AtomicBool) -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            let busy = self.busy();
            for command in ["status --json", "allow list --json", "allow test 10.0.0.7"] {
                let said = town.rpcguard(command)?.stdout;
                ensure!(said.contains(STEADY) && said.contains(CHANGING), "{said}");
            }
            drop(busy);
            self.reads.fetch_add(1, Ordering::Relaxed);
            thread::sleep(INTERVAL);
        }
        Ok(())
    }

    /// Reads through handles that stay open all the time, and asserts that what must not change does
    /// not, and what only grows grows.
    pub(crate) fn read_by_library(&self, town: &Town, over: &AtomicBool) -> Result<()> {
        town.site.host.enter(|| {
            let registry = Registry::new()?;
            let guards = [registry.guard(STEADY)?, registry.guard(CHANGING)?];
            let mut last: Vec<Option<FilterCounters>> = vec![None; guards.len()];
            let mut told = Vec::new();
            let mut turn: Option<(Instant, Events)> = None;
            while !over.load(Ordering::Relaxed) {
                let _busy = self.busy();
                turn.take_if(|(begun, _)| begun.elapsed() > TURN);
                let (_, events) = match &mut turn {
                    Some(turn) => turn,
                    None => turn.insert((Instant::now(), Events::follow(&guards)?)),
                };
                for (guard, last) in guards.iter().zip(&mut last) {
                    look(guard, last)?;
                }
                told.clear();
                events.read(INTERVAL, &mut told)?;
                self.events.fetch_add(told.len() as u64, Ordering::Relaxed);
                self.reads.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })
    }
}

fn look(guard: &Guard, last: &mut Option<FilterCounters>) -> Result<()> {
    let counters = guard.counters()?;
    for reason in Reason::ALL {
        let before = last.map_or(0, |last| last.reason(reason).packets);
        let now = counters.reason(reason).packets;
        ensure!(now >= before, "{}: {before}, then {now}", reason.name());
    }
    *last = Some(counters);
    let listed = guard.prefixes()?;
    for text in ALLOWED.iter().chain(&DENIED) {
        let prefix = prefix(text)?;
        listed
            .iter()
            .find(|listed| listed.prefix == prefix)
            .with_context(|| format!("{} does not list {text}", guard.interface()))?;
    }
    guard.policy()?;
    guard.sources(Aggregate::HostV4)?;
    Ok(())
}
