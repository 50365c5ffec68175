//! `rpcguard set`

use std::{collections::BTreeSet, str::FromStr};

use super::{
    Exit,
    input::{self, PrefixArg, Switch},
    rate_args::RateArgs,
};
use crate::{
    guard::{self, Change, Registry},
    output::{self, Format},
    policy::{Destinations, ParseRateError, PolicyChange, Rate, RateChange},
    prefix::ParsePrefixError,
};

/// Change the settings of a guard, at once and without a gap.
#[derive(Debug, clap::Args)]
#[command(override_usage = "rpcguard set <IFACE> <SETTING>...")]
#[command(after_help = "\
Examples:
  rpcguard set eth0 --observe off
  rpcguard set eth0 --port 111 --port 32771
  rpcguard set eth0 --rate 5/s        # serve unlisted sources, within limits
  rpcguard set eth0 --rate off        # drop all that they send
  rpcguard set eth0 --only-to all     # guests' packets too")]
pub(super) struct Args {
    /// Network interface.
    #[arg(value_name = "IFACE", value_parser = input::interface_name)]
    interface: String,
    #[command(flatten)]
    settings: Settings,
    /// Print the state of the guard as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true, args = [
    "observe", "tcp", "port", "only_to", "rate", "burst", "rate_prefix", "burst_prefix", "rate_total",
    "burst_total", "procedures",
])]
struct Settings {
    /// Count only, and let everything pass.
    #[arg(long, value_enum, value_name = "on|off", hide_possible_values = true)]
    observe: Option<Switch>,
    /// Guard TCP to the same ports as well.
    #[arg(long, value_enum, value_name = "on|off", hide_possible_values = true)]
    tcp: Option<Switch>,
    /// Guard this destination port instead of those that are guarded now [repeatable].
    #[arg(long, value_name = "N")]
    port: Vec<u16>,
    /// Guard only packets to destinations in this prefix instead of those that are guarded now [repeatable];
    /// or those to all.
    #[arg(long, value_name = "CIDR|all")]
    only_to: Vec<DestinationArg>,
    /// Serve each source that no prefix covers at this rate, or drop all that it sends.
    #[arg(long, value_name = "N/UNIT|off", help_heading = "Rate policy")]
    rate: Option<RateArg>,
    #[command(flatten)]
    rates: RateArgs,
}

#[derive(Clone, Copy, Debug)]
enum RateArg {
    Off,
    At(Rate),
}

impl FromStr for RateArg {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::At),
        }
    }
}

#[derive(Clone, Debug)]
enum DestinationArg {
    All,
    Prefix(PrefixArg),
}

impl FromStr for DestinationArg {
    type Err = ParsePrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            _ => text.parse().map(Self::Prefix),
        }
    }
}

impl Settings {
    fn destinations(&self) -> Option<Destinations> {
        let prefixes = self.only_to.iter().map(|arg| match arg {
            DestinationArg::All => None,
            DestinationArg::Prefix(prefix) => Some(prefix.clone()),
        });
        match prefixes.collect::<Option<Vec<_>>>() {
            Some(prefixes) => input::destinations(&prefixes),
            None => Some(Destinations::All),
        }
    }

    fn rate_change(&self) -> RateChange {
        match self.rate {
            Some(RateArg::Off) => RateChange {
                off: true,
                ..RateChange::default()
            },
            Some(RateArg::At(rate)) => self.rates.change(Some(rate)),
            None => self.rates.change(None),
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = Registry::new()?;
    let lock = registry.lock()?;
    let mut change = Change::default();
    change.policy(PolicyChange {
        ports: input::ports(&args.settings.port),
        more_ports: BTreeSet::new(),
        tcp: args.settings.tcp.map(Switch::is_on),
        observe: args.settings.observe.map(Switch::is_on),
        rate: args.settings.rate_change(),
        destinations: args.settings.destinations(),
    });
    let guards = [guard::set(&registry, &lock, &args.interface, &change)?];
    input::shown(match Format::of(args.json) {
        Format::Json => output::status::print_guards_json(&guards),
        Format::Text => output::status::print_lines(&guards),
    })?;
    Ok(Exit::Done)
}
