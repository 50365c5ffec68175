//! Before a command runs: its arguments, and where it logs to.

use std::io::Write as _;

use clap::Parser as _;

use super::{Cli, Exit};
use crate::{
    foreign_text::{lines, printable},
    output,
};

/// Columns by which the further lines of a message are indented, so that none looks like the next
/// message.
const INDENT: &str = "\n    ";

impl Cli {
    /// Reads the arguments of this process.
    ///
    /// # Errors
    ///
    /// How to exit, once the help that was asked for, or what is wrong, has been printed.
    pub fn from_command_line() -> Result<Self, Exit> {
        Self::try_parse().map_err(|error| {
            if !error.use_stderr() {
                // A closed pipe ends quietly.
                let _ = error.print();
                return Exit::Done;
            }
            // The error repeats arguments: it is to be about escaped ones.
            let arguments = std::env::args_os();
            let escaped = arguments.map(|argument| printable(&argument.to_string_lossy()));
            match Self::try_parse_from(escaped) {
                Err(error) if error.use_stderr() => {
                    let _ = error.print();
                }
                _ => output::error_lines(&printable(&error.render().to_string())),
            }
            Exit::Usage
        })
    }
}

/// Logs to standard error what `filter` says, unless `RUST_LOG` says otherwise.
pub fn log_to_standard_error(filter: &str) {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter))
        .format(|out, record| {
            let style = out.default_level_style(record.level());
            let message = lines(&record.args().to_string()).replace('\n', INDENT);
            writeln!(
                out,
                "[{style}{:<5}{style:#} {}] {message}",
                record.level(),
                record.target()
            )
        })
        .init();
}
