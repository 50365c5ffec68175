//! `rpcguard run`

use std::path::PathBuf;

use super::Exit;
use crate::{config, daemon};

/// Keep interfaces guarded as a configuration says, also those that appear later, until a signal ends it.
///
/// The filters are in the kernel and do not depend on it: when it is killed, they stay in force, and when it is
/// started again, it takes them on. SIGHUP, or a change of the file or of a list file that it names, has it
/// read them again; if anything in them is wrong, the former configuration stays in force.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Signals: SIGHUP reloads; SIGTERM and SIGINT end it, the guards staying unless the file says
`on_stop = \"detach\"`.

Example, of a configuration:
  metrics_listen = \"127.0.0.1:9811\"

  [[guard]]
  interfaces = [\"eth*\", \"!eth9\"]       # names and patterns, `!` for exceptions
  allow = [\"192.168.1.0/24\"]
  allow_files = [\"clients.txt\"]        # beside this file
  rate = \"5/s\"                         # and whatever else `attach` takes

`rpcguard config check` tells whether one is good; `rpcguard config show` writes one.")]
pub(super) struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value_os_t = config::default_path())]
    config: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    daemon::run(&args.config)?;
    Ok(Exit::Done)
}
