//! `rpcguard status`

use super::{Exit, input};
use crate::{
    guard::{Entry, Registry},
    output::{self, Format},
};

/// Show what is guarded, and what the filter has counted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Network interfaces [default: all that are guarded].
    #[arg(value_name = "IFACE", value_parser = input::interface_name)]
    interfaces: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = Registry::new()?;
    let entries = if args.interfaces.is_empty() {
        registry.entries()?
    } else {
        let guards = input::guards(&registry, &args.interfaces)?;
        let entries = guards.into_iter().map(Box::new).map(Entry::Guard);
        entries.collect()
    };
    match Format::of(args.json) {
        Format::Json => output::status::print_json(&entries)?,
        Format::Text => output::status::print_text(&entries)?,
    }
    Ok(Exit::Done)
}
