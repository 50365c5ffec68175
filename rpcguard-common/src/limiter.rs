//! The rate policy: which calls of unlisted sources are served.
//!
//! Three limits hold at once: of the source, of its neighbourhood, and of all together. A packet is
//! charged to all of them if it is admitted and to none if it is not, so that what a flood sends in
//! vain uses up nobody's limit, and few cells are in use at a time, however many sources there are.
//!
//! When a flood of random sources uses up the limit of all, who is served? So that it is not a matter of
//! luck, each packet has a [`Standing`], by which the burst of the total is graded: what stands lowest
//! cannot use up the last of it, and what stands highest finds what nobody else may take. The rate of
//! the total is the same for any mixture. Three things tell a client from a flood: a call of its own
//! (a flood mostly repeats one, transaction id and all); that it asks again, in the same words, when
//! it gets no reply; and that it was here before, and asked for little.

use crate::{
    abi::{
        ACQUAINTANCES, CALL_CELLS, FIRST_SIGHTINGS, LIMIT_CELLS, Limit, Limits, OFFER_CELLS,
        SECOND_SIGHTINGS, THIRD_SIGHTINGS,
    },
    acquaintance, crowd, gcra,
    hash::hash,
    policy::Address,
    sightings::{self, LIBTIRPC, MOUNT_NFS, was_seen},
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

    /// Charges a packet to all three cells if it conforms to all of their limits, and to none otherwise.
    fn charge(&self, now: u64, charges: [Charge; 3]) -> bool;

    /// An element of [`SIGHTINGS`](crate::abi::map::SIGHTINGS).
    fn sightings(&self, index: u32) -> Option<Self::Word>;

    /// An element of [`STANDINGS`](crate::abi::map::STANDINGS).
    fn standings(&self, index: u32) -> Option<Self::Word>;
}

/// By how many nanoseconds [`Memory::now`] may be late. It makes no difference to a limit that
/// tolerates so much.
pub const TICK: u64 = 10_000_000;

/// What a packet is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The cell of [`LIMITS`](crate::abi::map::LIMITS).
    pub cell: u32,
    /// See [`Limit::period`].
    pub period: u64,
    /// How early the packet may come, in nanoseconds.
    pub tolerance: u64,
}

/// What is known about a packet and its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Standing {
    /// The same call, by its transaction id, comes again and again; or the source was served before, and
    /// asks for far more than a client does.
    Crowd = 0,
    /// Nothing.
    Newcomer = 1,
    /// The same source sent the same call before, when a client would have; or was served for that.
    Returned = 2,
    /// And so it had before that.
    ReturnedTwice = 3,
    /// And before that.
    ReturnedThrice = 4,
    /// The source was served more than once when there was no flood, and does not ask for much.
    Acquainted = 5,
}

impl Standing {
    /// How many eighths of the total's burst it may use: three to eight.
    #[inline(always)]
    #[must_use]
    pub const fn eighths(self) -> u32 {
        3 + self as u32
    }

    /// As much of the total's tolerance.
    #[inline(always)]
    const fn share(self, tolerance: u64) -> u64 {
        (tolerance >> 3) * self.eighths() as u64
    }
}

/// The cell of all sources together.
const TOTAL: u32 = 0;

/// Where the cells of sources and of neighbourhoods begin in `LIMITS`.
const SOURCES: u32 = 1;
const NEIGHBOURHOODS: u32 = SOURCES + LIMIT_CELLS;

/// Where what acquaintances offer begins in `STANDINGS`, and where calls do.
const OFFERS: u32 = ACQUAINTANCES;
const CALLS: u32 = OFFERS + OFFER_CELLS;

/// An acquaintance may offer half of its own rate in the long run, and all of its burst at once. What a
/// client sends stays below that: a few calls for a mount.
const OFFER_PERIODS: u64 = 2;

/// Whether to serve a call of an unlisted source; if so, it is charged. `call` is what a client repeats
/// when it gets no reply, and no other client sends: the transaction id.
#[inline(always)]
pub fn admit<M: Memory>(memory: &M, limits: &Limits, source: Address, call: u32) -> bool {
    try_admit(memory, limits, source, call).is_some()
}

#[inline(always)]
fn try_admit<M: Memory>(memory: &M, limits: &Limits, source: Address, call: u32) -> Option<()> {
    let now = if limits.strictest_tolerance() < TICK {
        memory.precise_now()
    } else {
        memory.now()
    };
    let place = Place::of(source, memory.seed());
    let total = arrival(memory, TOTAL, &limits.total, now)?;
    let mut standing = Standing::Crowd;
    if !gcra::conforms(total, now, standing.share(limits.total.tolerance)) {
        standing = look_up(memory, limits, &place, call, now)?;
        if !gcra::conforms(total, now, standing.share(limits.total.tolerance)) {
            return None;
        }
    }
    let own = [
        (place.source_cell(), &limits.source),
        (place.neighbourhood_cell(), &limits.neighbourhood),
    ];
    for (cell, limit) in own {
        let arrival = arrival(memory, cell, limit, now)?;
        if !gcra::conforms(arrival, now, limit.tolerance) {
            return None;
        }
    }
    let total_charge = Charge {
        cell: TOTAL,
        period: limits.total.period,
        tolerance: standing.share(limits.total.tolerance),
    };
    let [source, neighbourhood] = own.map(|(cell, limit)| Charge {
        cell,
        period: limit.period,
        tolerance: limit.tolerance,
    });
    // Another CPU may have been quicker meanwhile.
    if !memory.charge(now, [total_charge, source, neighbourhood]) {
        return None;
    }
    let cell = memory.standings(place.acquaintance())?;
    if standing >= Standing::Returned {
        cell.store(acquaintance::served_as(standing, place.source, now));
    } else if gcra::conforms(total, now, limits.total.tolerance >> 2) {
        let before = cell.load();
        let after = acquaintance::served_in_calm(before, place.source, now);
        if after != before {
            cell.store(after);
        }
    }
    Some(())
}

