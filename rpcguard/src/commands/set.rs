//! `rpcguard set`

use std::collections::BTreeSet;

use super::{Exit, input::Switch};
use crate::{
    guard::{Change, Registry},
    output::{self, Format},
};

/// Change the settings of a guard, at once and without a gap.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rpcguard set eth0 --observe off
  rpcguard set eth0 --port 111 --port 32771")]
pub(super) struct Args {
    /// Network interface.
    #[arg(value_name = "IFACE")]
    interface: String,
    #[command(flatten)]
    settings: Settings,
    /// Print the state of the guard as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Settings {
    /// Count only, and let everything pass.
    #[arg(long, value_enum)]
    observe: Option<Switch>,
    /// Guard TCP to the same ports as well.
    #[arg(long, value_enum)]
    tcp: Option<Switch>,
    /// Guard this destination port, and only those given here [repeatable].
    #[arg(long, value_name = "N")]
    port: Vec<u16>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = Registry::new()?;
    let lock = registry.lock()?;
    let mut guard = registry.guard(&args.interface)?;
    let mut policy = guard.policy()?;
    if let Some(observe) = args.settings.observe {
        policy.observe = observe == Switch::On;
    }
    if let Some(tcp) = args.settings.tcp {
        policy.tcp = tcp == Switch::On;
    }
    if !args.settings.port.is_empty() {
        policy.ports = BTreeSet::from_iter(args.settings.port.iter().copied());
    }
    let mut change = Change::default();
    change.policy(policy);
    guard.commit(&lock, &change)?;
    let guards = [guard];
    match Format::of(args.json) {
        Format::Json => output::status::print_json(&guards, &[])?,
        Format::Text => output::status::print_lines(&guards)?,
    }
    Ok(Exit::Done)
}
