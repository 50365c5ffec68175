//! `cargo xtask endure`: the daemon holds a configuration with a long list on many interfaces that come and go,
//! through many reloads and under a flood; and no packet may be judged wrongly.
//!
//! All of it is in namespaces without names, which go with this process.

mod churn;
mod lane;
mod lists;
mod resources;
mod run;
mod town;
mod traffic;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, value_parser};
use rpcguard_tests::interrupt::{INTERRUPTED, on_ctrl_c};

use run::Ended;

/// Runs the daemon with a list on many interfaces that come and go, reloads it again and again under a flood,
/// kills it now and then and gives it bad files, and counts every packet that is judged wrongly.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask endure")]
struct Arguments {
    /// How many reloads.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=4000))]
    reloads: u32,
    /// How many interfaces; all of them come and go.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = value_parser!(u16).range(2..=1000))]
    interfaces: u16,
    /// How many prefixes the list holds, on each interface.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(1000..=500_000))]
    prefixes: u32,
    /// How many packets a second there are to be, of which each is counted.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = value_parser!(u64).range(100..=1_000_000))]
    rate: u64,
    /// How many packets a second from random strangers there are to be besides, on one interface.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u64).range(1000..=10_000_000))]
    flood: u64,
    /// Decides about the order in which interfaces come and go.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let stop = on_ctrl_c()?;
    println!(
        "rpcguard endure: {} reloads, {} interfaces with {} prefixes each, seed {}, in network namespaces of \
         its own. Ctrl-C ends it.",
        arguments.reloads, arguments.interfaces, arguments.prefixes, arguments.seed
    );
    match run::endure(&arguments, &stop)? {
        Ended::Interrupted => {
            println!("Interrupted. Nothing is left of it.");
            Ok(ExitCode::from(INTERRUPTED))
        }
        Ended::Whole(0) => {
            println!("Not one wrong verdict.");
            Ok(ExitCode::SUCCESS)
        }
        Ended::Whole(wrong) => {
            println!("WRONG VERDICTS: {wrong}");
            Ok(ExitCode::FAILURE)
        }
    }
}
