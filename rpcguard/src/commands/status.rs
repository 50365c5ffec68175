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
    #[arg(value_name = "IFACE")]
    interfaces: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = Registry::new()?;
    let mut guards = Vec::new();
    let mut others = Vec::new();
    if args.interfaces.is_empty() {
        for entry in registry.entries()? {
            match entry {
                Entry::Guard(guard) => guards.push(*guard),
                other => others.push(other),
            }
        }
    } else {
        guards = input::guards(&registry, &args.interfaces)?;
    }
    match Format::of(args.json) {
        Format::Json => output::status::print_json(&guards, &others)?,
        Format::Text => output::status::print_text(&guards, &others)?,
    }
    Ok(Exit::Done)
}
