//! The map of guarded destinations.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use aya::maps::{Map, lpm_trie::Key};
use rpcguard_common::{
    abi::{DESTINATION_TAG_BITS, DestinationKey, MAX_DESTINATIONS, destination_key},
    policy::Address,
};

use super::trie;
use crate::{
    error::{Error, Result},
    prefix::Prefix,
};

/// What the trie holds for a prefix: whether it was asked for, or goes without saying.
const ASKED_FOR: u32 = 1;

/// What goes without saying: all hosts receive it (RFC 1122 section 3.2.1.3, RFC 4291 section 2.7).
const FOR_ALL: [&str; 3] = ["255.255.255.255/32", "224.0.0.0/4", "ff00::/8"];

/// Refuses more than there is room for.
pub(super) fn check(prefixes: &BTreeSet<Prefix>) -> Result<()> {
    match prefixes.len() {
        0 => Err(Error::NoDestination),
        count if count > MAX_DESTINATIONS as usize => Err(Error::TooManyDestinations(count)),
        _ => Ok(()),
    }
}

/// Writes one of the two sets, which no packet is looked up in.
pub(super) fn write(map: &mut Map, set: u8, prefixes: &BTreeSet<Prefix>) -> Result<()> {
    let old: Vec<_> = of_set(map, set)?.into_iter().map(|(key, _)| key).collect();
    trie::remove_keys::<_, u32>(map, &old)?;
    let for_all = FOR_ALL.iter().filter_map(|text| text.parse().ok());
    let mut new: BTreeMap<Prefix, u32> = for_all.map(|prefix| (prefix, 0)).collect();
    new.extend(prefixes.iter().map(|prefix| (*prefix, ASKED_FOR)));
    let new = new.into_iter();
    let new: Vec<_> = new
        .map(|(prefix, value)| (key(set, prefix), value))
        .collect();
    trie::write(map, &new)
}

/// The prefixes of a set that were asked for.
pub(super) fn read(map: &Map, set: u8) -> Result<BTreeSet<Prefix>> {
    let pairs = of_set(map, set)?.into_iter();
    let asked_for = pairs.filter(|(_, value)| *value == ASKED_FOR);
    Ok(asked_for.filter_map(|(key, _)| prefix(&key)).collect())
}

fn of_set(map: &Map, set: u8) -> Result<Vec<(Key<DestinationKey>, u32)>> {
    let mut pairs = trie::pairs(map)?;
    pairs.retain(|(key, _): &(Key<DestinationKey>, u32)| key.data()[0] == set);
    Ok(pairs)
}

fn key(set: u8, prefix: Prefix) -> Key<DestinationKey> {
    let address = match prefix.address() {
        IpAddr::V4(address) => Address::V4(address.octets()),
        IpAddr::V6(address) => Address::V6(address.octets()),
    };
    let length = DESTINATION_TAG_BITS + u32::from(prefix.length());
    Key::new(length, destination_key(set, address))
}

fn prefix(key: &Key<DestinationKey>) -> Option<Prefix> {
    let length = key.prefix_len().checked_sub(DESTINATION_TAG_BITS)?;
    let [_, family, _, _, address @ ..] = key.data();
    let address = match family {
        4 => IpAddr::from(*address.first_chunk::<4>()?),
        _ => IpAddr::from(address),
    };
    Prefix::new(address, u8::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_prefix() {
        for text in ["0.0.0.0/0", "192.0.2.7/32", "::/0", "2001:db8::7/128"] {
            let expected: Prefix = text.parse().unwrap();
            assert_eq!(prefix(&key(1, expected)), Some(expected));
        }
    }
}
