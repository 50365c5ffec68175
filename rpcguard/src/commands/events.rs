//! `rpcguard events`

use std::time::Duration;

use super::{
    Exit,
    input::{self, note},
};
use crate::{
    guard::{Events, Registry},
    output::{self, Format},
};

/// How often to look whether the guards are still there.
const INTERVAL: Duration = Duration::from_secs(1);

/// Show drops as they happen, until Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rpcguard events eth0
  rpcguard events --json --count 100

Of a few drops a second, each is shown. Of a flood it is a sample, some hundreds a second at most for each
CPU, and each line says how many were skipped since the one before. One process at a time can follow
an interface.")]
pub(super) struct Args {
    /// Network interfaces [default: all that are guarded].
    #[arg(value_name = "IFACE", value_parser = input::interface_name)]
    interfaces: Vec<String>,
    /// Print each event as a JSON object on a line of its own.
    #[arg(long)]
    json: bool,
    /// End after so many events.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = Registry::new()?;
    let guards = input::guards(&registry, &args.interfaces)?;
    let mut following = Events::follow(&guards)?;
    drop(guards);
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut events = Vec::new();
    while left > 0 {
        following.read(INTERVAL, &mut events)?;
        events.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        match Format::of(args.json) {
            Format::Json => output::events::print_json(&events)?,
            Format::Text => output::events::print_text(&events)?,
        }
        left -= events.len() as u64;
        events.clear();
        for interface in following.leave_detached() {
            note(&format!("{interface} is no longer guarded"));
        }
        if following.is_over() {
            break;
        }
    }
    Ok(Exit::Done)
}
