//! The hash that places sources in tables.

/// A number that says nothing about `key` to those who do not know the seed: the finalizer of
/// MurmurHash3, over the key and the seed together.
///
/// The tables are at the mercy of spoofed addresses: without a seed, anybody could choose addresses
/// that share a victim's place.
#[inline(always)]
#[must_use]
pub const fn hash(key: u64, seed: u64) -> u64 {
    let mut hash = key ^ seed;
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}
