//! Who was seen some seconds ago, in a few bits each.
//!
//! A word is a shift register of seven slices of time, 2.5 seconds and one byte each, in which a
//! source sets two bits. It holds what it can: the more sources share a word, the more are taken for
//! others, and none is forgotten before its time. There is nothing to clean up, as a word is moved on
//! whenever it is looked at.
//!
//! What is looked for is not whether a source was ever seen, but whether it was when a client that got
//! no reply would have asked before: that leaves a seventh of the errors.

/// Bits of a slice.
const SLICE_BITS: u64 = 8;
/// How many slices a word holds, above the lowest byte, which tells the latest.
const SLICES: u64 = 7;
const LATEST: u64 = (1 << SLICE_BITS) - 1;

/// Which slice it is at this time. libtirpc asks again after 15.0 seconds (clnt_dg.c), which is a whole
/// number of slices, so that one slice is enough to look into.
#[inline(always)]
#[must_use]
pub const fn slice(nanoseconds: u64) -> u64 {
    // Division takes long: 2.5 s are 2384.19 units of 2^20 ns.
    const PER_UNIT: u64 = (1 << 32) * (1 << 20) / 2_500_000_000;
    ((nanoseconds >> 20) * PER_UNIT) >> 32
}

/// How long ago, in slices, libtirpc's clients asked before.
pub const LIBTIRPC: u64 = 6;

/// How long ago, in slices, mount.nfs asked before, which does so every second: it may also have been in
/// the present slice.
pub const MOUNT_NFS: u64 = 1;

/// A word at the time of `slice`.
#[inline(always)]
#[must_use]
pub const fn moved_on(word: u64, slice: u64) -> u64 {
    let passed = slice.wrapping_sub(word) & LATEST;
    let slices = if passed < SLICES {
        (word & !LATEST) << (SLICE_BITS * passed)
    } else {
        0
    };
    slices | slice & LATEST
}

/// The bits that stand for a hash, in the latest slice. The lowest bits of the hash make them; others
/// must choose the word.
#[inline(always)]
#[must_use]
pub const fn mark(hash: u64) -> u64 {
    (1 << (hash & 7) | 1 << (hash >> 3 & 7)) << SLICE_BITS
}

/// How many bits of a hash [`mark`] uses.
pub const HASH_BITS: u32 = 6;

/// Whether what [`mark`] stands for was seen so many slices ago, or others that left the same bits.
#[inline(always)]
#[must_use]
pub const fn was_seen(word: u64, mark: u64, slices_ago: u64) -> bool {
    let mark = mark << (SLICE_BITS * slices_ago);
    word & mark == mark
}
