//! `rpcguard man`

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::CommandFactory as _;
use clap_mangen::Man;
use rustix::fs::OFlags;

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
        .and_then(|page| write(&path, &page))
        .map_err(|source| Error::File {
            action: "write",
            path,
            source,
        })
}

/// Writes a page, but not through a symbolic link: the directory may be one of everybody.
fn write(path: &Path, page: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options.open(path)?.write_all(page)
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

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::write;

    #[test]
    fn no_page_is_written_through_a_link_that_another_has_put_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        write(&path("page"), b"first").unwrap();
        write(&path("page"), b"page").unwrap();
        assert_eq!(fs::read(path("page")).unwrap(), b"page");
        symlink(path("page"), path("link")).unwrap();
        write(&path("link"), b"other").unwrap_err();
        assert_eq!(fs::read(path("page")).unwrap(), b"page");
    }
}
