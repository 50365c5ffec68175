//! `rpcguard set`

use anyhow::Context as _;

use super::{
    Exit,
    input::{self, Switch},
};
use crate::{
    guard::{Change, Registry},
    output::{self, Format},
    policy::PolicyChange,
};

/// Change the settings of a guard, at once and without a gap.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rpcguard set eth0 --observe off
  rpcguard set eth0 --port 111 --port 32771")]
pub(super) struct Args {
    /// Network interface.
    #[arg(value_name = "IFACE", value_parser = input::interface_name)]
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
    #[arg(long, value_enum, value_name = "on|off", hide_possible_values = true)]
    observe: Option<Switch>,
    /// Guard TCP to the same ports as well.
    #[arg(long, value_enum, value_name = "on|off", hide_possible_values = true)]
    tcp: Option<Switch>,
    /// Guard this destination port instead of those that are guarded now [repeatable].
    #[arg(long, value_name = "N")]
    port: Vec<u16>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = Registry::new()?;
    let lock = registry.lock()?;
    let mut guard = registry.guard(&args.interface)?;
    let mut change = Change::default();
    change.policy(PolicyChange {
        ports: input::ports(&args.settings.port),
        tcp: args.settings.tcp.map(Switch::is_on),
        observe: args.settings.observe.map(Switch::is_on),
    });
    guard.commit(&lock, &change)?;
    let guards = [guard];
    match Format::of(args.json) {
        Format::Json => output::status::print_guards_json(&guards),
        Format::Text => output::status::print_lines(&guards),
    }
    .context(output::CHANGED)?;
    Ok(Exit::Done)
}