/// Finds out what is known about a packet, and notes that it was there. It is only asked, and noted,
/// while more is wanted than there is.
#[inline(always)]
fn look_up<M: Memory>(
    memory: &M,
    limits: &Limits,
    place: &Place,
    call: u32,
    now: u64,
) -> Option<Standing> {
    // First, because a flood makes acquaintances too, before it is one.
    if crowd::is_one(&memory.standings(CALLS + place.call(call))?, call, now) {
        return Some(Standing::Crowd);
    }
    let cell = memory.standings(place.acquaintance())?;
    let known = acquaintance::standing(cell.load(), place.source);
    if known != Standing::Newcomer {
        let offers = memory.standings(place.offers())?;
        if !is_moderate(&offers, &limits.source, now) {
            cell.store(acquaintance::NOBODY);
            return Some(Standing::Crowd);
        }
        if known == Standing::Acquainted {
            return Some(known);
        }
    }
    Some(known.max(returned(memory, place, call, now)?))
}

/// How often a packet was there before, at times when a client would have sent it.
#[inline(always)]
fn returned<M: Memory>(memory: &M, place: &Place, call: u32, now: u64) -> Option<Standing> {
    let slice = sightings::slice(now);
    let first = place.sighting(call);
    let (word, mark) = note(memory, [0, FIRST_SIGHTINGS], first, slice)?;
    if !was_seen(word, mark, LIBTIRPC) && !was_seen(word, mark, MOUNT_NFS) {
        return Some(Standing::Newcomer);
    }
    let second = place.again(first);
    let (word, mark) = note(memory, [FIRST_SIGHTINGS, SECOND_SIGHTINGS], second, slice)?;
    if !was_seen(word, mark, LIBTIRPC) {
        return Some(Standing::Returned);
    }
    let third = place.again(second);
    let begin = FIRST_SIGHTINGS + SECOND_SIGHTINGS;
    let (word, mark) = note(memory, [begin, THIRD_SIGHTINGS], third, slice)?;
    Some(if was_seen(word, mark, LIBTIRPC) {
        Standing::ReturnedThrice
    } else {
        Standing::ReturnedTwice
    })
}

/// Notes a sighting in one of the words of a table, given by where it begins and its length; returns the
/// word and the mark that was made.
#[inline(always)]
fn note<M: Memory>(
    memory: &M,
    [begin, len]: [u32; 2],
    hash: u64,
    slice: u64,
) -> Option<(u64, u64)> {
    let index = begin + (hash >> sightings::HASH_BITS) as u32 % len;
    let cell = memory.sightings(index)?;
    let before = cell.load();
    let word = sightings::moved_on(before, slice);
    let mark = sightings::mark(hash);
    if word | mark != before {
        cell.store(word | mark);
    }
    Some((word, mark))
}

/// Whether what is offered is what a client might; every packet counts, admitted or not.
#[inline(always)]
fn is_moderate(cell: &impl Word, limit: &Limit, now: u64) -> bool {
    let period = limit.period * OFFER_PERIODS;
    let tolerance = limit.tolerance * OFFER_PERIODS;
    let arrival = cell.load();
    // Bounded, so that it is forgotten some time after the last of it.
    let latest = gcra::latest(now, period, 2 * tolerance);
    let charged = gcra::charged(arrival, now, period);
    cell.store(charged.min(latest));
    gcra::conforms(arrival, now, tolerance)
}

/// The arrival time in a cell, corrected if it comes from another limit than this.
///
/// The time must be exact for that: what another CPU charged at a later one looks as if it did.
#[inline(always)]
fn arrival<M: Memory>(memory: &M, cell: u32, limit: &Limit, now: u64) -> Option<u64> {
    let cell = memory.arrival(cell)?;
    let arrival = cell.load();
    if arrival > gcra::latest(now, limit.period, limit.tolerance) {
        let latest = gcra::latest(memory.precise_now(), limit.period, limit.tolerance);
        if arrival > latest {
            cell.store(latest);
        }
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
    fn of(source: Address, seed: u64) -> Self {
        // The families are told apart by the seed.
        let (address, neighbourhood, seed) = match source {
            Address::V4(address) => {
                let address = u64::from(u32::from_be_bytes(address));
                (address, address >> 8, seed)
            }
            Address::V6([a, b, c, d, e, f, g, h, ..]) => {
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
    const fn source_cell(&self) -> u32 {
        SOURCES + (self.source >> 48) as u32 % LIMIT_CELLS
    }

    #[inline(always)]
    const fn neighbourhood_cell(&self) -> u32 {
        let hash = hash(self.neighbourhood, self.seed.rotate_left(16));
        NEIGHBOURHOODS + hash as u32 % LIMIT_CELLS
    }

    #[inline(always)]
    const fn acquaintance(&self) -> u32 {
        (self.source >> 32) as u32 % ACQUAINTANCES
    }

    #[inline(always)]
    const fn offers(&self) -> u32 {
        OFFERS + (self.source >> 40) as u32 % OFFER_CELLS
    }

    #[inline(always)]
    const fn call(&self, call: u32) -> u32 {
        hash(call as u64, self.seed.rotate_left(24)) as u32 % CALL_CELLS
    }

    /// A hash of the source and its call.
    #[inline(always)]
    const fn sighting(&self, call: u32) -> u64 {
        hash(self.source, call as u64)
    }

    /// Another that says nothing about it.
    #[inline(always)]
    const fn again(&self, sighting: u64) -> u64 {
        hash(sighting, self.seed.rotate_left(32))
    }
}
