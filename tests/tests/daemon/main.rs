//! The daemon and its configuration.

mod configuration;
mod flood;
mod hands;
mod harness;
mod interfaces;
mod life;
mod metrics;
mod refusals;
mod reload;
mod service;
mod trouble;
