//! The configuration of the daemon: which interfaces are guarded, and how, as a TOML file.
//!
//! A file is taken whole or not at all, with all list files that it names: [`Config::read`] finds everything
//! that is wrong with it, with lines and columns. [`show`] writes a file that describes what is attached.

mod assemble;
mod document;
mod error;
mod lists;
mod patterns;
pub mod show;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

pub use error::{ConfigError, Flaw, Flaws};
pub use lists::ListFiles;
pub use patterns::Interfaces;

use crate::{guard::Mode, metrics::ListenAddress, policy::Policy, prefix::Prefix};

/// The largest configuration that is read, in bytes. Long lists are in files of their own.
pub const MAX_BYTES: u64 = 16 << 20;

/// What is to be guarded, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to serve metrics, if anywhere.
    pub metrics_listen: Option<ListenAddress>,
    /// What becomes of the guards when the daemon is told to end.
    pub on_stop: OnStop,
    /// In the order of the file.
    pub tables: Vec<Table>,
    /// What was accepted and may not be what was meant.
    pub notes: Vec<String>,
}

/// What becomes of the guards when the daemon is told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStop {
    /// They stay, in force.
    #[default]
    Leave,
    /// They are detached.
    Detach,
}

/// One `[[guard]]`: some interfaces, and how each of them is guarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The line that it begins on, counted from one.
    pub line: usize,
    /// Which interfaces.
    pub interfaces: Interfaces,
    /// What is guarded, and how; but for the ports of rpcbind that are not known beforehand.
    pub policy: Policy,
    /// Whether to guard the other UDP ports that rpcbind has open, too, whichever these are.
    pub rpcbind_ports: bool,
    /// Where to run; `None` tries native mode, then generic mode.
    pub mode: Option<Mode>,
    /// The prefixes that pass, in ascending order, each once.
    pub allow: Arc<[Prefix]>,
    /// The prefixes that are dropped, in ascending order, each once.
    pub deny: Arc<[Prefix]>,
}

/// The tables that an interface is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched<'a> {
    /// None: it is not to be guarded.
    Nowhere,
    /// One.
    Once(&'a Table),
    /// Several, which is an error.
    Repeatedly(Vec<&'a Table>),
}

impl Config {
    /// Reads and checks a configuration and everything that it refers to. Paths in it are relative to its
    /// directory. List files that `files` knows, and that have not changed, are not read again.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn read(path: &Path, files: &mut ListFiles) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let absolute = std::path::absolute(path).map_err(unreadable)?;
        let mut file = File::options()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(unreadable)?;
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::other("it is no regular file")));
        }
        let mut bytes = Vec::new();
        let read = (&mut file).take(MAX_BYTES + 1).read_to_end(&mut bytes);
        if read.map_err(unreadable)? as u64 > MAX_BYTES {
            return Err(ConfigError::TooLarge {
                path: path.to_owned(),
            });
        }
        let directory = absolute.parent().unwrap_or(Path::new("/"));
        assemble::config(path, directory, &bytes, files)
    }

    /// The tables that an interface is in.
    #[must_use]
    pub fn matching(&self, interface: &str) -> Matched<'_> {
        let matches = |table: &&Table| table.interfaces.matches(interface);
        let tables: Vec<&Table> = self.tables.iter().filter(matches).collect();
        match tables.as_slice() {
            [] => Matched::Nowhere,
            [table] => Matched::Once(table),
            _ => Matched::Repeatedly(tables),
        }
    }

    /// Checks that none of these interfaces is in two tables.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Flawed`], which names each of those that are, at the second table.
    pub fn check_interfaces<'a>(
        &self,
        path: &Path,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), ConfigError> {
        let flaws: Vec<Flaw> = names
            .into_iter()
            .filter_map(|name| match self.matching(name) {
                Matched::Repeatedly(tables) => Some(repeated(name, &tables)),
                _ => None,
            })
            .collect();
        if flaws.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Flawed(Flaws {
            path: path.to_owned(),
            flaws,
            lists: Vec::new(),
        }))
    }
}

/// What is wrong if an interface is in several tables.
pub(crate) fn repeated(name: &str, tables: &[&Table]) -> Flaw {
    let lines: Vec<String> = tables.iter().map(|table| table.line.to_string()).collect();
    Flaw {
        line: tables.get(1).map_or(1, |table| table.line),
        column: 1,
        what: format!(
            "the interface `{name}` is matched by the [[guard]] tables of lines {}: leave it to one, and \
             write \"!{name}\" in the others",
            lines.join(" and ")
        ),
    }
}

/// The file name of a configuration, where nothing else is said.
#[must_use]
pub fn default_path() -> PathBuf {
    PathBuf::from("/etc/rpcguard/rpcguard.toml")
}
