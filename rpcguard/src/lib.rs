//! Guards a portmapper in the kernel: attaches an XDP filter to network interfaces, and manages its
//! prefixes, settings and counters.

pub mod check;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod disable;
pub mod doctor;
mod end_signals;
pub mod error;
mod foreign_text;
pub mod guard;
pub mod list_file;
pub mod metrics;
pub mod object;
mod output;
pub mod policy;
pub mod portmapper;
pub mod prefix;
pub mod sockets;
mod sys;
mod top;
mod writers;

pub use error::{Error, Result};

/// The example in the README, so that it keeps compiling.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
