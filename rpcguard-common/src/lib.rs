//! What both sides of the kernel boundary agree on.
//!
//! The decision core is pure and generic over [`packet::PacketReader`] (where the bytes come from)
//! and [`policy::Tables`] (where settings and prefixes come from). Compiled for BPF it *is* the
//! filter; compiled for the host it is an ordinary library that unit tests, property tests, Miri
//! and fuzzers run. Nothing here allocates, panics, or knows about maps and system calls.
//!
//! The way of one packet: [`parse::parse`] finds the transport header, [`policy::decide`] asks the
//! tables and returns an [`policy::Outcome`], whose [`reason::Reason`] says pass or drop. Most
//! packets do not go that far: [`glance::glance`] tells sooner.

#![no_std]

pub mod abi;
pub mod acquaintance;
pub mod crowd;
pub mod gcra;
pub mod glance;
pub mod hash;
pub mod limiter;
pub mod packet;
pub mod parse;
#[cfg(feature = "user")]
mod pod;
pub mod policy;
pub mod reason;
pub mod rpc;
pub mod sampling;
pub mod sightings;
