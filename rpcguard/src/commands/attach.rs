//! `rpcguard attach`

use std::{collections::BTreeSet, time::Duration};

use clap::ValueEnum;

use super::{
    Exit, confirmation, follow_log,
    input::{self, PrefixArg, note, without_repeats},
    list_args::ListArgs,
    nfs_servers,
    rate_args::RateArgs,
};
use crate::{
    check,
    error::{Error, Result},
    guard::{self, Attach, Change, Guard, Lock, LogLevel, Mode, Registry, Unconfirmed, Verdict},
    output::{self, Format},
    policy::{NoRatePolicy, PORTMAPPER_PORT, Policy, PolicyChange, Rate},
    portmapper::Heard,
    sockets::Inventory,
};

/// Guard interfaces: from now on, their packets to the portmapper are dropped unless they come from
/// an allowed address.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rpcguard attach eth0 --allow 192.168.1.0/24
  rpcguard attach eth0 --allow-file nfs-clients.txt --tcp
  rpcguard attach eth0 --allow 192.168.1.0/24 --confirm 60    # if you could lock yourself out
  rpcguard attach eth0 --observe      # count what would be dropped, and drop nothing
  rpcguard attach eth0 --allow 192.168.1.0/24 --rate 5/s    # serve others, but not a flood

Of the allowed and denied prefixes that a source address is in, the longest decides; an address in
none is dropped. A list file holds one prefix a line, with `#` comments; what `ipset save` and
`nft list set` print is understood too.

