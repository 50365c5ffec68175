//! Metrics: that they say what `status` says, that Prometheus reads them, and that nobody who scrapes can
//! do harm.

mod command;
mod dashboard;
mod exposition;
mod hostile;
mod http;
mod prometheus;
mod promtool;
mod rules;
mod server;
mod states;
mod status;
