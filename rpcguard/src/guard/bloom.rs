//! Keeping the Bloom filter of long lists.

use std::{net::IpAddr, os::fd::AsFd as _, path::Path};

use aya::maps::MapData;
use rpcguard_common::abi::{BloomKey, map};

use super::pins;
use crate::{
    error::{Doing as _, Result},
    prefix::Prefix,
    sys::mapped::MappedArray,
};

/// The filter of a guard that has one, mapped into memory.
pub(super) struct Bloom {
    words: MappedArray,
    /// Of which power of two its length is.
    log2: u32,
    /// See [`State::seed`](rpcguard_common::abi::State::seed).
    seed: u64,
}

impl Bloom {
    /// The one that is pinned in a directory; `None` if the lists have always been short.
    pub(super) fn of(directory: &Path, seed: u64) -> Result<Option<Self>> {
        if !pins::is_full_size(directory, map::BLOOM)? {
            return Ok(None);
        }
        let path = directory.join(map::BLOOM);
        let failed = format!("open the pinned map {}", path.display());
        Self::new(&MapData::from_pin(&path).doing(failed)?, seed).map(Some)
    }

    /// That of a map that has its full size.
    pub(super) fn new(map: &MapData, seed: u64) -> Result<Self> {
        let failed = "map the filter of long lists";
        let length = map.info().doing(failed)?.max_entries();
        let bytes = length as usize * size_of::<u64>();
        Ok(Self {
            words: MappedArray::new(map.fd().as_fd(), bytes).doing(failed)?,
            log2: length.ilog2(),
            seed,
        })
    }

    /// Adds prefixes that are about to be written.
    pub(super) fn add(&self, prefixes: impl IntoIterator<Item = Prefix>) {
        for prefix in prefixes {
            for key in keys(prefix, self.seed) {
                self.words.set_bits(offset(key.word(self.log2)), key.bits());
            }
        }
    }

    /// Makes it that of `prefixes` and no others, which are all that there are.
    pub(super) fn renew(&self, prefixes: impl IntoIterator<Item = Prefix>) {
        let mut words = vec![0_u64; 1 << self.log2];
        for prefix in prefixes {
            for key in keys(prefix, self.seed) {
                words[key.word(self.log2) as usize] |= key.bits();
            }
        }
        for (word, bits) in (0..).zip(words) {
            self.words.store_u64(offset(word), bits);
        }
    }
}

const fn offset(word: u32) -> usize {
    word as usize * size_of::<u64>()
}

/// How many keys a prefix has.
pub(super) fn key_count(prefix: Prefix) -> u32 {
    let length = prefix.length();
    match prefix.address() {
        IpAddr::V4(_) if length <= BloomKey::SHORT_V4 => 0,
        IpAddr::V4(_) => 1 << BloomKey::V4.saturating_sub(length),
        IpAddr::V6(_) => (length >= BloomKey::V6).into(),
    }
}

/// The keys of a prefix.
fn keys(prefix: Prefix, seed: u64) -> impl Iterator<Item = BloomKey> {
    (0..key_count(prefix)).map(move |block| match prefix.address() {
        IpAddr::V4(address) if prefix.host().is_some() => {
            BloomKey::host_v4(address.to_bits(), seed)
        }
        IpAddr::V4(address) => BloomKey::block_v4(address.to_bits() | block << 8, seed),
        IpAddr::V6(address) => {
            let halves = [(address.to_bits() >> 64) as u64, address.to_bits() as u64];
            match prefix.length() {
                _ if prefix.host().is_some() => BloomKey::host_v6(halves, seed),
                BloomKey::V6_LONG.. => BloomKey::long_block_v6(halves[0], seed),
                _ => BloomKey::block_v6(halves[0], seed),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 7;

    /// Whether a source that is asked about finds a key of the prefix.
    fn finds(prefix: &str, source: &str) -> bool {
        let keys: Vec<_> = keys(prefix.parse().unwrap(), SEED).collect();
        let asked = match source.parse().unwrap() {
            IpAddr::V4(address) => {
                let address = address.to_bits();
                vec![
                    BloomKey::host_v4(address, SEED),
                    BloomKey::block_v4(address, SEED),
                ]
            }
            IpAddr::V6(address) => {
                let halves = [(address.to_bits() >> 64) as u64, address.to_bits() as u64];
                vec![
                    BloomKey::host_v6(halves, SEED),
                    BloomKey::long_block_v6(halves[0], SEED),
                    BloomKey::block_v6(halves[0], SEED),
                ]
            }
        };
        // What is asked of one source is all in one word.
        assert!(asked.iter().all(|key| key.word(18) == asked[0].word(18)));
        asked.iter().any(|key| keys.contains(key))
    }

    #[test]
    fn a_prefix_is_found_by_its_sources_and_seldom_by_others() {
        for (prefix, keys, within, beside) in [
            ("192.0.2.7", 1, "192.0.2.7", "192.0.2.8"),
            ("192.0.2.0/31", 1, "192.0.2.1", "192.0.3.1"),
            ("192.0.2.0/24", 1, "192.0.2.1", "192.0.1.255"),
            ("192.0.2.0/23", 2, "192.0.3.1", "192.0.4.1"),
            ("192.0.64.0/19", 32, "192.0.95.255", "192.0.96.0"),
            ("192.0.128.0/17", 128, "192.0.255.255", "192.1.0.0"),
            ("2001:db8:a::/48", 1, "2001:db8:a:ffff::1", "2001:db8:b::"),
            ("2001:db8:a::1", 1, "2001:db8:a::1", "2001:db8:a::2"),
            ("2001:db8:a::/127", 1, "2001:db8:a::2", "2001:db8:b::1"),
            ("2001:db8::/32", 1, "2001:db8:ffff::1", "2001:db9::1"),
            ("2001:db8:8000::/33", 1, "2001:db8:8001::1", "2001:db9::1"),
        ] {
            assert_eq!(key_count(prefix.parse().unwrap()), keys, "{prefix}");
            assert!(finds(prefix, within), "{within} in {prefix}");
            assert!(!finds(prefix, beside), "{beside} beside {prefix}");
        }
    }

    #[test]
    fn short_prefixes_have_no_keys() {
        for prefix in ["192.0.0.0/16", "0.0.0.0/0", "2001:db8::/31", "::/0"] {
            assert_eq!(key_count(prefix.parse().unwrap()), 0, "{prefix}");
        }
    }
}
