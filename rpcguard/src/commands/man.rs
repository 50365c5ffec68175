//! `rpcguard man`

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::{Cli, Exit};
use crate::{
    error::{Error, Result},
    output,
};

/// Of commands for administrators.
const SECTION: &str = "8";

/// Print the manual page, or write the pages of all subcommands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rpcguard man | man -l -
  rpcguard man /usr/local/share/man/man8")]
pub(super) struct Args {
    /// Write rpcguard.8, rpcguard-attach.8 and so on into this directory, which has to be there.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    match &args.directory {
        None => output::bytes(&page(cli)?)?,
        Some(directory) => write_pages(&cli, directory)?,
    }
    Ok(Exit::Done)
}

/// The pages of a command and of its subcommands.
fn write_pages(command: &clap::Command, directory: &Path) -> Result<()> {
    for subcommand in command.get_subcommands() {
        write_pages(subcommand, directory)?;
    }
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = directory.join(format!("{name}.{SECTION}"));
    page(command.clone())
        .and_then(|page| fs::write(&path, page))
        .map_err(|source| Error::File {
            action: "write",
            path,
            source,
        })
}

fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command)
        .section(SECTION)
        // The day on which it was made would be another each time.
        .date("")
        .source(concat!("rpcguard ", env!("CARGO_PKG_VERSION")))
        .manual("rpcguard")
        .render(&mut page)?;
    Ok(page)
}
