//! The command line: parses arguments, runs a command of the library, and reports errors.

use std::process::ExitCode;

use clap::Parser as _;
use rpcguard::commands::{Cli, Exit};

fn main() -> ExitCode {
    let cli = Cli::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(cli.log_filter()))
        .format_timestamp(None)
        .init();
    Exit::of(cli.run()).into()
}
