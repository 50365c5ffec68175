//! Metrics: that they say what `status` says, that Prometheus reads them, and that nobody who scrapes can
//! do harm.

mod command;
mod exposition;
mod hostile;
mod http;
mod promtool;
mod server;
mod states;
mod status;
