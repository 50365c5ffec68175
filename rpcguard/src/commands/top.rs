//! `rpcguard top`

use std::{
    env,
    io::{self, IsTerminal as _},
    num::NonZeroU64,
    time::Duration,
};

use super::{Exit, input};
use crate::{
    guard::Registry,
    output::Format,
    top::{self, Medium, Options},
};

/// Show what comes in, what becomes of it, and whom it claims to be from, as it happens.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rpcguard top
  rpcguard top eth0 --plain --interval 10 >> flood.log
  rpcguard top --json --count 1       # what happened within a second

On a terminal, ? shows the keys. The filter does not notice that it is looked at.")]
pub(super) struct Args {
    /// Network interfaces [default: all that are guarded, at any time].
    #[arg(value_name = "IFACE", value_parser = input::interface_name)]
    interfaces: Vec<String>,
    /// How often to look, from 0.1 to 3600 seconds.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
    /// End after so many intervals.
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
    /// Print a line for each interface every interval, as is done without a terminal.
    #[arg(long, conflicts_with = "json")]
    plain: bool,
    /// Print a JSON object every interval.
    #[arg(long)]
    json: bool,
}

fn interval(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds @ 0.1..=3600.0) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("it is to be from 0.1 to 3600 seconds"),
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let names = input::without_repeats(&args.interfaces);
    let names = names.map(ToOwned::to_owned).collect();
    let medium = if args.json || args.plain || !has_screen() {
        Medium::Lines(Format::of(args.json))
    } else {
        Medium::Screen
    };
    let options = Options {
        interval: args.interval,
        count: args.count.map(NonZeroU64::get),
    };
    top::run(Registry::new()?, names, options, medium)?;
    Ok(Exit::Done)
}

/// Whether standard output is a terminal whose cursor can be moved.
fn has_screen() -> bool {
    let dumb = env::var_os("TERM").is_none_or(|terminal| terminal.is_empty() || terminal == "dumb");
    io::stdout().is_terminal() && !dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_may_be_fractions_within_bounds() {
        assert_eq!(interval("0.1"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(interval("3600"), Ok(Duration::from_secs(3600)));
        for text in ["0", "0.05", "3601", "-1", "NaN", "inf", "", "1s"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
