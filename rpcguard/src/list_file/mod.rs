//! Prefix lists in files, in the forms that people already have them.
//!
//! [`read`] and [`parse`] tell the form from the content, never from the file's name:
//!
//! - **plain**: one prefix a line; `#` begins a comment; blank lines are skipped;
//! - **ipset**: what `ipset save` prints for sets of type `hash:net` and `hash:ip`;
//! - **nft**: what `nft list set` prints, and `nft list ruleset` where there are only sets of
//!   addresses; also `set` and `elements = { … }` blocks, `add element` and `define` lines, and
//!   bare `{ … }`.
//!
//! In all of them a bare address is a host prefix, and a range `first-last` becomes the fewest
//! prefixes that cover it exactly. A byte order mark and Windows line ends are accepted.
//!
//! A file is taken whole or not at all: one bad entry makes the result an error, which names all
//! of them. What is accepted but may not be what was meant is told in [`List::notes`]. A prefix
//! that occurs twice in one file is kept once, where it occurred first.

mod collector;
mod error;
mod ipset;
mod network;
mod nft;
mod note;
mod plain;
#[cfg(test)]
mod tests;
mod text;

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

pub use error::{BadEntries, BadEntry, ListFileError, Problem};
pub use network::Family;
pub use note::Note;
use rustix::fs::OFlags;

use self::collector::Collector;
use crate::prefix::Prefix;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// The path that stands for standard input.
pub const STANDARD_INPUT: &str = "-";

/// The prefixes of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// In the order of the file, each prefix once.
    pub entries: Vec<Entry>,
    /// What the operator should be told.
    pub notes: Vec<Note>,
}

/// One prefix of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The prefix, without host bits.
    pub prefix: Prefix,
    /// The line it is on, counted from one.
    pub line: usize,
    /// Whether it was written with host bits.
    pub masked: bool,
}

/// Reads a list from a file, or from standard input if `path` is [`STANDARD_INPUT`].
///
/// # Errors
///
/// Every kind of [`ListFileError`]. A list without a single prefix is none.
pub fn read(path: &Path) -> Result<List, ListFileError> {
    if path.as_os_str() == STANDARD_INPUT {
        let name = "standard input";
        return parse(name, &read_limited(name, io::stdin().lock(), 0)?);
    }
    read_opened(path, File::open(path), |_| true)
}

/// As [`read`], but for what is no regular file: reading a pipe would wait for whoever writes to
/// it.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_regular(path: &Path) -> Result<List, ListFileError> {
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    read_opened(path, file, Metadata::is_file)
}

fn read_opened(
    path: &Path,
    file: io::Result<File>,
    is_wanted: impl Fn(&Metadata) -> bool,
) -> Result<List, ListFileError> {
    let name = path.to_string_lossy();
    let unreadable = |error| ListFileError::from_io(&name, error);
    let file = file.map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(ListFileError::Directory {
            file: name.into_owned(),
        });
    }
    if !is_wanted(&metadata) {
        return Err(unreadable(io::Error::other("it is no regular file")));
    }
    parse(&name, &read_limited(&name, file, metadata.len())?)
}

/// Parses the content of a list file; `name` is for error messages.
///
/// # Errors
///
/// [`ListFileError::Binary`], [`ListFileError::TooManyPrefixes`] and [`ListFileError::Bad`].
pub fn parse(name: &str, bytes: &[u8]) -> Result<List, ListFileError> {
    let text = text::decode(name, bytes)?;
    let mut collector = Collector::new(name, text);
    match Form::of(text) {
        Form::Plain => plain::parse(text, &mut collector),
        Form::Ipset => ipset::parse(text, &mut collector),
        Form::Nft => nft::parse(text, &mut collector),
    }
    collector.finish()
}

/// Reads at most [`MAX_BYTES`], also from what does not know its size. `size` is zero in that case.
fn read_limited(name: &str, input: impl Read, size: u64) -> Result<Vec<u8>, ListFileError> {
    let too_large = |size| ListFileError::TooLarge {
        file: name.to_owned(),
        size,
    };
    if size > MAX_BYTES {
        return Err(too_large(Some(size)));
    }
    let capacity = usize::try_from(size).unwrap_or_default() + 1;
    let mut bytes = Vec::with_capacity(capacity);
    input
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| ListFileError::from_io(name, error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(None));
    }
    Ok(bytes)
}

/// The forms of a list file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Ipset,
    Nft,
}

impl Form {
    /// The form that the first line with content has.
    fn of(text: &str) -> Self {
        let first = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .unwrap_or_default();
        let mut words = first.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            // An ipset may have such a name, but what is added to it is a network.
            (Some("add"), Some("element" | "table" | "set" | "chain" | "rule" | "map"), third)
                if third.is_none_or(|word| network::parse(word).is_err()) =>
            {
                Self::Nft
            }
            (Some("add" | "create" | ipset::LISTED_NAME), ..) => Self::Ipset,
            _ if nft::begins(first) => Self::Nft,
            _ => Self::Plain,
        }
    }
}
