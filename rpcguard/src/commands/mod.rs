//! The subcommands, one file each: its arguments, and what it does.

mod adopt;
mod attach;
mod check;
mod completions;
mod config;
mod confirm;
mod confirmation;
mod detach;
mod disable;
mod doctor;
mod events;
mod exit;
mod follow_log;
mod input;
mod list_args;
mod lists;
mod man;
mod metrics;
mod nfs_servers;
mod rate_args;
mod report;
mod run;
mod set;
mod status;
mod top;

pub use exit::Exit;

use clap::{ArgAction, Parser, Subcommand};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::guard::Verdict;

/// Behind the options of the subcommands.
const LAST: usize = 900;

/// Guards a portmapper (rpcbind, UDP port 111) in the kernel: an XDP program on the network
/// interface drops packets to it that are not from allowed addresses, before the network stack sees
/// them.
///
/// The filter stays in force when this command ends, until `detach` or a reboot.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
#[command(after_help = "\
Exit status: 0 done; 1 failed, and nothing was changed (but by `disable`, which says what it has done);
2 wrong usage; 3 `check` found exposure.

Privileges: root, or CAP_BPF and CAP_NET_ADMIN; to load the program (attach, the first --rate of a guard)
also CAP_PERFMON.

Environment:
  RPCGUARD_BPFFS  where a BPF file system is mounted, instead of /sys/fs/bpf
  RUST_LOG        what to log to standard error: error, warn, info, debug or trace")]
pub struct Cli {
    /// Say more about what is done (-vv: much more).
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = LAST)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Attach(attach::Args),
    Confirm(confirm::Args),
    Detach(detach::Args),
    Status(status::Args),
    /// Show and change the allow list: the prefixes whose packets pass.
    #[command(
        subcommand,
        after_help = "\
Examples:
  rpcguard allow add 192.0.2.7 2001:db8::/32
  rpcguard allow replace nfs-clients.txt -i eth0
  rpcguard allow test 192.0.2.7"
    )]
    Allow(lists::Command),
    /// Show and change the deny list: parts of allowed prefixes whose packets are dropped.
    #[command(
        subcommand,
        after_help = "\
Examples:
  rpcguard allow add 192.0.2.0/24
  rpcguard deny add 192.0.2.7         # not this one of them"
    )]
    Deny(lists::Command),
    Set(set::Args),
    Top(top::Args),
    Events(events::Args),
    Report(report::Args),
    Metrics(metrics::Args),
    Check(check::Args),
    Disable(disable::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
    Run(run::Args),
    /// Check the daemon's configuration, or write one that describes what is attached.
    #[command(subcommand)]
    Config(config::Command),
    Adopt(adopt::Args),
}

impl Cli {
    /// What `RUST_LOG` defaults to.
    #[must_use]
    pub fn log_filter(&self) -> &'static str {
        match self.verbose {
            0 if matches!(self.command, Command::Run(_)) => "info",
            0 => "warn",
            1 => "info,rpcguard=debug",
            _ => "trace",
        }
    }

    /// Runs the command.
    ///
    /// # Errors
    ///
    /// Whatever stood in its way; a [`crate::Error`] or an error of standard output.
    pub fn run(self) -> anyhow::Result<Exit> {
        lift_descriptor_limit();
        match self.command {
            Command::Attach(args) => attach::run(&args),
            Command::Confirm(args) => confirm::run(&args),
            Command::Detach(args) => detach::run(&args),
            Command::Status(args) => status::run(&args),
            Command::Allow(command) => lists::run(command, Verdict::Allow),
            Command::Deny(command) => lists::run(command, Verdict::Deny),
            Command::Set(args) => set::run(&args),
            Command::Top(args) => top::run(&args),
            Command::Events(args) => events::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Metrics(args) => metrics::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Disable(args) => disable::run(&args),
            Command::Doctor(args) => doctor::run(&args),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
            Command::Run(args) => run::run(&args),
            Command::Config(command) => config::run(command),
            Command::Adopt(args) => adopt::run(&args),
        }
    }
}

/// A guard is a dozen of descriptors, and a host with guests has hundreds of guards.
fn lift_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        log::debug!("RLIMIT_NOFILE stays as it is: {error}");
    }
}
