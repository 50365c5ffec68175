//! Packets from all sources, each of which is counted.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use rpcguard_common::abi::Counter;
use rpcguard_tests::lab::PacedWire;

use crate::{
    ledger::Ledger,
    town::{CHANGING, SOURCES, STEADY, Town},
};

/// How often each source sends in a burst: all of them together are no more than a wire holds.
const TIMES: usize = 8;

/// The wires, and what goes over them.
pub(crate) struct Flood {
    wires: [(&'static str, PacedWire); 2],
    frames: Vec<Vec<u8>>,
    /// Locked while frames are under way.
    sent: Mutex<Ledger>,
}

impl Flood {
    pub(crate) fn new(town: &Town) -> Result<Self> {
        let wire = |interface| {
            let (from, to) = (&town.site.neighbour, &town.site.host);
            PacedWire::open((from, interface), (to, interface))
        };
        let frames: Result<Vec<_>> = SOURCES.iter().map(|source| town.frame(source)).collect();
        Ok(Self {
            wires: [(STEADY, wire(STEADY)?), (CHANGING, wire(CHANGING)?)],
            frames: frames?,
            sent: Mutex::new(Ledger::default()),
        })
    }

    /// Sends at this rate, until told to stop.
    pub(crate) fn run(&self, rate: u64, over: &AtomicBool) -> Result<()> {
        let begun = Instant::now();
        let mut sent = 0;
        while !over.load(Ordering::Relaxed) {
            let due = rate as f64 * begun.elapsed().as_secs_f64();
            if sent as f64 <= due {
                sent += self.burst()?;
            } else {
                thread::sleep(Duration::from_micros(200));
            }
        }
        Ok(())
    }

    /// Sends some from each source; returns how many.
    fn burst(&self) -> Result<u64> {
        let mut sent = self.sent();
        let mut total = 0;
        for (interface, wire) in &self.wires {
            let here = || {
                let numbered = SOURCES.iter().zip(&self.frames).enumerate();
                numbered.filter(|(_, (source, _))| source.interface == *interface)
            };
            let frames = here().flat_map(|(_, (_, frame))| [frame.as_slice(); TIMES]);
            wire.send(frames)?;
            for (number, (_, frame)) in here() {
                let counter = Counter {
                    packets: TIMES as u64,
                    bytes: (TIMES * frame.len()) as u64,
                };
                sent.add(number, counter);
                total += counter.packets;
            }
        }
        Ok(total)
    }

    /// What was sent. As long as this is held, nothing more is, and nothing is under way.
    pub(crate) fn sent(&self) -> MutexGuard<'_, Ledger> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
