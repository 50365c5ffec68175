//! The rate policy: which calls of unlisted sources are served.
//!
//! Three limits hold at once: of the source, of its neighbourhood, and of all together. A packet is
//! charged to all of them if it is admitted and to none if it is not, so that what a flood sends in
//! vain uses up nobody's limit, and few cells are in use at a time, however many sources there are.
//!
//! When a flood of random sources uses up the limit of all, who is served? A client that got no reply
//! asks again, and a random source does not. So each packet has a [`Standing`], by which the burst of
//! the total is graded: newcomers cannot use up the last of it, and sources of the highest standing
//! find what nobody else may take. The rate of the total is the same for any mixture.

use crate::{
    abi::{ACQUAINTANCES, LIMIT_CELLS, Limit, Limits, OFFER_CELLS, RETURN_WORDS, SIGHTING_WORDS},
    gcra,
    hash::hash,
    policy::Source,
    sightings::{self, sight},
};

/// A word that all CPUs read and write at the same time, each time as a whole.
pub trait Word {
    /// Reads it.
    fn load(&self) -> u64;

    /// Writes it.
    fn store(&self, value: u64);
}

/// The tables of the limiter: BPF maps in the kernel, vectors in tests. Only [`Memory::charge`] is
/// exact when several CPUs do it at once; elsewhere, a lost update among many makes no difference.
/// `None` stands for an index that is out of bounds, which none is.
pub trait Memory {
    /// How words of the tables are reached.
    type Word: Word;

    /// Nanoseconds of a monotonic clock that may be late by [`TICK`].
    fn now(&self) -> u64;

    /// Nanoseconds of the same clock, exactly.
    fn precise_now(&self) -> u64;

    /// What hashes are seeded with.
    fn seed(&self) -> u64;

    /// The theoretical arrival time in a cell of [`LIMITS`](crate::abi::map::LIMITS).
    fn arrival(&self, cell: u32) -> Option<Self::Word>;

    /// Charges a packet to a cell, unless it does not conform.
    fn charge(&self, cell: u32, now: u64, period: u64, tolerance: u64) -> bool;

    /// An element of [`SIGHTINGS`](crate::abi::map::SIGHTINGS).
    fn sightings(&self, index: u32) -> Option<Self::Word>;

    /// An element of [`STANDINGS`](crate::abi::map::STANDINGS).
    fn standings(&self, index: u32) -> Option<Self::Word>;
}

/// By how many nanoseconds [`Memory::now`] may be late. It makes no difference to a limit that
/// tolerates so much.
pub const TICK: u64 = 10_000_000;

/// What is known about a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Standing {
    /// Nothing; or that it sends far more than clients do.
    Newcomer = 0,
    /// It was seen shortly before.
    Returned = 1,
    /// It was seen more than once before.
    Persistent = 2,
    /// It was served when there was no flood, or got through one by persistence.
    Acquainted = 3,
}

impl Standing {
    /// How much of the total's tolerance it may use: five to eight eighths.
    #[inline(always)]
    const fn share(self, tolerance: u64) -> u64 {
        (tolerance >> 3) * (5 + self as u64)
    }
}

/// The cell of all sources together.
const TOTAL: u32 = 0;

/// Where the cells of sources and of neighbourhoods begin in `LIMITS`.
const SOURCES: u32 = 1;
const NEIGHBOURHOODS: u32 = SOURCES + LIMIT_CELLS;

/// Where the offers of sources and of neighbourhoods begin in `STANDINGS`.
const SOURCE_OFFERS: u32 = ACQUAINTANCES;
const NEIGHBOURHOOD_OFFERS: u32 = SOURCE_OFFERS + OFFER_CELLS;

/// A source with a standing may offer an eighth of its own rate in the long run, and half its burst
/// at once; a neighbourhood likewise. What a client sends stays below that: a few calls for a mount,
/// and one every few seconds while it gets no reply.
const OFFER_PERIODS: u64 = 8;
const OFFER_TOLERANCE_SHIFT: u32 = 1;

/// Whether to serve a call of an unlisted source; if so, it is charged.
#[inline(always)]
pub fn admit<M: Memory>(memory: &M, limits: &Limits, source: Source) -> bool {
    try_admit(memory, limits, source).is_some()
}

#[inline(always)]
fn try_admit<M: Memory>(memory: &M, limits: &Limits, source: Source) -> Option<()> {
    let now = if limits.strictest_tolerance() < TICK {
        memory.precise_now()
    } else {
        memory.now()
    };
    let place = Place::of(source, memory.seed());
    let total = arrival(memory, TOTAL, &limits.total, now)?;
    let mut standing = Standing::Newcomer;
    if !gcra::conforms(total, now, standing.share(limits.total.tolerance)) {
        standing = look_up(memory, limits, &place, now)?;
        if !gcra::conforms(total, now, standing.share(limits.total.tolerance)) {
            return None;
        }
    }
    let cell = place.source_cell();
    if !gcra::conforms(
        arrival(memory, cell, &limits.source, now)?,
        now,
        limits.source.tolerance,
    ) {
        return None;
    }
    charge_all(memory, limits, &place, now, standing).then_some(())?;
    let calm = gcra::conforms(total, now, limits.total.tolerance >> 2);
    if calm || standing == Standing::Persistent {
        memory.standings(place.acquaintance())?.store(place.source);
    }
    Some(())
}

