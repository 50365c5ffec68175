//! `rpcguard allow` and `rpcguard deny`, which have the same verbs.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;

use super::{
    Exit,
    input::{self, PrefixArg, note},
};
use crate::{
    foreign_text,
    guard::{self, BootTime, Change, Committed, Guard, Registry, Verdict},
    output::{self, Format},
};

/// What can be done with a list.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add prefixes to the list.
    Add {
        /// Prefixes or addresses.
        #[arg(value_name = "CIDR", required = true)]
        prefixes: Vec<PrefixArg>,
        /// For this long only, as in 2h, 30m or 7d; then they are out of force by themselves, even if nothing
        /// else runs. An interface has room for 4,095 ends, of which a prefix that gets another takes up two
        /// until that is done.
        #[arg(long = "for", value_name = "TIME", value_parser = input::duration)]
        time: Option<Duration>,
        #[command(flatten)]
        interfaces: Interfaces,
    },
    /// Remove prefixes from the list.
    Remove {
        /// Prefixes or addresses that are in the list.
        #[arg(value_name = "CIDR", required = true)]
        prefixes: Vec<PrefixArg>,
        #[command(flatten)]
        interfaces: Interfaces,
    },
    /// Show the list, with the packets that each prefix decided about.
    List {
        #[command(flatten)]
        interfaces: Interfaces,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Replace the whole list by the prefixes in a file, at one instant.
    ///
    /// Prefixes that are in both keep their packet counts, and no packet from them is lost.
    Replace {
        /// One prefix a line, with # comments, or what `ipset save` or `nft list set` prints; - for
        /// standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        interfaces: Interfaces,
    },
    /// Say what happens to packets from an address, and which prefix of the two lists decides it.
    Test {
        /// An IPv4 or IPv6 address.
        #[arg(value_name = "ADDR")]
        address: IpAddr,
        #[command(flatten)]
        interfaces: Interfaces,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Interfaces {
    /// Only on this interface [default: all that are guarded; repeatable].
    #[arg(
        short,
        long = "interface",
        value_name = "IFACE",
        value_parser = input::interface_name
    )]
    interfaces: Vec<String>,
}

pub(super) fn run(command: Command, verdict: Verdict) -> anyhow::Result<Exit> {
    match command {
        Command::Add {
            prefixes,
            time,
            interfaces,
        } => {
            let mut change = Change::default();
            let until = time.map(|time| BootTime::now().after(time));
            for prefix in input::prefixes(verdict, &prefixes, &[])? {
                match until {
                    Some(until) => change.add_until(verdict, prefix, until)?,
                    None => change.add(verdict, prefix)?,
                }
            }
            commit(&change, &interfaces, verdict)
        }
        Command::Remove {
            prefixes,
            interfaces,
        } => {
            let mut change = Change::default();
            for prefix in input::prefixes(verdict, &prefixes, &[])? {
                change.remove(verdict, prefix);
            }
            commit(&change, &interfaces, verdict)
        }
        Command::Replace { file, interfaces } => {
            let mut change = Change::default();
            let prefixes = input::prefixes(verdict, &[], std::slice::from_ref(&file))?;
            if prefixes.is_empty() {
                note(&format!(
                    "{} holds no prefix: the {verdict} list becomes empty",
                    foreign_text::path(&file)
                ));
            }
            change.replace(verdict, prefixes);
            commit(&change, &interfaces, verdict)
        }
        Command::List { interfaces, json } => {
            let guards = input::guards(&Registry::new()?, &interfaces.interfaces)?;
            match Format::of(json) {
                Format::Json => output::prefixes::print_json(&guards, verdict)?,
                Format::Text => output::prefixes::print_text(&guards, verdict)?,
            }
            Ok(Exit::Done)
        }
        Command::Test {
            address,
            interfaces,
            json,
        } => {
            let guards = input::guards(&Registry::new()?, &interfaces.interfaces)?;
            match Format::of(json) {
                Format::Json => output::decision::print_json(&guards, address)?,
                Format::Text => output::decision::print_text(&guards, address)?,
            }
            Ok(Exit::Done)
        }
    }
}

/// Changes the list on all interfaces, or on none.
fn commit(change: &Change, interfaces: &Interfaces, verdict: Verdict) -> anyhow::Result<Exit> {
    let registry = Registry::new()?;
    let lock = registry.lock()?;
    let mut guards: Vec<Guard> = input::guards(&registry, &interfaces.interfaces)?;
    let committed = guard::commit(&mut guards, &lock, change)?;
    let lines: Vec<String> = guards
        .iter()
        .zip(committed)
        .map(|(guard, committed)| describe(guard, verdict, committed))
        .collect();
    output::lines(&lines).context(output::CHANGED)?;
    Ok(Exit::Done)
}

fn describe(guard: &Guard, verdict: Verdict, committed: Committed) -> String {
    let Committed {
        added,
        removed,
        unchanged,
        renewed,
        moved: _,
    } = committed;
    let mut text = format!(
        "{}: {verdict} list: {added} added, {removed} removed",
        guard.interface()
    );
    if renewed != 0 {
        text.push_str(&format!(", {renewed} with another end"));
    }
    if unchanged != 0 {
        text.push_str(&format!(", {unchanged} already there"));
    }
    text
}
