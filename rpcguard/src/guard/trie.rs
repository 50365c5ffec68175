//! The two prefix tries, v4 and v6, behind one face.

use std::{net::IpAddr, os::fd::AsFd as _};

use aya::{
    Pod,
    maps::{LpmTrie, Map, MapData, MapError, lpm_trie::Key},
};
use rpcguard_common::abi::{Decision, PrefixEntry};

use super::plan::Before;
use crate::{
    error::{Doing as _, Error, Result},
    prefix::Prefix,
    sys::bpf,
};

/// Both tries of a guard.
pub(super) struct Tries {
    v4: Map,
    v6: Map,
}

impl Tries {
    pub(super) const fn new(v4: Map, v6: Map) -> Self {
        Self { v4, v6 }
    }

    /// The entry of the longest prefix that covers `prefix`; `prefix` itself counts.
    pub(super) fn longest(&self, prefix: Prefix) -> Result<Option<PrefixEntry>> {
        match prefix.address() {
            IpAddr::V4(address) => longest(&self.v4, prefix.length(), address.octets()),
            IpAddr::V6(address) => longest(&self.v6, prefix.length(), address.octets()),
        }
    }

    /// Whether this very prefix is here.
    pub(super) fn contains(&self, prefix: Prefix) -> Result<bool> {
        let longest = self.longest(prefix)?;
        Ok(longest.is_some_and(|entry| entry.length == u32::from(prefix.length())))
    }

    /// What is said under `epoch` about a prefix whose [longest](Self::longest) entry is known.
    pub(super) fn before(
        &self,
        prefix: Prefix,
        longest: Option<PrefixEntry>,
        epoch: u32,
    ) -> Result<Before> {
        let is_own = |entry: &PrefixEntry| entry.length == u32::from(prefix.length());
        let Some(own) = longest.filter(is_own) else {
            return Ok(Before::new(Decision::UNLISTED, parent(longest, epoch)));
        };
        let shorter = prefix.length().checked_sub(1);
        let shorter = shorter.and_then(|length| Prefix::new(prefix.address(), length));
        let above = match shorter {
            Some(shorter) => self.longest(shorter)?,
            None => None,
        };
        Ok(Before::new(own.at(epoch), parent(above, epoch)))
    }

    /// Everything in both tries, in no particular order. Some of it appears twice if entries are
    /// removed meanwhile: where the kernel does not find its place again, it starts anew.
    pub(super) fn entries(&self) -> Result<Vec<(Prefix, PrefixEntry)>> {
        let mut all = entries::<[u8; 4]>(&self.v4)?;
        all.append(&mut entries::<[u8; 16]>(&self.v6)?);
        Ok(all)
    }

    /// Inserts or replaces entries.
    pub(super) fn write(&mut self, entries: &[(Prefix, PrefixEntry)]) -> Result<()> {
        write_both(&mut self.v4, &mut self.v6, entries)
    }

    /// Removes prefixes, all of which must be there.
    pub(super) fn remove(&mut self, prefixes: &[Prefix]) -> Result<()> {
        let (v4, v6) = split(prefixes.iter().map(|prefix| (*prefix, ())));
        remove(&mut self.v4, &v4)?;
        remove(&mut self.v6, &v6)
    }
}

/// Inserts or replaces entries in maps that belong to no [`Tries`] yet.
pub(super) fn write_both(
    v4: &mut Map,
    v6: &mut Map,
    entries: &[(Prefix, PrefixEntry)],
) -> Result<()> {
    for entries in entries.chunks(bpf::BATCH) {
        let (v4_pairs, v6_pairs) = split(entries.iter().copied());
        write(v4, &v4_pairs)?;
        write(v6, &v6_pairs)?;
    }
    Ok(())
}

fn parent(entry: Option<PrefixEntry>, epoch: u32) -> Option<(u8, Decision)> {
    let entry = entry?;
    Some((u8::try_from(entry.length).ok()?, entry.at(epoch)))
}

type Keyed<A, T> = Vec<(Key<A>, T)>;

/// Prefixes by family, as keys.
fn split<T>(items: impl Iterator<Item = (Prefix, T)>) -> (Keyed<[u8; 4], T>, Keyed<[u8; 16], T>) {
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for (prefix, item) in items {
        let length = prefix.length().into();
        match prefix.address() {
            IpAddr::V4(address) => v4.push((Key::new(length, address.octets()), item)),
            IpAddr::V6(address) => v6.push((Key::new(length, address.octets()), item)),
        }
    }
    (v4, v6)
}

const READ: &str = "read the prefixes";
const WRITE: &str = "write the prefixes";

fn data(map: &Map) -> Result<&MapData> {
    match map {
        Map::LpmTrie(data) => Ok(data),
        _ => Err(Error::Kernel(
            "the pinned prefix map is no LPM trie".to_owned(),
        )),
    }
}

fn longest<A: Pod>(map: &Map, length: u8, address: A) -> Result<Option<PrefixEntry>> {
    let trie: LpmTrie<_, A, PrefixEntry> = map.try_into().doing(READ)?;
    match trie.get(&Key::new(length.into(), address), 0) {
        Ok(entry) => Ok(Some(entry)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(error) => Err(error).doing(READ),
    }
}

fn entries<A: Pod>(map: &Map) -> Result<Vec<(Prefix, PrefixEntry)>>
where
    IpAddr: From<A>,
{
    Ok(pairs(map)?
        .into_iter()
        .filter_map(|(key, entry): (Key<A>, PrefixEntry)| {
            let length = u8::try_from(key.prefix_len()).ok()?;
            // The value of one that was removed meanwhile is that of its longest ancestor.
            (entry.length == key.prefix_len()).then_some(())?;
            Some((Prefix::new(IpAddr::from(key.data()), length)?, entry))
        })
        .collect())
}

fn remove<A: Pod>(map: &mut Map, pairs: &[(Key<A>, ())]) -> Result<()> {
    let keys: Vec<Key<A>> = pairs.iter().map(|(key, ())| *key).collect();
    remove_keys::<A, PrefixEntry>(map, &keys)
}

/// All that is in a trie.
pub(super) fn pairs<A: Pod, V: Pod>(map: &Map) -> Result<Vec<(Key<A>, V)>> {
    if let Some(pairs) = bpf::lookup_batch(data(map)?.fd().as_fd()).doing(READ)? {
        return Ok(pairs);
    }
    let trie: LpmTrie<_, A, V> = map.try_into().doing(READ)?;
    let pairs: std::result::Result<_, _> = trie.iter().collect();
    pairs.doing(READ)
}

/// Inserts or replaces what a trie holds for keys.
pub(super) fn write<A: Pod, V: Pod>(map: &mut Map, pairs: &[(Key<A>, V)]) -> Result<()> {
    if bpf::update_batch(data(map)?.fd().as_fd(), pairs).doing(WRITE)? {
        return Ok(());
    }
    let mut trie: LpmTrie<_, A, V> = map.try_into().doing(WRITE)?;
    for (key, value) in pairs {
        trie.insert(key, value, 0).doing(WRITE)?;
    }
    Ok(())
}

/// Removes keys, all of which must be in the trie.
pub(super) fn remove_keys<A: Pod, V: Pod>(map: &mut Map, keys: &[Key<A>]) -> Result<()> {
    if bpf::delete_batch(data(map)?.fd().as_fd(), keys).doing(WRITE)? {
        return Ok(());
    }
    let mut trie: LpmTrie<_, A, V> = map.try_into().doing(WRITE)?;
    for key in keys {
        trie.remove(key).doing(WRITE)?;
    }
    Ok(())
}