/// Charges a packet to its three cells, finest first: who is refused by one, or comes too late
/// because another CPU was quicker, has taken nothing from anybody but itself.
#[inline(always)]
fn charge_all<M: Memory>(
    memory: &M,
    limits: &Limits,
    place: &Place,
    now: u64,
    standing: Standing,
) -> bool {
    let Limits {
        source,
        neighbourhood,
        total,
    } = limits;
    let share = standing.share(total.tolerance);
    let near = place.neighbourhood_cell();
    let conforming = match arrival(memory, near, neighbourhood, now) {
        Some(arrival) => gcra::conforms(arrival, now, neighbourhood.tolerance),
        None => false,
    };
    conforming
        && memory.charge(place.source_cell(), now, source.period, source.tolerance)
        && memory.charge(near, now, neighbourhood.period, neighbourhood.tolerance)
        && memory.charge(TOTAL, now, total.period, share)
}

/// Looks a source up among those that were seen while others wanted more than there is, and notes that
/// it was.
#[inline(always)]
fn look_up<M: Memory>(memory: &M, limits: &Limits, place: &Place, now: u64) -> Option<Standing> {
    let acquaintance = memory.standings(place.acquaintance())?;
    let standing = if acquaintance.load() == place.source {
        Standing::Acquainted
    } else if !note(&memory.sightings(place.sighting())?, place.source) {
        return Some(Standing::Newcomer);
    } else {
        let again = place.again();
        let word = SIGHTING_WORDS + (again >> sightings::HASH_BITS) as u32 % RETURN_WORDS;
        if note(&memory.sightings(word)?, again) {
            Standing::Persistent
        } else {
            Standing::Returned
        }
    };
    let offers = [
        (place.source_offers(), &limits.source),
        (place.neighbourhood_offers(), &limits.neighbourhood),
    ];
    let mut moderate = true;
    for (cell, limit) in offers {
        moderate &= offer(&memory.standings(cell)?, limit, now);
    }
    Some(if moderate {
        standing
    } else {
        Standing::Newcomer
    })
}

/// Whether a hash is noted in a word; it is from now on.
#[inline(always)]
fn note(word: &impl Word, hash: u64) -> bool {
    let before = word.load();
    let (seen, after) = sight(before, hash);
    if after != before {
        word.store(after);
    }
    seen
}

/// Whether what is offered is what a client might; every packet counts, admitted or not.
#[inline(always)]
fn offer(cell: &impl Word, limit: &Limit, now: u64) -> bool {
    let period = limit.period * OFFER_PERIODS;
    let tolerance = limit.tolerance >> OFFER_TOLERANCE_SHIFT;
    let arrival = cell.load();
    // Bounded, so that it is forgotten some time after the last of it.
    let latest = gcra::latest(now, period, 2 * tolerance);
    let charged = gcra::charged(arrival, now, period);
    cell.store(charged.min(latest));
    gcra::conforms(arrival, now, tolerance)
}

/// The arrival time in a cell, corrected if it comes from another limit than this.
#[inline(always)]
fn arrival<M: Memory>(memory: &M, cell: u32, limit: &Limit, now: u64) -> Option<u64> {
    let cell = memory.arrival(cell)?;
    let arrival = cell.load();
    let latest = gcra::latest(now, limit.period, limit.tolerance);
    if arrival > latest {
        cell.store(latest);
    }
    Some(arrival)
}

/// Where a source is in the tables.
struct Place {
    /// The hash of the address, or of an IPv6 /64.
    source: u64,
    /// The IPv4 /24, or the IPv6 /48.
    neighbourhood: u64,
    seed: u64,
}

impl Place {
    #[inline(always)]
    fn of(source: Source, seed: u64) -> Self {
        // The families are told apart by the seed.
        let (address, neighbourhood, seed) = match source {
            Source::V4(address) => {
                let address = u64::from(u32::from_be_bytes(address));
                (address, address >> 8, seed)
            }
            Source::V6([a, b, c, d, e, f, g, h, ..]) => {
                let address = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                (address, address >> 16, !seed)
            }
        };
        Self {
            source: hash(address, seed),
            neighbourhood,
            seed,
        }
    }

    #[inline(always)]
    const fn sighting(&self) -> u32 {
        (self.source >> sightings::HASH_BITS) as u32 % SIGHTING_WORDS
    }

    #[inline(always)]
    const fn acquaintance(&self) -> u32 {
        (self.source >> 32) as u32 % ACQUAINTANCES
    }

    #[inline(always)]
    const fn source_cell(&self) -> u32 {
        SOURCES + (self.source >> 48) as u32 % LIMIT_CELLS
    }

    #[inline(always)]
    const fn source_offers(&self) -> u32 {
        SOURCE_OFFERS + (self.source >> 40) as u32 % OFFER_CELLS
    }

    /// A hash of the source that says nothing about the first.
    #[inline(always)]
    const fn again(&self) -> u64 {
        hash(self.source, self.seed.rotate_left(32))
    }

    #[inline(always)]
    const fn neighbourhood_hash(&self) -> u64 {
        hash(self.neighbourhood, self.seed.rotate_left(16))
    }

    #[inline(always)]
    const fn neighbourhood_cell(&self) -> u32 {
        NEIGHBOURHOODS + self.neighbourhood_hash() as u32 % LIMIT_CELLS
    }

    #[inline(always)]
    const fn neighbourhood_offers(&self) -> u32 {
        NEIGHBOURHOOD_OFFERS + (self.neighbourhood_hash() >> 32) as u32 % OFFER_CELLS
    }
}
