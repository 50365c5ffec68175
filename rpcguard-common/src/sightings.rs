//! Who was seen lately, in six fingerprints a word.
//!
//! A word is a queue: a new fingerprint pushes the oldest out. There is nothing to clean up and
//! nothing to fill up, and what is forgotten first is what was seen longest ago. A source that was
//! never seen is taken for another in six of 1023 cases.

/// Bits of a fingerprint.
const BITS: u32 = 10;
/// A one in each of the six places.
const ONES: u64 = 1 | 1 << BITS | 1 << 2 * BITS | 1 << 3 * BITS | 1 << 4 * BITS | 1 << 5 * BITS;
/// The highest bit of each place.
const TOPS: u64 = ONES << (BITS - 1);
/// All six places.
const PLACES: u64 = (1 << (6 * BITS)) - 1;
/// The two places of the latest fingerprints.
const LATEST: u64 = (1 << (2 * BITS)) - 1;

/// Whether a source of this hash is among those in `word`, and the word with it among the latest.
///
/// The lowest bits of the hash make the fingerprint; others than these must choose the word.
#[inline(always)]
#[must_use]
pub const fn sight(word: u64, hash: u64) -> (bool, u64) {
    let fingerprint = match hash & ((1 << BITS) - 1) {
        // A place that was never used.
        0 => 1,
        fingerprint => fingerprint,
    };
    // A place is zero where the fingerprints are equal; the lowest such place, and none below it,
    // gets its top bit set.
    let difference = word ^ fingerprint.wrapping_mul(ONES);
    let equal = difference.wrapping_sub(ONES) & !difference & TOPS;
    if equal & LATEST != 0 {
        return (true, word);
    }
    (equal != 0, (word << BITS | fingerprint) & PLACES)
}

/// How many bits of a hash [`sight`] uses.
pub const HASH_BITS: u32 = BITS;
