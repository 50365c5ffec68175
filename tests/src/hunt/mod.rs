//! A hunt for frames that the filter judges wrongly, with Linux as the oracle.
//!
//! Two hosts are twins in everything: addresses, sockets, kernel settings. The filter only
//! observes on one of them, and enforces on the other. Both are sent the same frames, made from a
//! [`grammar`] of what headers can be, and often spoilt afterwards. What their sockets receive is
//! compared:
//!
//! - a **bypass** is anything from a source outside the allowed prefixes that reached a guarded
//!   port of the enforcing twin;
//! - a **harm** is anything else that reached the observing twin and not the enforcing one.
//!
//! Nobody needs to know what a frame means for that: whoever wrote the grammar can be wrong about
//! it, and so can the parser, but Linux itself says what it delivers.

pub mod deliveries;
pub mod fixture;
pub mod grammar;
pub mod hunter;
pub mod judge;
pub mod shot;
pub mod terrain;
pub mod twin;
mod wire;
