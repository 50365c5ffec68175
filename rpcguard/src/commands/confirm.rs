//! `rpcguard confirm`

use super::{Exit, input};
use crate::{
    error::Error,
    guard::{Guard, Registry},
    output::{self, Format},
};

/// Let the guards that `attach --confirm` waits with stay: you can still reach this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Confirming one of the interfaces of an `attach --confirm` confirms all of them. It takes
CAP_SYS_ADMIN, since the guard is in the hands of another process.")]
pub(super) struct Args {
    /// Network interfaces [default: all whose guards wait].
    #[arg(value_name = "IFACE", value_parser = input::interface_name)]
    interfaces: Vec<String>,
    /// Print the state of the guards as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = Registry::new()?;
    let lock = registry.lock()?;
    let mut guards = if args.interfaces.is_empty() {
        let mut guards = registry.guards()?;
        guards.retain(|guard| !guard.is_confirmed());
        if guards.is_empty() {
            return Err(Error::NothingToConfirm.into());
        }
        guards
    } else {
        input::guards(&registry, &args.interfaces)?
    };
    guards
        .iter_mut()
        .try_for_each(|guard: &mut Guard| guard.confirm(&lock))?;
    drop(lock);
    input::shown(match Format::of(args.json) {
        Format::Json => output::status::print_guards_json(&guards),
        Format::Text => output::status::print_lines(&guards),
    })?;
    Ok(Exit::Done)
}
