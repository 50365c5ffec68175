//! The limiter's tables in vectors.

use std::cell::Cell;

use rpcguard_common::{
    abi::{LIMITS_LEN, SIGHTINGS_LEN, STANDINGS_LEN},
    gcra,
    limiter::{Charge, Memory, TICK, Word},
};

type Table = Vec<Cell<u64>>;

/// The tables, and a clock that the test sets.
pub(super) struct HostMemory {
    /// Nanoseconds.
    pub(super) time: Cell<u64>,
    pub(super) seed: u64,
    limits: Table,
    sightings: Table,
    standings: Table,
}

impl HostMemory {
    /// Empty tables, at a time at which a machine may have been up for a week.
    pub(super) fn new(seed: u64) -> Self {
        let table = |length| vec![Cell::new(0); length as usize];
        Self {
            time: Cell::new(7 * 86_400 * 1_000_000_000 + 123_456_789),
            seed,
            limits: table(LIMITS_LEN),
            sightings: table(SIGHTINGS_LEN),
            standings: table(STANDINGS_LEN),
        }
    }
}

pub(super) struct HostWord<'a>(&'a Cell<u64>);

impl Word for HostWord<'_> {
    fn load(&self) -> u64 {
        self.0.get()
    }

    fn store(&self, value: u64) {
        self.0.set(value);
    }
}

impl<'a> Memory for &'a HostMemory {
    type Word = HostWord<'a>;

    /// As late as it may be.
    fn now(&self) -> u64 {
        let now = self.precise_now();
        now - now % TICK
    }

    fn precise_now(&self) -> u64 {
        self.time.get()
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn arrival(&self, cell: u32) -> Option<HostWord<'a>> {
        self.limits.get(cell as usize).map(HostWord)
    }

    fn charge(&self, now: u64, charges: [Charge; 3]) -> bool {
        let cells = charges.map(|charge| (self.limits[charge.cell as usize].get(), charge));
        let conforms = cells
            .iter()
            .all(|(arrival, charge)| gcra::conforms(*arrival, now, charge.tolerance));
        if conforms {
            for (arrival, charge) in cells {
                let charged = gcra::charged(arrival, now, charge.period);
                self.limits[charge.cell as usize].set(charged);
            }
        }
        conforms
    }

    fn sightings(&self, index: u32) -> Option<HostWord<'a>> {
        self.sightings.get(index as usize).map(HostWord)
    }

    fn standings(&self, index: u32) -> Option<HostWord<'a>> {
        self.standings.get(index as usize).map(HostWord)
    }
}
