//! `rpcguard metrics`

use std::path::PathBuf;

use super::Exit;
use crate::{guard::Registry, metrics, output, portmapper::Heard};

/// Print what the filter has counted, and how it is set, in Prometheus' text format.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rpcguard metrics | grep unlisted
  rpcguard metrics --output /var/lib/prometheus/node-exporter/rpcguard.prom   # from a timer")]
pub(super) struct Args {
    /// Write to a file instead, which is replaced as a whole: for node_exporter's textfile collector,
    /// which reads files whose names end in `.prom`.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let text = metrics::render(&Registry::new()?, &mut Heard::default())?;
    if let Some(path) = &args.output {
        metrics::write_file(path, &text)?;
    } else {
        output::bytes(text.as_bytes())?;
    }
    Ok(Exit::Done)
}
