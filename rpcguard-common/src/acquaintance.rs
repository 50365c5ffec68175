//! Who was served before, at times when there was enough for all.
//!
//! A cell holds one source: its hash, and in the lowest 16 bits when it was last served, in units of 2^31
//! nanoseconds, and whether that was at more than one time. Once is not enough: the first packets of a
//! flood find calm as well.

/// The source was served at more than one time.
const CONFIRMED: u64 = 1 << 15;
/// The time, in units of 2^31 nanoseconds.
const TIME: u64 = CONFIRMED - 1;
const HASH: u64 = !(CONFIRMED | TIME);

/// An acquaintance that was not served for so long, about an hour, leaves its cell to others.
const PATIENCE: u64 = 1700;

/// A cell that holds nobody.
pub const NOBODY: u64 = 0;

/// Whether the cell holds a source of this hash, who was served at more than one time.
#[inline(always)]
#[must_use]
pub const fn knows(cell: u64, hash: u64) -> bool {
    (cell ^ hash) & HASH == 0 && cell & CONFIRMED != 0
}

/// The cell after a source was served while there was enough for all.
#[inline(always)]
#[must_use]
pub const fn served_in_calm(cell: u64, hash: u64, now: u64) -> u64 {
    let time = now >> 31 & TIME;
    if (cell ^ hash) & HASH == 0 {
        let again = cell & CONFIRMED != 0 || cell & TIME != time;
        return if again {
            served_in_flood(hash, now)
        } else {
            cell
        };
    }
    let age = time.wrapping_sub(cell) & TIME;
    if cell & CONFIRMED != 0 && age < PATIENCE {
        return cell;
    }
    hash & HASH | time
}

/// The cell after a source has got through a flood by coming back.
#[inline(always)]
#[must_use]
pub const fn served_in_flood(hash: u64, now: u64) -> u64 {
    hash & HASH | CONFIRMED | now >> 31 & TIME
}
