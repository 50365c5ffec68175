//! The tables of the rate policy.

/// A limit's cell: the theoretical arrival time of GCRA, in nanoseconds of the kernel's monotonic
/// clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Cell {
    /// `struct bpf_spin_lock` of the kernel; zero to userspace.
    pub lock: u32,
    /// Explicit padding.
    pub reserved: u32,
    /// See [`gcra`](crate::gcra).
    pub arrival: u64,
}

/// How many cells the limits of sources have, and those of neighbourhoods.
pub const LIMIT_CELLS: u32 = 1 << 16;

/// How many elements [`map::LIMITS`](super::map::LIMITS) has: a cell for everything, then the two tables.
pub const LIMITS_LEN: u32 = 1 + 2 * LIMIT_CELLS;

/// How many words remember packets for which more was wanted than there was: see
/// [`sightings`](crate::sightings).
pub const FIRST_SIGHTINGS: u32 = 1 << 22;

/// How many words remember those that had been seen before.
pub const SECOND_SIGHTINGS: u32 = 1 << 20;

/// How many words remember those that had been seen twice before.
pub const THIRD_SIGHTINGS: u32 = 1 << 18;

/// How many elements [`map::SIGHTINGS`](super::map::SIGHTINGS) has.
pub const SIGHTINGS_LEN: u32 = FIRST_SIGHTINGS + SECOND_SIGHTINGS + THIRD_SIGHTINGS;

/// How many sources are remembered that were served.
pub const ACQUAINTANCES: u32 = 1 << 15;

/// How many cells count what acquaintances offer.
pub const OFFER_CELLS: u32 = 1 << 16;

/// How many cells count calls.
pub const CALL_CELLS: u32 = 1 << 14;

/// How many elements [`map::STANDINGS`](super::map::STANDINGS) has.
pub const STANDINGS_LEN: u32 = ACQUAINTANCES + OFFER_CELLS + CALL_CELLS;

const _: () = {
    assert!(size_of::<Cell>() == 16);
};
