//! Who was served before.
//!
//! A cell holds one source: its hash, and in the lowest 16 bits when it was last served, in units of 2^31
//! nanoseconds, and how well it is known: as the [`Standing`] that it was served by. A source that was
//! served when there was enough for all is best known; but once is not enough for that, as the first
//! packets of a flood find calm as well.

use crate::limiter::Standing;

/// The time, in units of 2^31 nanoseconds.
const TIME: u64 = (1 << 12) - 1;
const RANK_SHIFT: u32 = 12;
/// How well the source is known; zero for one that was served once in calm.
const RANK: u64 = 0b111 << RANK_SHIFT;
const HASH: u64 = !0xffff;

/// An acquaintance that was not served for so long, about an hour, leaves its cell to others.
const PATIENCE: u64 = 1700;

/// A cell that holds nobody.
pub const NOBODY: u64 = 0;

/// How well a source is known: as nobody if the cell is another's.
#[inline(always)]
#[must_use]
pub const fn standing(cell: u64, hash: u64) -> Standing {
    const RETURNED: u64 = Standing::Returned as u64;
    const TWICE: u64 = Standing::ReturnedTwice as u64;
    const THRICE: u64 = Standing::ReturnedThrice as u64;
    const ACQUAINTED: u64 = Standing::Acquainted as u64;
    if (cell ^ hash) & HASH != 0 {
        return Standing::Newcomer;
    }
    match (cell & RANK) >> RANK_SHIFT {
        RETURNED => Standing::Returned,
        TWICE => Standing::ReturnedTwice,
        THRICE => Standing::ReturnedThrice,
        ACQUAINTED => Standing::Acquainted,
        _ => Standing::Newcomer,
    }
}

/// The cell after a source was served while there was enough for all.
#[inline(always)]
#[must_use]
pub const fn served_in_calm(cell: u64, hash: u64, now: u64) -> u64 {
    let time = time(now);
    if (cell ^ hash) & HASH == 0 {
        return if cell & RANK != 0 || cell & TIME != time {
            served_as(Standing::Acquainted, hash, now)
        } else {
            cell
        };
    }
    let age = time.wrapping_sub(cell) & TIME;
    if cell & RANK != 0 && age < PATIENCE {
        return cell;
    }
    hash & HASH | time
}

/// The cell after a source was served in a flood, for its standing.
#[inline(always)]
#[must_use]
pub const fn served_as(standing: Standing, hash: u64, now: u64) -> u64 {
    hash & HASH | (standing as u64) << RANK_SHIFT | time(now)
}

const fn time(now: u64) -> u64 {
    now >> 31 & TIME
}
