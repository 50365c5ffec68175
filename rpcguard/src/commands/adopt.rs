//! `rpcguard adopt`

use super::{
    Exit,
    input::{self, PrefixArg},
    list_args::ListArgs,
};
use crate::{
    error::Error,
    guard::{self, Attach, Registry},
    output::{self, Format},
    policy::{NoRatePolicy, Policy, PolicyChange},
};

/// Guard an interface with a program of rpcguard's that another loader has attached, beside other XDP programs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask build-ebpf
  xdp-loader load -m native -n rpcguard eth0 target/bpf/rpcguard.bpf.o
  rpcguard adopt eth0 --allow 192.168.1.0/24
  xdp-loader unload --all eth0        # takes it off again, with whatever is beside it

Until it is adopted, the program lets everything pass. Then status, allow, deny, set, top, events,
report and detach work as ever, but for rate policies, and single addresses of long lists take longer
to be found. detach lets everything pass again; the program stays until its loader unloads it.

It takes CAP_SYS_ADMIN: the program's maps belong to another process.")]
pub(super) struct Args {
    /// The network interface.
    #[arg(value_name = "IFACE", value_parser = input::interface_name)]
    interface: String,
    #[command(flatten)]
    lists: ListArgs,
    /// Guard this destination port, instead of 111 [repeatable].
    #[arg(long, value_name = "N")]
    port: Vec<u16>,
    /// Guard TCP to the same ports as well, by dropping the segments that open connections.
    #[arg(long)]
    tcp: bool,
    /// Guard only packets to destinations in this prefix, and leave those to others alone [repeatable].
    #[arg(long, value_name = "CIDR")]
    only_to: Vec<PrefixArg>,
    /// Count only, and let everything pass.
    #[arg(long)]
    observe: bool,
    /// Print the state of the guard as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let [allow, deny] = args.lists.read()?;
    let mut policy = Policy::default();
    policy
        .apply(&PolicyChange {
            ports: input::ports(&args.port),
            tcp: args.tcp.then_some(true),
            observe: args.observe.then_some(true),
            destinations: input::destinations(&args.only_to),
            ..PolicyChange::default()
        })
        .map_err(|NoRatePolicy| Error::RateMissing)?;
    let registry = Registry::new()?;
    let lock = registry.lock_to_attach()?;
    let guard = guard::adopt(
        &registry,
        &lock,
        &args.interface,
        &Attach {
            policy,
            allow,
            deny,
            ..Attach::default()
        },
    )?;
    drop(lock);
    let guards = [guard];
    input::shown(match Format::of(args.json) {
        Format::Json => output::status::print_guards_json(&guards),
        Format::Text => output::status::print_lines(&guards),
    })?;
    Ok(Exit::Done)
}
