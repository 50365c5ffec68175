//! The destinations that are guarded, where not all are.
//!
//! Two sets of them are in one trie, so that a change writes the one that is not in force.

use crate::policy::Address;

/// How many prefixes of destinations a guard can have.
pub const MAX_DESTINATIONS: u32 = 4096;

/// Capacity of the trie: two sets, and in each what is always in it.
pub const DESTINATIONS_CAPACITY: u32 = 2 * (MAX_DESTINATIONS + 8);

/// How many bits of a key come before the address.
pub const DESTINATION_TAG_BITS: u32 = 32;

/// The set and the family, and then the address, in wire order; what is left is zero.
pub type DestinationKey = [u8; 20];

/// The key of an address.
#[inline(always)]
#[must_use]
pub const fn destination_key(set: u8, address: Address) -> DestinationKey {
    let mut key = [0; 20];
    key[0] = set;
    match address {
        Address::V4([a, b, c, d]) => {
            key[1] = 4;
            [key[4], key[5], key[6], key[7]] = [a, b, c, d];
        }
        Address::V6(address) => {
            key[1] = 6;
            let mut at = 0;
            while at < 16 {
                key[4 + at] = address[at];
                at += 1;
            }
        }
    }
    key
}
