//! Keeping [`State::vacant_v4`] and its like: where there is no prefix to look for.

use std::net::IpAddr;

use rpcguard_common::abi::{BloomKey, State, VacantBlocks};

use crate::prefix::Prefix;

/// Occupies the blocks of a prefix that is about to be written.
pub(super) fn occupy(state: &mut State, prefix: Prefix) {
    match prefix.address() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            state.vacant_v4.occupy([first, second], prefix.length());
            if prefix.length() <= BloomKey::SHORT_V4 {
                let short = &mut state.vacant_of_short_v4;
                short.occupy([first, second], prefix.length());
            }
        }
        IpAddr::V6(address) => {
            let [first, second, ..] = address.octets();
            state.vacant_v6.occupy([first, second], prefix.length());
            if prefix.length() < BloomKey::V6 {
                let short = &mut state.vacant_of_short_v6;
                short.occupy([first, second], prefix.length());
            }
        }
    }
}

/// Vacates every block that none of `prefixes` touches, which are all that are in the tries.
pub(super) fn vacate_all_but(state: &mut State, prefixes: impl IntoIterator<Item = Prefix>) {
    state.vacant_v4 = VacantBlocks::ALL;
    state.vacant_v6 = VacantBlocks::ALL;
    state.vacant_of_short_v4 = VacantBlocks::ALL;
    state.vacant_of_short_v6 = VacantBlocks::ALL;
    for prefix in prefixes {
        occupy(state, prefix);
    }
}

/// Whether it pays to read all of `total` prefixes, because `removed` are gone. Blocks that are
/// occupied for nothing only cost a lookup each.
pub(super) const fn is_worth_renewing(removed: usize, total: u64) -> bool {
    const CHEAP: u64 = 4096;
    removed != 0 && total <= CHEAP + 16 * removed as u64
}
