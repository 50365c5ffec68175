//! `rpcguard detach`

use anyhow::Context as _;

use super::{
    Exit,
    input::{self, without_repeats},
};
use crate::{
    error::{Error, Result},
    guard::{Entry, Lock, Registry},
    output,
};

/// Stop guarding interfaces: from now on, all their packets pass; lists and counters are lost.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Network interfaces; also ones that do not exist any more, to remove what is left of their
    /// guards.
    #[arg(
        value_name = "IFACE",
        required_unless_present = "all",
        value_parser = input::interface_name
    )]
    interfaces: Vec<String>,
    /// All guarded interfaces of this network namespace.
    #[arg(long, conflicts_with = "interfaces")]
    all: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let registry = Registry::new()?;
    let lock = registry.lock()?;
    let entries = if args.all {
        registry.entries()?
    } else {
        without_repeats(&args.interfaces)
            .map(|name| match registry.find(name)? {
                Some(entry) => Ok(entry),
                // Says whether there is such an interface at all.
                None => registry
                    .guard(name)
                    .map(|guard| Entry::Guard(Box::new(guard))),
            })
            .collect::<Result<Vec<_>>>()?
    };
    if entries.is_empty() {
        return Err(Error::NothingAttached.into());
    }
    let detached = entries
        .into_iter()
        .map(|entry| detach(entry, &lock))
        .collect::<Result<Vec<_>>>()?;
    output::lines(&detached).context(output::CHANGED)?;
    Ok(Exit::Done)
}

fn detach(entry: Entry, lock: &Lock) -> Result<String> {
    Ok(match entry {
        Entry::Guard(guard) => {
            let name = guard.interface();
            let text = if guard.is_adopted() {
                format!(
                    "{name}: no longer guarded; its program lets everything pass, and `xdp-loader unload {name}` \
                     takes it off"
                )
            } else {
                format!("{name}: no longer guarded")
            };
            guard.detach(lock)?;
            text
        }
        Entry::Incompatible {
            interface, pins, ..
        } => {
            pins.remove(lock)?;
            format!("{interface}: no longer guarded")
        }
        Entry::Leftover(leftover) => {
            leftover.remove(lock)?;
            format!("{}: removed what was left of its guard", leftover.interface)
        }
    })
}
