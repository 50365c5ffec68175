//! `rpcguard report`

use super::{Exit, input};
use crate::{
    guard::Registry,
    output::{self, Format},
    portmapper::ReplySizes,
};

/// Show what was kept from the victims of reflection attacks, for a provider or an abuse desk.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
To tell how many bytes of replies did not leave this host, the portmapper is asked over loopback how
large its replies are. Where there is none, typical sizes are taken, and the report says so.")]
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
    let guards = input::guards(&registry, &args.interfaces)?;
    let sizes = ReplySizes::measure();
    match Format::of(args.json) {
        Format::Json => output::report::print_json(&guards, &sizes)?,
        Format::Text => output::report::print_text(&guards, &sizes)?,
    }
    Ok(Exit::Done)
}
