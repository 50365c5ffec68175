//! The generic cell rate algorithm (ITU-T I.371, annex A): a rate limit in one number.
//!
//! A cell holds the theoretical arrival time: when the next packet were due if all came at exactly
//! the limit's rate. A packet conforms if it comes no earlier than that, but for the tolerance that
//! makes up the burst. Times are nanoseconds of one clock; a cell begins at zero.

/// The largest tolerance that [`conforms`] is exact for, in nanoseconds: ten years.
pub const MAX_TOLERANCE: u64 = 10 * 365 * 86_400 * 1_000_000_000;

/// Whether a packet at `now` is within the limit.
#[inline(always)]
#[must_use]
pub const fn conforms(arrival: u64, now: u64, tolerance: u64) -> bool {
    arrival <= now.wrapping_add(tolerance)
}

/// The cell after a packet that was within the limit.
#[inline(always)]
#[must_use]
pub const fn charged(arrival: u64, now: u64, period: u64) -> u64 {
    let from = if arrival > now { arrival } else { now };
    from.wrapping_add(period)
}

/// The tolerance for a burst of so many packets, in nanoseconds.
#[must_use]
pub const fn tolerance(burst: u32, period: u64) -> u64 {
    let tolerance = (burst.saturating_sub(1) as u64).saturating_mul(period);
    if tolerance < MAX_TOLERANCE {
        tolerance
    } else {
        MAX_TOLERANCE
    }
}

/// The latest that a cell can say at `now` if this limit was in force all the time; one that says
/// more was charged under another limit, and would keep its source out for longer than this one
/// has reason to.
#[inline(always)]
#[must_use]
pub const fn latest(now: u64, period: u64, tolerance: u64) -> u64 {
    now.wrapping_add(tolerance).wrapping_add(period)
}
