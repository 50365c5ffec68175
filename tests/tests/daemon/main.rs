//! The daemon and its configuration.

mod configuration;
