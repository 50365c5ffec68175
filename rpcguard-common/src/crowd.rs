//! Calls that come too often to be one client's.
//!
//! A client gives each call a transaction id, and repeats it a few times if there is no reply. What
//! floods portmappers mostly repeats one call for all the sources that it invents.
//!
//! A cell belongs to one transaction id at a time and holds, besides the id, a [`gcra`](crate::gcra)
//! arrival time in units of 2^20 nanoseconds, modulo 2^32. Whoever finds it idle takes it over; ids
//! that are all different leave each other alone.

use crate::limiter::Word;

/// A client repeats a call less often than this in the long run (about two seconds)...
const PERIOD: u32 = 2000;
/// ... and not more than so much earlier: about six at once.
const TOLERANCE: u32 = 5 * PERIOD;
/// For so long a crowd is remembered after its last packet.
const LATEST: u32 = TOLERANCE + 8 * PERIOD;

/// Whether a call belongs to a crowd; it is counted in its cell.
#[inline(always)]
pub fn is_one(cell: &impl Word, call: u32, now: u64) -> bool {
    let now = (now >> 20) as u32;
    let word = cell.load();
    let owner = (word >> 32) as u32;
    let ahead = match (word as u32).wrapping_sub(now) {
        // In the past, or left from a time when the clock had the same lowest bits.
        ahead if ahead > LATEST => 0,
        ahead => ahead,
    };
    if owner != call && ahead != 0 {
        return false;
    }
    if ahead <= TOLERANCE + PERIOD {
        let next = ahead + PERIOD;
        // A crowd is noted for long, so that not each of its packets writes.
        let next = if next > TOLERANCE { LATEST } else { next };
        cell.store(u64::from(call) << 32 | u64::from(now.wrapping_add(next)));
    }
    ahead > TOLERANCE
}
