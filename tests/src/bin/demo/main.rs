//! `cargo xtask demo`: an open portmapper is abused, and then guarded, where it can hurt nobody.
//!
//! Everything happens in namespaces that have no names and go with this process, so that there is
//! nothing to clean up, however it ends, and two demos can run side by side.

mod attacker;
mod client;
mod display;
mod phase;
mod town;

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, value_parser};
use rpcguard_tests::{
    digits::grouped,
    interrupt::{INTERRUPTED, on_ctrl_c},
};
use serde_json::Value;

use display::{heading, megabytes};
use phase::{Outcome, Phase};
use town::{CLIENT, HOST, INTERFACE, Town, VICTIMS};

/// Shows an open portmapper being abused to flood others, and what rpcguard does about it: with the
/// real rpcbind and its real client, in network namespaces of its own.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo")]
struct Arguments {
    /// How long each of the three floods lasts.
    #[arg(long, value_name = "SECONDS", default_value_t = 6, value_parser = value_parser!(u64).range(2..=60))]
    seconds: u64,
    /// How many requests a second the attacker sends in the first two floods.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = value_parser!(u64).range(1_000..=1_000_000))]
    rate: u64,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let stop = on_ctrl_c()?;

    println!(
        "rpcguard demo: some {} seconds, in network namespaces of its own. Ctrl-C ends it.",
        3 * arguments.seconds + 2
    );
    let shown = show(&arguments, &stop)?;
    if shown.is_none() {
        println!("\nInterrupted. Nothing is left of it.");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

/// The three floods and the summary; `None` if `stop` was set on the way.
fn show(arguments: &Arguments, stop: &AtomicBool) -> Result<Option<()>> {
    let interrupted = || stop.load(Ordering::Relaxed);
    let town = Town::build()?;
    println!(
        "
  attacker, in the name of {VICTIMS}  ──┐
  client, {CLIENT}                      ──┼── switch ── {INTERFACE} of the host, {HOST},
  gateway to {VICTIMS}                ──┘             with rpcbind on UDP port 111"
    );
    let time = Duration::from_secs(arguments.seconds);
    let slow = Phase {
        time,
        rate: Some(arguments.rate),
        guarded: false,
    };

    heading("1. An open portmapper");
    println!(
        "The attacker sends {} requests a second (DUMP, 82 bytes each) with forged senders.
Each answer goes to somebody who never asked:",
        grouped(arguments.rate)
    );
    let open = slow.run(&town, stop)?;
    if interrupted() {
        return Ok(None);
    }

    heading(&format!(
        "2. # rpcguard attach {INTERFACE} --allow {CLIENT}"
    ));
    let attached = town
        .host
        .rpcguard(["attach", INTERFACE, "--allow", &CLIENT.to_string()]);
    ensure!(attached.is_success(), "{}", attached.stderr);
    println!("{}The same flood:", attached.stdout);
    let guarded = Phase {
        guarded: true,
        ..slow
    }
    .run(&town, stop)?;
    if interrupted() {
        return Ok(None);
    }

    heading("3. As many requests as one core can send");
    let flooded = Phase {
        rate: None,
        guarded: true,
        ..slow
    }
    .run(&town, stop)?;
    if interrupted() {
        return Ok(None);
    }

    summarise(&open, &guarded, &flooded);
    drops(&phase::status(&town)?)?;
    let detached = town.host.rpcguard(["detach", INTERFACE]);
    ensure!(detached.is_success(), "{}", detached.stderr);
    println!(
        "
On a real host:
  # cargo xtask install
  # rpcguard attach eth0 --allow 192.168.1.0/24"
    );
    ensure!(
        open.reflected_packets > 0,
        "the open portmapper reflected nothing: no proof of anything"
    );
    ensure!(
        guarded.reflected_packets == 0 && flooded.reflected_packets == 0,
        "something was reflected although the host is guarded"
    );
    ensure!(
        guarded.failed == 0 && flooded.failed == 0,
        "the allowed client was not answered although it is allowed"
    );
    Ok(Some(()))
}

fn summarise(open: &Outcome, guarded: &Outcome, flooded: &Outcome) {
    heading("Summary");
    let row = |what: &str, cell: &dyn Fn(&Outcome) -> String| {
        println!(
            "  {what:<22}{:>16}{:>16}{:>16}",
            cell(open),
            cell(guarded),
            cell(flooded)
        );
    };
    println!(
        "  {:<22}{:>16}{:>16}{:>16}",
        "", "open", "guarded", "at full speed"
    );
    row("requests", &|outcome| grouped(outcome.requests));
    row("requests a second", &|outcome| {
        grouped((outcome.requests as f64 / outcome.seconds) as u64)
    });
    row("reflected packets", &|outcome| {
        grouped(outcome.reflected_packets)
    });
    row("reflected bytes", &|outcome| {
        megabytes(outcome.reflected_bytes)
    });
    row("amplification", &|outcome| match outcome.reflected_bytes {
        0 => "none".to_owned(),
        bytes => format!("{:.1}x", bytes as f64 / outcome.request_bytes as f64),
    });
    row("client's rpcinfo", &|outcome| {
        format!(
            "{} of {}",
            outcome.answered,
            outcome.answered + outcome.failed
        )
    });
}

/// Prints the reasons that occurred, with what the filter counted for them.
fn drops(status: &Value) -> Result<()> {
    let counters = status
        .pointer("/interfaces/0/counters")
        .and_then(Value::as_object)
        .context("rpcguard status has no counters")?;
    println!("\n  What the filter says it did:");
    for (reason, counter) in counters {
        let packets = counter["packets"].as_u64().unwrap_or_default();
        let bytes = counter["bytes"].as_u64().unwrap_or_default();
        if packets != 0 {
            println!(
                "  {reason:<22}{:>16} packets{:>16}",
                grouped(packets),
                megabytes(bytes)
            );
        }
    }
    Ok(())
}
