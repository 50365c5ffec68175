//! Packet shapes: frames written down as the headers they consist of.
//!
//! ```
//! use rpcguard_tests::packet::{Frame, numbers::DOT1Q, peers::STRANGER_V4};
//!
//! let frame = Frame::ethernet().vlan(DOT1Q, 0).ipv4(STRANGER_V4).udp(111).build();
//! assert_eq!(frame.len(), 14 + 4 + 20 + 8);
//! ```
//!
//! Nothing here shares a constant with the parser that it is to test: numbers and layouts are
//! written out again from the standards.

pub(crate) mod checksum;
mod frame;
pub mod numbers;
pub mod peers;
pub mod rpc;
mod setup;

pub use frame::Frame;
pub use setup::{Setup, prefixes};
