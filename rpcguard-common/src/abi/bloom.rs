//! A Bloom filter of long lists: what is not in it need not be looked for in tables and tries.
//!
//! Long lists leave few of the [`VacantBlocks`](super::VacantBlocks) vacant. The filter is much smaller than the
//! lists, so that it stays in the processor's caches under a flood from random sources. As the vacant blocks, it
//! only errs towards a lookup too many.

/// Something that the filter may contain: an IPv4 host, or a block of leading bits. As in Bloom's own (Space/Time
/// Trade-offs in Hash Coding with Allowable Errors, 1970), but that both bits of a key are in one word, so that
/// one line of memory tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BloomKey(u64);

impl BloomKey {
    /// IPv4 prefixes that are longer than this, and no hosts, are in the filter as blocks of so many bits, and
    /// those that are shorter as all such blocks that they cover.
    pub const V4: u8 = 24;

    /// IPv4 prefixes that are not longer than this are not in the filter:
    /// [`State::vacant_of_short_v4`](super::State::vacant_of_short_v4) is for those.
    pub const SHORT_V4: u8 = 16;

    /// IPv6 prefixes that are at least so long are in the filter as blocks of so many bits.
    pub const V6_LONG: u8 = 48;

    /// IPv6 prefixes that are shorter than that, but at least so long, are in the filter as blocks of so many
    /// bits; those that are still shorter are in
    /// [`State::vacant_of_short_v6`](super::State::vacant_of_short_v6).
    pub const V6: u8 = 32;

    /// A host.
    #[inline(always)]
    #[must_use]
    pub const fn host_v4(address: u32, seed: u64) -> Self {
        Self::new(1 << 40 | address as u64, seed)
    }

    /// The block of 24 bits of an IPv4 address.
    #[inline(always)]
    #[must_use]
    pub const fn block_v4(address: u32, seed: u64) -> Self {
        Self::new(address as u64 >> 8, seed)
    }

    /// The block of 48 bits of the 64 leading bits of an IPv6 address.
    #[inline(always)]
    #[must_use]
    pub const fn long_block_v6(high: u64, seed: u64) -> Self {
        Self::new(high >> 16, seed)
    }

    /// The block of 32 bits of the 64 leading bits of an IPv6 address.
    #[inline(always)]
    #[must_use]
    pub const fn block_v6(high: u64, seed: u64) -> Self {
        Self::new(1 << 41 | high >> 32, seed)
    }

    /// Less than [`hash`](crate::hash::hash), of which only the higher bits are good. A single multiplication
    /// would not do: lists are full of neighbours.
    #[inline(always)]
    const fn new(key: u64, seed: u64) -> Self {
        let product = (key ^ seed).wrapping_mul(0xff51_afd7_ed55_8ccd);
        Self((product ^ product >> 32).wrapping_mul(0xc4ce_b9fe_1a85_ec53))
    }

    /// Which word of the filter, if it has two to the power of `log2` words: 6 to 18.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, log2: u32) -> u32 {
        (self.0 >> (64 - log2)) as u32
    }

    /// The bits in the word, all of which are set if the key is there.
    #[inline(always)]
    #[must_use]
    pub const fn bits(self) -> u64 {
        1 << (self.0 >> 40 & 63) | 1 << (self.0 >> 34 & 63)
    }
}

/// The length of the filter, as a power of two, for so many keys: two to four share a word, so that one key in a
/// hundred is found though it is not there.
#[must_use]
pub const fn bloom_log2(keys: u64) -> u32 {
    let words = (keys / 4).next_power_of_two();
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
pub const BLOOM_CROWDED: u64 = 8;

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
                let bits = key(*address).bits();
                words[key(*address).word(log2) as usize] & bits == bits
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
                assert!(others < keys as usize / 40, "{others} of {keys}");
            }
        }
    }

    #[test]
    fn its_length_follows_that_of_the_lists() {
        for (keys, log2) in [(0, 6), (128, 6), (1_000, 8), (10_000, 12), (1_000_000, 18)] {
            assert_eq!(bloom_log2(keys), log2, "{keys}");
        }
        assert_eq!(bloom_log2(u64::MAX / 2), 18);
    }
}
