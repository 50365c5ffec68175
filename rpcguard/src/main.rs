//! The command line: parses arguments, runs a command of the library, and reports errors.

use std::process::ExitCode;

use rpcguard::commands::{self, Cli, Exit};

fn main() -> ExitCode {
    let cli = match Cli::from_command_line() {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    commands::log_to_standard_error(cli.log_filter());
    Exit::of(cli.run()).into()
}
