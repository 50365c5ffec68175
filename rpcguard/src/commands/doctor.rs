//! `rpcguard doctor`

use super::{Exit, input};
use crate::{
    doctor::{self, Verdict},
    guard::Registry,
    output::{self, Format},
};

/// Tell whether an interface can be guarded, and how, before anything is attached; changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status: 0 it can be guarded, or is; 1 it cannot, as things are; 2 wrong usage.

What is shown: driver, queues, MTU, offloads that matter, what the interface is part of, XDP programs
on it, the kernel, the BPF file system, privileges. What keeps it from native mode comes with the
command that changes that, and with what it costs; then a verdict, and the command to type next.")]
pub(super) struct Args {
    /// The network interface.
    #[arg(value_name = "IFACE", value_parser = input::interface_name)]
    interface: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let diagnosis = doctor::examine(&Registry::new()?, &args.interface)?;
    output::doctor::print(&diagnosis, Format::of(args.json))?;
    Ok(match diagnosis.verdict {
        Verdict::Refused => Exit::Failed,
        Verdict::Guarded | Verdict::Native | Verdict::Either | Verdict::Generic => Exit::Done,
    })
}
