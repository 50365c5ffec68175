//! Keeping the map of [`FineBlock`]s: where there is no prefix to look for, of long lists.

use std::{net::IpAddr, os::fd::AsFd as _, path::Path};

use aya::maps::MapData;
use rpcguard_common::abi::{BLOCKS_LEN, FineBlock, map};

use super::pins;
use crate::{
    error::{Doing as _, Result},
    prefix::Prefix,
    sys::mapped::MappedArray,
};

/// The map of a guard that has it in full size, mapped into memory.
pub(super) struct FineBlocks {
    words: MappedArray,
    /// See [`State::seed`](rpcguard_common::abi::State::seed).
    seed: u64,
}

impl FineBlocks {
    /// Those that are pinned in a directory; `None` if the lists have always been short.
    pub(super) fn of(directory: &Path, seed: u64) -> Result<Option<Self>> {
        if !pins::is_full_size(directory, map::BLOCKS)? {
            return Ok(None);
        }
        let path = directory.join(map::BLOCKS);
        let failed = format!("open the pinned map {}", path.display());
        Self::new(&MapData::from_pin(&path).doing(failed)?, seed).map(Some)
    }

    /// Those of a map that has its full size.
    pub(super) fn new(map: &MapData, seed: u64) -> Result<Self> {
        let bytes = BLOCKS_LEN as usize * size_of::<u64>();
        let words =
            MappedArray::new(map.fd().as_fd(), bytes).doing("map the blocks of prefixes")?;
        Ok(Self { words, seed })
    }

    /// Notes the blocks of prefixes that are about to be written.
    pub(super) fn occupy(&self, prefixes: impl IntoIterator<Item = Prefix>) {
        for prefix in prefixes {
            touch(prefix, self.seed, |word, bits| {
                self.words.set_bits(offset(word), bits);
            });
        }
    }

    /// Notes that `prefixes` are all that there are.
    pub(super) fn renew(&self, prefixes: impl IntoIterator<Item = Prefix>) {
        let mut words = vec![0_u64; BLOCKS_LEN as usize];
        for prefix in prefixes {
            touch(prefix, self.seed, |word, bits| words[word as usize] |= bits);
        }
        for (word, bits) in (0..).zip(words) {
            self.words.store_u64(offset(word), bits);
        }
    }
}

const fn offset(word: u32) -> usize {
    word as usize * size_of::<u64>()
}

/// Calls `set` with bits of words, which together are those of the blocks that a prefix touches. Of IPv6
/// prefixes that are too short, there are none.
fn touch(prefix: Prefix, seed: u64, mut set: impl FnMut(u32, u64)) {
    match prefix.address() {
        IpAddr::V4(address) => {
            let first = FineBlock::v4(address.to_bits());
            let blocks = 1_u32 << FineBlock::LENGTH_V4.saturating_sub(prefix.length());
            if blocks < 64 {
                // Prefixes are aligned: all bits are in one word.
                set(first.word, first.bit * ((1 << blocks) - 1));
            } else {
                (0..blocks / 64).for_each(|word| set(first.word + word, u64::MAX));
            }
        }
        IpAddr::V6(address) => {
            if prefix.length() >= FineBlock::LENGTH_V6 {
                let high = (address.to_bits() >> 64) as u64;
                let block = FineBlock::v6(high, seed);
                set(block.word, block.bit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::IpAddr};

    use rpcguard_common::abi::{BLOCKS_LEN, FineBlock};

    use super::touch;
    use crate::prefix::Prefix;

    const SEED: u64 = 7;

    fn touched(prefix: &str) -> BTreeMap<u32, u64> {
        let mut words = BTreeMap::new();
        let prefix: Prefix = prefix.parse().unwrap();
        touch(prefix, SEED, |word, bits| {
            *words.entry(word).or_default() |= bits;
        });
        assert!(words.keys().all(|word| *word < BLOCKS_LEN));
        words
    }

    fn block(address: &str) -> FineBlock {
        match address.parse().unwrap() {
            IpAddr::V4(address) => FineBlock::v4(address.to_bits()),
            IpAddr::V6(address) => FineBlock::v6((address.to_bits() >> 64) as u64, SEED),
        }
    }

    #[test]
    fn a_prefix_touches_the_blocks_of_its_addresses_and_no_others() {
        for (prefix, blocks, within, beside) in [
            ("192.0.2.7", 1, "192.0.2.255", "192.0.3.7"),
            ("192.0.2.0/24", 1, "192.0.2.1", "192.0.1.255"),
            ("192.0.2.0/23", 2, "192.0.3.1", "192.0.4.1"),
            ("192.0.64.0/19", 32, "192.0.95.255", "192.0.96.0"),
            ("192.0.64.0/18", 64, "192.0.127.255", "192.0.128.0"),
            ("192.0.0.0/15", 512, "192.1.255.255", "192.2.0.0"),
            ("0.0.0.0/1", 1 << 23, "127.255.255.255", "128.0.0.0"),
            ("2001:db8:a::/48", 1, "2001:db8:a:ffff::1", "2001:db8:b::"),
            ("2001:db8:a::1", 1, "2001:db8:a::2", "2001:db9:a::1"),
        ] {
            let words = touched(prefix);
            let count: u32 = words.values().map(|bits| bits.count_ones()).sum();
            assert_eq!(count, blocks, "{prefix}");
            let is_touched = |block: FineBlock| {
                let bits = words.get(&block.word).copied().unwrap_or_default();
                bits & block.bit != 0
            };
            assert!(is_touched(block(within)), "{within} in {prefix}");
            assert!(!is_touched(block(beside)), "{beside} beside {prefix}");
        }
        let all = touched("0.0.0.0/0");
        assert!(all.len() == 1 << 18 && all.values().all(|bits| *bits == u64::MAX));
    }

    #[test]
    fn short_prefixes_of_ipv6_touch_none() {
        assert_eq!(touched("2001:db8::/47"), BTreeMap::new());
        assert_eq!(touched("::/0"), BTreeMap::new());
    }
}
