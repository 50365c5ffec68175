//! Why a configuration was refused.

use std::{fmt, io, path::PathBuf};

use super::MAX_BYTES;
use crate::{foreign_text, list_file::ListFileError};

/// How many flaws of a file are described. The rest is counted.
const MAX_DESCRIBED: usize = 100;

/// Why a configuration was refused. Nothing of it may be applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error(
        "the configuration {} cannot be read: {source}",
        foreign_text::path(path)
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// In the words of the system.
        source: io::Error,
    },
    /// It has more than [`MAX_BYTES`].
    #[error(
        "the configuration {} has more than {MAX_BYTES} bytes: move long lists to files, and name these \
         in `allow_files`",
        foreign_text::path(path)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It has become empty, or nearly: whoever is writing it may not have come far.
    #[error(
        "the configuration {} has no [[guard]] table any more, and {guarded} of its interfaces are guarded: \
         to guard none, `rpcguard detach --all`, and then reload",
        foreign_text::path(path)
    )]
    NoTableLeft {
        /// The file.
        path: PathBuf,
        /// How many are.
        guarded: usize,
    },
    /// Something in it, or in files that it names, is wrong.
    #[error("{0}")]
    Flawed(Flaws),
}

/// What is wrong with a configuration. Displayed as a line each, `file:line:column: what`.
#[derive(Debug)]
pub struct Flaws {
    /// The file.
    pub path: PathBuf,
    /// What is wrong in it, in its order.
    pub flaws: Vec<Flaw>,
    /// What is wrong with the list files that it names.
    pub lists: Vec<ListFileError>,
}

/// Something that is wrong in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The line, counted from one.
    pub line: usize,
    /// The column, in characters, counted from one.
    pub column: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = foreign_text::path(&self.path);
        let described = self.flaws.iter().take(MAX_DESCRIBED);
        for (index, Flaw { line, column, what }) in described.enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            let what = foreign_text::printable(what);
            write!(f, "{newline}{path}:{line}:{column}: {what}")?;
        }
        match self.flaws.len().saturating_sub(MAX_DESCRIBED) {
            0 => {}
            more => write!(f, "\n{path}: {more} more")?,
        }
        for (index, error) in self.lists.iter().enumerate() {
            let newline = if index == 0 && self.flaws.is_empty() {
                ""
            } else {
                "\n"
            };
            write!(f, "{newline}{error}")?;
        }
        Ok(())
    }
}
