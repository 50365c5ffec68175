//! `cargo xtask soak`: changes, a flood and readers at once, for as long as one likes; and then everything
//! must add up to the last packet, and nothing may have grown.
//!
//! All of it is in namespaces without names, which go with this process.

mod changes;
mod checkpoint;
mod flood;
mod kernel_log;
mod ledger;
mod numbers;
mod readers;
mod resources;
mod town;

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use clap::{Parser, value_parser};
use rpcguard_tests::interrupt::{INTERRUPTED, on_ctrl_c};

use changes::Changes;
use checkpoint::Checkpoints;
use flood::Flood;
use readers::Readers;
use town::Town;

/// Floods a guarded host from listed, denied and unlisted sources, while its lists and settings are
/// changed and its counters are read, and asserts that the counters add up exactly and nothing leaks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask soak")]
struct Arguments {
    /// How long.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// Ten seconds only, with a checkpoint every two.
    #[arg(long, conflicts_with = "minutes")]
    quick: bool,
    /// Decides about the order of the changes.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many packets a second there are to be.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = value_parser!(u64).range(100..=1_000_000))]
    rate: u64,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let stop = on_ctrl_c()?;
    let (time, interval) = if arguments.quick {
        (Duration::from_secs(10), Duration::from_secs(2))
    } else {
        let time = Duration::from_secs(60 * arguments.minutes);
        (time, Duration::from_secs(60))
    };
    println!(
        "rpcguard soak: {} s, seed {}, in network namespaces of its own. Ctrl-C ends it.",
        time.as_secs(),
        arguments.seed
    );
    let ended = soak(&arguments, (time, interval), &stop)?;
    if !ended {
        println!("Interrupted. Nothing is left of it.");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    println!("Everything added up, and nothing has grown.");
    Ok(ExitCode::SUCCESS)
}

/// Soaks; whether it came to its end.
fn soak(
    arguments: &Arguments,
    (time, interval): (Duration, Duration),
    stop: &AtomicBool,
) -> Result<bool> {
    let town = Town::build()?;
    let soaked = soak_in(&town, arguments, (time, interval), stop);
    // What is left of it may be less interesting than why.
    if let Err(error) = &soaked {
        eprintln!("Something is wrong: {error:#}");
    }
    let left = town.leave();
    let ended = soaked?;
    left?;
    Ok(ended)
}

fn soak_in(
    town: &Town,
    arguments: &Arguments,
    (time, interval): (Duration, Duration),
    stop: &AtomicBool,
) -> Result<bool> {
    let flood = Flood::new(town)?;
    let changes = Changes::new(town, arguments.seed)?;
    let readers = Readers::default();
    let mut checkpoints = Checkpoints::begin(town)?;
    let over = AtomicBool::new(false);
    let ended = thread::scope(|scope| -> Result<bool> {
        let workers = [
            scope.spawn(|| flood.run(arguments.rate, &over)),
            scope.spawn(|| changes.run(&over)),
            scope.spawn(|| readers.read_by_command(town, &over)),
            scope.spawn(|| readers.read_by_library(town, &over)),
        ];
        let begun = Instant::now();
        let watched = (|| {
            let mut due = interval;
            while begun.elapsed() < time {
                // One of them only ends early if something is wrong.
                if stop.load(Ordering::Relaxed) || workers.iter().any(ScopedJoinHandle::is_finished)
                {
                    return Ok(false);
                }
                thread::sleep(Duration::from_millis(20));
                if begun.elapsed() >= due {
                    checkpoints.check(&flood, &changes, &readers)?;
                    due += interval;
                }
            }
            Ok(true)
        })();
        over.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        watched
    })?;
    if ended {
        checkpoints.check(&flood, &changes, &readers)?;
        checkpoints.end()?;
    }
    Ok(ended)
}
