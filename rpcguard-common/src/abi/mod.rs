//! What is kept in the kernel: map names, and the types of their keys and values.
//!
//! # How a change becomes visible all at once
//!
//! [`State::epoch`] numbers the changes. Everything that a change touches is stored twice, as it
//! was and as it will be: settings in [`State::settings`] under the epoch's lowest bit, prefixes as
//! [`PrefixEntry::before`] and [`PrefixEntry::after`]. Userspace first writes the new side under
//! the next epoch, where no packet looks; storing that epoch is then the one instant in which all
//! of it takes effect. What is interrupted before that instant never happened, and what comes after
//! it is only tidying up.

mod bloom;
mod counters;
mod destinations;
mod ends;
mod event;
mod hosts;
mod limiter;
mod prefixes;
mod sources;
mod state;

pub use bloom::*;
pub use counters::*;
pub use destinations::*;
pub use ends::*;
pub use event::*;
pub use hosts::*;
pub use limiter::*;
pub use prefixes::*;
pub use sources::*;
pub use state::*;

/// Version of everything in this module. Raised whenever a layout, name or meaning changes.
pub const ABI_VERSION: u32 = 5;

/// Names of the maps in the BPF object.
pub mod map {
    /// Array with one element, a [`State`](super::State); mappable into userspace. In the object it is a
    /// global variable, and its map has the name of the [section](STATE_SECTION) that it is all of.
    pub const STATE: &str = "STATE";
    /// See [`STATE`].
    pub const STATE_SECTION: &str = ".bss";
    /// Per-CPU array with one element, [`Counters`](super::Counters).
    pub const COUNTERS: &str = "COUNTERS";
    /// LPM trie from IPv4 prefixes to [`PrefixEntry`](super::PrefixEntry).
    pub const PREFIXES_V4: &str = "PREFIXES_V4";
    /// LPM trie from IPv6 prefixes to [`PrefixEntry`](super::PrefixEntry).
    pub const PREFIXES_V6: &str = "PREFIXES_V6";
    /// Array of [`Counter`](super::Counter), indexed by [`hits_index`](super::hits_index).
    pub const HITS: &str = "HITS";
    /// Array of [`SourceSet`](super::SourceSet), indexed by
    /// [`sources_index`](super::sources_index).
    pub const SOURCES: &str = "SOURCES";
    /// Array of [`Cell`](super::Cell): the limits that admitted packets are charged to. One element
    /// where no rate policy was ever in force.
    pub const LIMITS: &str = "LIMITS";
    /// Array of `u64`: three tables of [`sightings`](crate::sightings). One element where no rate policy
    /// was ever in force.
    pub const SIGHTINGS: &str = "SIGHTINGS";
    /// Array of `u64`: the acquaintances, then what they offer, then calls. One element where no rate policy was ever in force.
    pub const STANDINGS: &str = "STANDINGS";
    /// Array of `u64`, of a power of two, mappable into userspace: the Bloom filter of
    /// [`BloomKey`](super::BloomKey)s. One element where no list was ever long.
    pub const BLOOM: &str = "BLOOM";
    /// Array of [`HostsV4`](super::HostsV4), of a power of two, mappable into userspace. One element where no
    /// list was ever long, and nothing in it.
    pub const HOSTS_V4: &str = "HOSTS_V4";
    /// Array of [`HostsV6`](super::HostsV6), as [`HOSTS_V4`].
    pub const HOSTS_V6: &str = "HOSTS_V6";
    /// Array of [`End`](super::End), mappable into userspace.
    pub const ENDS: &str = "ENDS";
    /// LPM trie from [`DestinationKey`](super::DestinationKey) to a `u32` that is not read.
    pub const DESTINATIONS: &str = "DESTINATIONS";
    /// Ring buffer of [`Event`](super::Event).
    pub const EVENTS: &str = "EVENTS";
}

/// Names of the programs in the BPF object.
pub mod program {
    /// For frames in one buffer (section `xdp`).
    pub const LINEAR: &str = "rpcguard";
    /// For frames in several buffers, as under a jumbo MTU (section `xdp.frags`, kernel 5.18).
    pub const FRAGS: &str = "rpcguard_frags";
}

/// Names of the constants that the loader sets before the program is verified.
pub mod constant {
    /// `u8`: 1 where frames begin with an Ethernet header, 0 where they begin with the IP header.
    pub const ETHERNET: &str = "ETHERNET";
    /// `u8`: 1 where the maps of the rate policy have their full size.
    pub const LIMITER: &str = "LIMITER";
    /// `u8`: 1 where there are the Bloom filter and the tables of hosts that long lists need.
    pub const LONG: &str = "LONG";
    /// `u32`: of which power of two the length of [`map::BLOOM`](super::map::BLOOM) is.
    pub const BLOOM_LOG2: &str = "BLOOM_LOG2";
    /// `u32`: the length of [`map::HOSTS_V4`](super::map::HOSTS_V4), less one.
    pub const HOSTS_V4_MASK: &str = "HOSTS_V4_MASK";
    /// `u32`: the length of [`map::HOSTS_V6`](super::map::HOSTS_V6), less one.
    pub const HOSTS_V6_MASK: &str = "HOSTS_V6_MASK";
    /// `u8`: 1 where decisions are logged, in objects with aya-log.
    pub const LOG: &str = "LOG";
    /// `u64`: what hashes are seeded with.
    pub const SEED: &str = "SEED";
}
