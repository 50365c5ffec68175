//! The table of packet cases, a file a theme.

mod calls;
mod captures;
mod destinations;
mod extensions;
mod ipv4;
mod ipv4_fragments;
mod ipv6;
mod ipv6_fragments;
mod jumbo;
mod layer3;
mod lengths;
mod ports;
mod procedures;
mod protocols;
mod rate;
mod sources;
mod switches;
mod tcp;
mod truncated;
mod vlan;

use crate::case::Case;

/// The whole table.
pub(crate) fn all() -> Vec<Case> {
    [
        vlan::cases(),
        ipv4::cases(),
        ipv4_fragments::cases(),
        ipv6::cases(),
        extensions::cases(),
        ipv6_fragments::cases(),
        tcp::cases(),
        ports::cases(),
        protocols::cases(),
        sources::cases(),
        destinations::cases(),
        switches::cases(),
        layer3::cases(),
        lengths::cases(),
        truncated::cases(),
        jumbo::cases(),
        captures::cases(),
        procedures::cases(),
        calls::cases(),
        rate::cases(),
    ]
    .concat()
}