With a rate policy, an address in no prefix is served, within limits, the procedures that clients use
and that are of no use to an attacker; calls for others are dropped.")]
pub(super) struct Args {
    /// Network interfaces: if one of them cannot be guarded, none is.
    #[arg(value_name = "IFACE", required = true, value_parser = input::interface_name)]
    interfaces: Vec<String>,
    #[command(flatten)]
    lists: ListArgs,
    /// Guard this destination port, instead of 111 [repeatable].
    #[arg(long, value_name = "N")]
    port: Vec<u16>,
    /// Guard as well the UDP ports besides 111 on which this host's rpcbind answers now: one in
    /// each family, if it relays calls (-r). They are others after each of its starts. A port below
    /// 1024, or one that another process has too, is left alone.
    #[arg(long)]
    rpcbind_ports: bool,
    /// Guard TCP to the same ports as well, by dropping the segments that open connections.
    #[arg(long)]
    tcp: bool,
    /// Guard only packets to destinations in this prefix, and leave those to others alone: where
    /// packets of guests go through the interface [repeatable].
    #[arg(long, value_name = "CIDR")]
    only_to: Vec<PrefixArg>,
    /// Count only, and let everything pass.
    #[arg(long)]
    observe: bool,
    /// Serve each source that no prefix covers at this rate, instead of dropping all that it sends:
    /// a number of packets a second, minute or hour, as in 5/s, 100/m, 20/h.
    #[arg(long, value_name = "N/UNIT", help_heading = "Rate policy")]
    rate: Option<Rate>,
    #[command(flatten)]
    rates: RateArgs,
    /// Where the filter runs: in the driver (native), in the network stack (generic, slower), or in
    /// the driver if it can and else in the stack (auto).
    #[arg(long, value_enum, default_value = "auto", conflicts_with = "replace")]
    mode: ModeArg,
    /// Replace the program of guards that are attached already by that of this rpcguard, without a
    /// gap. Lists and counters stay; prefixes and settings given here are added to what they have.
    #[arg(long)]
    replace: bool,
    /// Detach again, unless somebody confirms within so many seconds (1 to 3600) that this machine
    /// can still be reached: with Enter here, or with `rpcguard confirm` in another session. The
    /// kernel also detaches when this command ends in any other way.
    #[arg(long, value_name = "SECONDS", conflicts_with = "replace", value_parser = clap::value_parser!(u16).range(1..=3600))]
    confirm: Option<u16>,
    /// Have the program in the kernel log its decisions, and print them until Ctrl-C. Slow; for
    /// looking into a problem.
    #[arg(long, value_name = "LEVEL", value_enum)]
    bpf_log: Option<BpfLogArg>,
    /// Print the state of the guards as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    Auto,
    Native,
    Generic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BpfLogArg {
    /// Dropped packets.
    Info,
    /// Passed packets too.
    Debug,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let [allow, deny] = args.lists.read()?;
    let log = match args.bpf_log {
        None => LogLevel::Off,
        Some(BpfLogArg::Info) => LogLevel::Info,
        Some(BpfLogArg::Debug) => LogLevel::Debug,
    };

    let registry = Registry::new()?;
    let policy_change = args.policy(&registry)?;
    let lock = registry.lock_to_attach()?;
    let guards = if args.replace {
        let mut change = Change::default();
        change.policy(policy_change);
        for prefix in allow {
            change.add(Verdict::Allow, prefix)?;
        }
        for prefix in deny {
            change.add(Verdict::Deny, prefix)?;
        }
        let names = without_repeats(&args.interfaces);
        guard::replace(&registry, &lock, names, &change, log)?
    } else {
        let mut policy = Policy::default();
        policy
            .apply(&policy_change)
            .map_err(|NoRatePolicy| Error::RateMissing)?;
        let mode = match args.mode {
            ModeArg::Auto => None,
            ModeArg::Native => Some(Mode::Native),
            ModeArg::Generic => Some(Mode::Generic),
        };
        let how = Attach {
            policy,
            allow,
            deny,
            mode,
            log,
        };
        let unconfirmed = attach_all(args, &registry, &lock, &how)?;
        if let Some(seconds) = args.confirm {
            // Others may look at what is attached, and change it, before they confirm it.
            drop(lock);
            let limit = Duration::from_secs(seconds.into());
            let guards = confirmation::wait(&registry, unconfirmed, limit)?;
            return show(args, &registry, &guards, log);
        }
        guard::confirm(&registry, &lock, unconfirmed)?
    };
    drop(lock);
    show(args, &registry, &guards, log)
}

/// Says what it came to.
fn show(args: &Args, registry: &Registry, guards: &[Guard], log: LogLevel) -> anyhow::Result<Exit> {
    input::shown(match Format::of(args.json) {
        Format::Json => output::status::print_guards_json(guards),
        Format::Text => output::status::print_lines(guards),
    })?;
    note_what_remains(registry);
    if let Err(error) = nfs_servers::propose(guards) {
        log::debug!("cannot tell whether NFS servers are allowed: {error}");
    }
    if log != LogLevel::Off {
        follow_log::until_interrupted(registry, guards)?;
    }
    Ok(Exit::Done)
}

impl Args {
    /// Whether TCP will be guarded as well on any of the interfaces.
    fn guards_tcp(&self, registry: &Registry) -> Result<bool> {
        if self.tcp || !self.replace {
            return Ok(self.tcp);
        }
        // A guard that is replaced keeps its settings.
        for guard in registry.guards()? {
            let is_named = self.interfaces.iter().any(|name| name == guard.interface());
            if is_named && guard.policy()?.tcp {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The settings that were given.
    fn policy(&self, registry: &Registry) -> Result<PolicyChange> {
        Ok(PolicyChange {
            ports: input::ports(&self.port),
            more_ports: if self.rpcbind_ports {
                rpcbind_ports(self.guards_tcp(registry)?)?
            } else {
                BTreeSet::new()
            },
            tcp: self.tcp.then_some(true),
            observe: self.observe.then_some(true),
            rate: self.rates.change(self.rate),
            destinations: input::destinations(&self.only_to),
        })
    }
}

/// The UDP ports on which rpcbind answers, without those that a guard, of TCP as well or not,
/// leaves alone: says so, also if there is none but the one that it is known by.
fn rpcbind_ports(tcp: bool) -> Result<BTreeSet<u16>> {
    let inventory = Inventory::read()?;
    let mut heard = Heard::default();
    heard.ask(&inventory);
    let found = heard.udp_ports_of(&inventory);
    let ports = found.for_guard(tcp).clone();
    if inventory.portmapper().next().is_none() {
        note("no rpcbind listens here now, so that it has no other ports to guard");
        return Ok(ports);
    }
    let left_alone = found.left_alone(tcp);
    if !left_alone.is_empty() {
        let left_alone: Vec<String> = left_alone.iter().map(u16::to_string).collect();
        note(&format!(
            "rpcbind answers on UDP port {} too, which is not guarded: a port below 1024, or one that another \
             process has as well, may be needed by others",
            left_alone.join(", ")
        ));
    } else if ports.iter().all(|port| *port == PORTMAPPER_PORT) {
        note("rpcbind has no UDP port open besides 111");
    }
    Ok(ports)
}

/// Says on which ports the portmapper can still be used by anybody, if there are some.
fn note_what_remains(registry: &Registry) {
    match check::exposed_ports(registry) {
        Ok(Some(ports)) => note(&format!(
            "the portmapper can still be used by anybody on {ports}; `rpcguard check` tells more"
        )),
        Ok(None) => {}
        Err(error) => log::debug!("cannot tell what remains exposed: {error}"),
    }
}

/// Attaches to every interface, or to none.
fn attach_all(
    args: &Args,
    registry: &Registry,
    lock: &Lock,
    how: &Attach,
) -> anyhow::Result<Vec<Unconfirmed>> {
    let mut attached = Vec::new();
    for name in without_repeats(&args.interfaces) {
        match guard::attach_unconfirmed(registry, lock, name, how) {
            Ok((unconfirmed, native_refused)) => {
                if let Some(refused) = native_refused {
                    note(&format!(
                        "{refused}; running in generic mode, which is slower"
                    ));
                    if let Some(remedy) = refused.remedy() {
                        note(&format!("for native mode: {remedy}"));
                    }
                }
                attached.push(unconfirmed);
            }
            Err(error) => {
                guard::end(lock, attached)?;
                return Err(error.into());
            }
        }
    }
    Ok(attached)
}
