//! `rpcguard config check`, `rpcguard config show`

use std::path::PathBuf;

use super::{
    Exit,
    input::{self, note},
};
use crate::{
    config::{self, Config, ListFiles, show::Shown},
    error::{Error, Result},
    guard::{Guard, Registry},
    output,
    sys::netlink,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say whether a configuration is good, and which interfaces it is about; change nothing.
    ///
    /// Everything that is wrong with it is said, with line and column: in the file, and in the list files that
    /// it names.
    Check {
        /// The configuration.
        #[arg(value_name = "FILE", default_value_os_t = config::default_path())]
        file: PathBuf,
    },
    /// Print what is attached now as a configuration.
    #[command(after_help = "\
Examples:
  rpcguard config show > /etc/rpcguard/rpcguard.toml
  rpcguard config show --lists /etc/rpcguard eth0")]
    Show {
        /// Network interfaces [default: all that are guarded].
        #[arg(value_name = "IFACE", value_parser = input::interface_name)]
        interfaces: Vec<String>,
        /// Write lists of more than 100 prefixes to files in this directory, where there are none of their
        /// names yet, and name these files.
        #[arg(long, value_name = "DIR")]
        lists: Option<PathBuf>,
    },
}

pub(super) fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Check { file } => check(&file)?,
        Command::Show { interfaces, lists } => show(&interfaces, lists)?,
    }
    Ok(Exit::Done)
}

fn check(file: &std::path::Path) -> anyhow::Result<()> {
    let config = Config::read(file, &mut ListFiles::default()).map_err(Error::Config)?;
    let interfaces = netlink::interfaces().map_err(|source| Error::System {
        action: "list the interfaces of this network namespace".to_owned(),
        source: source.into(),
    })?;
    let names: Vec<&str> = interfaces
        .iter()
        .map(|interface| interface.name.as_str())
        .collect();
    config
        .check_interfaces(file, names.iter().copied())
        .map_err(Error::Config)?;
    for text in &config.notes {
        note(text);
    }
    output::config::print_check(&config, &names)?;
    Ok(())
}

fn show(interfaces: &[String], lists: Option<PathBuf>) -> anyhow::Result<()> {
    let tables = Shown::of(&guards(interfaces)?)?;
    let lists = match lists {
        Some(directory) => {
            let absolute = std::path::absolute(&directory).map_err(|source| Error::File {
                action: "find",
                path: directory.clone(),
                source,
            })?;
            config::show::write_lists(&tables, &absolute)?;
            Some(absolute)
        }
        None => {
            if config::show::has_long_lists(&tables) {
                note(
                    "long lists are written out; with `--lists DIR`, they go to files of their own",
                );
            }
            None
        }
    };
    output::print(&config::show::configuration(&tables, lists.as_deref()))?;
    Ok(())
}

/// These guards, or all that can be read.
fn guards(interfaces: &[String]) -> Result<Vec<Guard>> {
    input::guards_but(&Registry::new()?, interfaces, |interface, found| {
        note(&format!(
            "`{interface}` is guarded by an rpcguard of ABI version {found}, and left out"
        ));
        Ok(())
    })
}
