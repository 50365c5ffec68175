//! One filter under one flood.

use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rpcguard_tests::lab::{Bounds, Lab};

use super::caller::{Call, Caller, Kind};
use crate::{
    contender::{Contender, List, delivered},
    samples::Samples,
    town::Town,
    wire::handled,
};

/// Clients of each kind.
const CLIENTS: u8 = 12;

/// From one call of a regular client to the next, before the flood.
const BETWEEN_VISITS: Duration = Duration::from_secs(5);

/// From the beginning of the flood to that of the first calls.
const LEAD: Duration = Duration::from_secs(3);

/// The flood ends with the last call; if a client does not, with this.
const LIMIT: Duration = Duration::from_secs(150);

/// What is sent, and where it claims to come from.
pub(super) struct Flooding {
    pub(super) name: &'static str,
    pub(super) sources: &'static str,
    /// Whether each packet has a transaction id of its own.
    pub(super) distinct: bool,
}

/// What became of it.
pub(super) struct Trial {
    /// Packets of the flood that were handled in a second.
    pub(super) flood: f64,
    /// Calls that rpcbind took in a second.
    pub(super) reached: f64,
    calls: Vec<Call>,
}

/// What became of calls.
pub(super) struct Outcomes {
    pub(super) calls: usize,
    pub(super) served: usize,
    /// In seconds, of those that were served; `None` if none was.
    pub(super) latency: Option<Samples>,
}

impl Trial {
    /// Of the calls of one kind of clients, or of all.
    pub(super) fn outcomes(&self, kind: Option<Kind>) -> Outcomes {
        let calls = || {
            self.calls
                .iter()
                .filter(|call| kind.is_none_or(|kind| call.kind == kind))
        };
        let served = calls().filter(|call| call.served);
        let seconds: Vec<_> = served.map(|call| call.took.as_secs_f64()).collect();
        Outcomes {
            calls: calls().count(),
            served: seconds.len(),
            latency: (!seconds.is_empty()).then(|| Samples::new(seconds)),
        }
    }
}

/// Floods a portmapper behind a filter while clients call it: calls begin for as long as `window`.
pub(super) fn run(contender: Contender, flooding: &Flooding, window: Duration) -> Result<Trial> {
    let lab = Lab::new()?;
    let town = Town::new(&lab)?;
    contender.set_up(&town.server, &List::EMPTY)?;
    let mut callers = callers(&lab, &town)?;
    let flood = town.flood(flooding.sources, flooding.distinct)?;
    let (no_more_calls, no_more_flood) = (&AtomicBool::new(false), &AtomicBool::new(false));
    thread::scope(|scope| {
        let flood = scope.spawn(|| -> Result<f64> {
            let before = handled(&town.server)?;
            let bounds = Bounds {
                packets: u64::MAX,
                time: LIMIT,
                rate: None,
            };
            let flooded = flood.run(bounds, no_more_flood)?;
            let handled = handled(&town.server)? - before;
            Ok(handled as f64 / flooded.elapsed.as_secs_f64())
        });
        thread::sleep(LEAD);
        let (before, start) = (delivered(&town.server)?, Instant::now());
        let calling: Vec<_> = callers
            .iter_mut()
            .map(|caller| scope.spawn(|| caller.call_until(no_more_calls)))
            .collect();
        thread::sleep(window);
        let taken = delivered(&town.server)? - before;
        let reached = taken as f64 / start.elapsed().as_secs_f64();
        no_more_calls.store(true, Ordering::Relaxed);
        let calls: Vec<Vec<Call>> = calling.into_iter().map(join).collect::<Result<_>>()?;
        no_more_flood.store(true, Ordering::Relaxed);
        Ok(Trial {
            flood: join(flood)?,
            reached,
            calls: calls.concat(),
        })
    })
}

/// Clients of each kind, of which the regular ones have been served at more than one time.
fn callers(lab: &Lab, town: &Town) -> Result<Vec<Caller>> {
    let mut callers = Vec::new();
    for (kind, first) in Kind::ALL.into_iter().zip([1, 1 + CLIENTS]) {
        for number in first..first + CLIENTS {
            callers.push(Caller::new(lab, town, number, kind)?);
        }
    }
    for pause in [Duration::ZERO, BETWEEN_VISITS] {
        thread::sleep(pause);
        for caller in callers.iter().filter(|caller| caller.is_regular()) {
            let served = caller.call().served;
            ensure!(served, "rpcbind did not answer before the flood");
        }
    }
    Ok(callers)
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|payload| panic::resume_unwind(payload))
}
