//! A Bloom filter of long lists: what is not in it need not be looked for in tables and tries.
//!
//! Long lists leave few of the [`VacantBlocks`](super::VacantBlocks) vacant. The filter is much smaller than the
//! lists, so that it stays in the processor's caches under a flood from random sources. As the vacant blocks, it
//! only errs towards a lookup too many.

/// Something that the filter may contain: a host, or a block of leading bits. As in Bloom's own (Space/Time
/// Trade-offs in Hash Coding with Allowable Errors, 1970), but that a source and the blocks around it are all in one
/// word, so that one line of memory tells of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BloomKey {
    /// A hash of the shortest block.
    place: u64,
    /// A hash of the key itself.
    key: u64,
}

impl BloomKey {
    /// IPv4 prefixes that are longer than this, and no hosts, are in the filter as blocks of so many bits, and
    /// those that are shorter as all such blocks that they cover.
    pub const V4: u8 = 24;

    /// IPv4 prefixes that are not longer than this are not in the filter:
    /// [`State::vacant_of_short_v4`](super::State::vacant_of_short_v4) is for those.
    pub const SHORT_V4: u8 = 16;

    /// IPv6 prefixes that are at least so long, and no hosts, are in the filter as blocks of so many bits.
    pub const V6_LONG: u8 = 48;

    /// IPv6 prefixes that are shorter than that, but at least so long, are in the filter as blocks of so many
    /// bits; those that are still shorter are in
    /// [`State::vacant_of_short_v6`](super::State::vacant_of_short_v6).
    pub const V6: u8 = 32;

    /// An IPv4 host.
    #[inline(always)]
    #[must_use]
    pub const fn host_v4(address: u32, seed: u64) -> Self {
        Self {
            key: hash(1 << 40 | address as u64, seed),
            ..Self::block_v4(address, seed)
        }
    }

    /// The block of 24 bits of an IPv4 address.
    #[inline(always)]
    #[must_use]
    pub const fn block_v4(address: u32, seed: u64) -> Self {
        Self::block(hash(address as u64 >> 8, seed))
    }

    /// An IPv6 host: the halves of its address.
    #[inline(always)]
    #[must_use]
    pub const fn host_v6([high, low]: [u64; 2], seed: u64) -> Self {
        Self {
            // An odd number with no pattern: halves that are alike in different places stay different.
            key: hash(high.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ low, seed),
            ..Self::block_v6(high, seed)
        }
    }

    /// The block of 48 bits of the 64 leading bits of an IPv6 address.
    #[inline(always)]
    #[must_use]
    pub const fn long_block_v6(high: u64, seed: u64) -> Self {
        Self {
            key: hash(1 << 50 | high >> 16, seed),
            ..Self::block_v6(high, seed)
        }
    }

    /// The block of 32 bits of the 64 leading bits of an IPv6 address.
    #[inline(always)]
    #[must_use]
    pub const fn block_v6(high: u64, seed: u64) -> Self {
        Self::block(hash(1 << 41 | high >> 32, seed))
    }

    #[inline(always)]
    const fn block(hash: u64) -> Self {
        Self {
            place: hash,
            key: hash,
        }
    }

    /// Which word of the filter, if it has two to the power of `log2` words: 6 to 18.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, log2: u32) -> u32 {
        (self.place >> (64 - log2)) as u32
    }

    /// The bits in the word, all of which are set if the key is there.
    #[inline(always)]
    #[must_use]
    pub const fn bits(self) -> u64 {
        1 << (self.key >> 40 & 63) | 1 << (self.key >> 34 & 63) | 1 << (self.key >> 28 & 63)
    }

    /// Whether a word has all of them.
    #[inline(always)]
    #[must_use]
    pub const fn is_in(self, word: u64) -> bool {
        word & self.bits() == self.bits()
    }
}

/// Less than [that of tables](crate::hash::hash): only the higher bits are good. A single multiplication would not
/// do, as lists are full of neighbours.
#[inline(always)]
const fn hash(key: u64, seed: u64) -> u64 {
    let product = (key ^ seed).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (product ^ product >> 32).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
}

/// The length of the filter, as a power of two, for so many keys: four to eight share a word, so that one key in
/// thirty is found though it is not there.
#[must_use]
pub const fn bloom_log2(keys: u64) -> u32 {
    let words = (keys / 8).next_power_of_two();
    let log2 = words.trailing_zeros();
    if log2 < 6 {
        6
    } else if log2 > 18 {
        18
    } else {
        log2
    }
}

/// Keys a word with which a filter is too small.
pub const BLOOM_CROWDED: u64 = 16;

/// How many prefixes a guard has before it is worth it.
pub const LONG_FROM: u64 = 128;

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;

    use super::*;

    const SEED: u64 = 0x7be2_19c4_55d0_3fa6;

    #[test]
    fn what_is_not_there_is_seldom_found() {
        for keys in [1_000_u32, 100_000] {
            if cfg!(miri) && keys > 1_000 {
                continue;
            }
            let log2 = bloom_log2(keys.into());
            let mut words = vec![0_u64; 1 << log2];
            let listed = |number: u32| [number.wrapping_mul(7919) << 6, 0x0a00_0000 + number];
            let key = |address| BloomKey::host_v4(address, SEED);
            for address in (0..keys / 2).flat_map(listed) {
                words[key(address).word(log2) as usize] |= key(address).bits();
            }
            let is_found = |address: &u32| {
                let key = key(*address);
                key.is_in(words[key.word(log2) as usize])
            };
            assert!(
                (0..keys / 2)
                    .flat_map(listed)
                    .all(|address| is_found(&address))
            );
            // Neighbours of what is listed, and others.
            let others = (0..keys).map(|number| 0x5000_0000 + number.wrapping_mul(97));
            let beside = (0..keys).map(|number| 0x0b00_0000 + number);
            for others in [
                others.filter(is_found).count(),
                beside.filter(is_found).count(),
            ] {
                assert!(others < keys as usize / 20, "{others} of {keys}");
            }
        }
    }

    #[test]
    fn its_length_follows_that_of_the_lists() {
        for (keys, log2) in [(0, 6), (128, 6), (1_000, 7), (10_000, 11), (1_000_000, 17)] {
            assert_eq!(bloom_log2(keys), log2, "{keys}");
        }
        assert_eq!(bloom_log2(u64::MAX / 2), 18);
    }
}
