//! One interface, what is sent over it, and what its guard counted.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use aya::maps::{Map, MapData, PerCpuArray};
use rpcguard_common::{
    abi::{Counters, map},
    reason::{Action, Reason},
};
use rpcguard_tests::lab::PacedWire;

use crate::town::{self, Town};

/// How long an interface may be without a guard after it has appeared.
const PATIENCE: Duration = Duration::from_secs(180);

/// What was sent over a lane by sources that are listed and by others, or what its guard counted of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) dropped: u64,
}

/// An interface that is there and guarded.
pub(crate) struct Open {
    wire: PacedWire,
    counters: PerCpuArray<MapData, Counters>,
    mac: [u8; 6],
    /// What should have become of all that was sent.
    pub(crate) expected: Tally,
    /// Whether so many packets come besides that nobody knows how many. They are all to be dropped.
    pub(crate) is_flooded: bool,
}

/// An interface that comes and goes.
pub(crate) struct Lane {
    pub(crate) number: usize,
    /// Locked while something is under way. `None` while it is not there, or not guarded yet.
    open: Mutex<Option<Open>>,
}

impl Lane {
    pub(crate) const fn new(number: usize) -> Self {
        Self {
            number,
            open: Mutex::new(None),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the interface is guarded, and opens it; returns how long it took.
    pub(crate) fn await_guard(&self, town: &Town) -> Result<Duration> {
        let begun = Instant::now();
        let name = town::name(self.number);
        while !is_guarded(town, &name)? {
            if begun.elapsed() > PATIENCE {
                bail!("{name} is not guarded after {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        let elapsed = begun.elapsed();
        let pins = town.site.pins_of(&name);
        // It is in force before it is pinned.
        let map = loop {
            match open_counters(town, pins.join(map::COUNTERS)) {
                Ok(map) if town.site.host.enter(|| pins.join("link").exists()) => break map,
                _ if begun.elapsed() > PATIENCE => {
                    bail!("{name} is guarded, but nothing is pinned")
                }
                _ => thread::sleep(Duration::from_millis(5)),
            }
        };
        let site = &town.site;
        *self.lock() = Some(Open {
            wire: PacedWire::open((&site.neighbour, &name), (&site.host, &name))?,
            counters: map,
            mac: site.host.mac(&name)?,
            expected: Tally::default(),
            is_flooded: false,
        });
        Ok(elapsed)
    }

    /// Closes the lane, so that nothing is sent over it any more; returns how many packets were judged
    /// wrongly, and how many were sent.
    pub(crate) fn close(&self) -> Result<[u64; 2]> {
        match self.lock().take() {
            Some(open) => Ok([open.wrong()?, open.expected.passed + open.expected.dropped]),
            None => Ok([0, 0]),
        }
    }
}

impl Open {
    /// A frame from a source, for this interface.
    pub(crate) fn frame(&self, town: &Town, source: IpAddr) -> Vec<u8> {
        town.site
            .packet_from(source)
            .dump()
            .to_mac(self.mac)
            .build()
    }

    /// Sends frames of which so many are to pass and so many are to be dropped.
    pub(crate) fn send<'a>(
        &mut self,
        frames: impl IntoIterator<Item = &'a [u8]>,
        expected: Tally,
    ) -> Result<()> {
        self.wire.send(frames)?;
        self.expected.passed += expected.passed;
        self.expected.dropped += expected.dropped;
        Ok(())
    }

    /// Makes frames for all sources of the same interface alike.
    pub(crate) fn address(&self, frame: &mut [u8]) {
        frame[..6].copy_from_slice(&self.mac);
    }

    /// How many packets the guard counted otherwise than it should have.
    pub(crate) fn wrong(&self) -> Result<u64> {
        let counted = self.counted()?;
        let passed = counted.passed.abs_diff(self.expected.passed);
        if self.is_flooded {
            ensure!(counted.dropped != 0, "nothing of the flood has arrived");
            return Ok(passed);
        }
        Ok(passed + counted.dropped.abs_diff(self.expected.dropped))
    }

    fn counted(&self) -> Result<Tally> {
        let values = self.counters.get(&0, 0).context("cannot read counters")?;
        let mut tally = Tally::default();
        for counters in values.iter() {
            for reason in Reason::ALL {
                let packets = counters.reasons[reason.index()].packets;
                match reason.action() {
                    Action::Pass => tally.passed += packets,
                    Action::Drop => tally.dropped += packets,
                }
            }
        }
        Ok(tally)
    }
}

fn open_counters(town: &Town, path: PathBuf) -> Result<PerCpuArray<MapData, Counters>> {
    let data = town.site.host.enter(|| MapData::from_pin(path))?;
    Ok(PerCpuArray::try_from(Map::PerCpuArray(data))?)
}

/// Whether an XDP program is attached to an interface of the host.
fn is_guarded(town: &Town, name: &str) -> Result<bool> {
    let shown = town.site.host.ip(&format!("-j link show dev {name}"))?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    Ok(!shown[0]["xdp"].is_null())
}
