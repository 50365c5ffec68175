//! Why a list file was refused.

use std::{fmt, io};

use rpcguard_common::abi::MAX_PREFIXES;

use super::{Family, MAX_BYTES};
use crate::foreign_text::printable;

/// How many bad entries of a file are described. The rest is counted.
pub(super) const MAX_DESCRIBED: usize = 1000;

/// Why a list file was refused. Nothing of it may be applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListFileError {
    /// There is no such file.
    #[error("list file `{}` does not exist", printable(file))]
    Missing {
        /// Its name.
        file: String,
    },
    /// It cannot be read.
    #[error("list file `{}` cannot be read: {error}", printable(file))]
    Unreadable {
        /// Its name.
        file: String,
        /// In the words of the system.
        error: io::Error,
    },
    /// It is a directory.
    #[error("list file `{}` is a directory: name a file in it", printable(file))]
    Directory {
        /// Its name.
        file: String,
    },
    /// It is not text.
    #[error(
        "list file `{}` is not a text file: {found} in line {line}; lists are UTF-8 text",
        printable(file)
    )]
    Binary {
        /// Its name.
        file: String,
        /// The first line, counted from one, that is not text.
        line: usize,
        /// What was found there.
        found: &'static str,
    },
    /// It has more than [`MAX_BYTES`].
    #[error(
        "list file `{}` is too large: {}; the limit is {MAX_BYTES} bytes",
        printable(file),
        size_or_more(*size)
    )]
    TooLarge {
        /// Its name.
        file: String,
        /// In bytes; `None` if only reading it all could have told.
        size: Option<u64>,
    },
    /// It has more than [`MAX_PREFIXES`] of a family.
    #[error(
        "list file `{}` holds more than {MAX_PREFIXES} {family} prefixes, the most that a filter \
         takes: line {line} is beyond; write larger prefixes",
        printable(file)
    )]
    TooManyPrefixes {
        /// Its name.
        file: String,
        /// The family that has too many.
        family: Family,
        /// The line, counted from one, with the first prefix too many.
        line: usize,
    },
    /// It has bad entries.
    #[error("{0}")]
    Bad(BadEntries),
}

impl ListFileError {
    /// Opening or reading `file` failed.
    pub(super) fn from_io(file: &str, error: io::Error) -> Self {
        let file = file.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { file },
            io::ErrorKind::IsADirectory => Self::Directory { file },
            _ => Self::Unreadable { file, error },
        }
    }
}

/// The bad entries of a file. Displayed as one line each, `file:line:column: why`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEntries {
    /// The file's name.
    pub file: String,
    /// The first thousand. In the order of the file, but what is never closed comes last.
    pub described: Vec<BadEntry>,
    /// How many more there are.
    pub more: usize,
}

/// An entry that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEntry {
    /// The line it is on, counted from one.
    pub line: usize,
    /// The column where it begins, in characters, counted from one.
    pub column: usize,
    /// As it is written, but shortened, and with control characters escaped.
    pub text: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl fmt::Display for BadEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = printable(&self.file);
        for (index, entry) in self.described.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{file}:{entry}")?;
        }
        match self.more {
            0 => Ok(()),
            1 => write!(f, "\n{file}: 1 more bad entry"),
            more => write!(f, "\n{file}: {more} more bad entries"),
        }
    }
}

impl fmt::Display for BadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            text,
            problem,
        } = self;
        write!(f, "{line}:{column}: `{text}` {problem}")
    }
}

/// What is wrong with an entry. Displayed as what to say after having quoted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Neither an address nor a prefix nor a range.
    #[error("is not an IPv4 or IPv6 address")]
    Address,
    /// An address, a slash, and no length.
    #[error("has no valid prefix length: this address takes /0 to /{max}")]
    Length {
        /// 32 or 128.
        max: u8,
    },
    /// A range from or to what is not an address.
    #[error("is a range of which one end is not an address")]
    RangeEnd,
    /// A range between the families.
    #[error("is a range from one address family into the other")]
    RangeFamilies,
    /// A range that ends before it begins.
    #[error("is a range that ends before it begins")]
    RangeReversed,
    /// An address in a set of the other family.
    #[error("is in a set for {set} addresses")]
    Family {
        /// What the set holds.
        set: Family,
    },
    /// Something in the place of something else.
    #[error("stands where {expected} should be")]
    Unexpected {
        /// What should be there.
        expected: &'static str,
    },
    /// The line, or the file, ends too early.
    #[error("is the last word, but {expected} should follow")]
    CutShort {
        /// What should follow.
        expected: &'static str,
    },
    /// A brace or quotation mark without its counterpart.
    #[error("is never closed")]
    NeverClosed,
    /// An ipset entry that excludes.
    #[error("is excluded from its set (`nomatch`): remove it here and put it into the deny list")]
    Nomatch,
    /// A set that does not hold just addresses.
    #[error("is not a supported set type: {supported} are")]
    SetType {
        /// Those that are.
        supported: &'static str,
    },
    /// Output of `ipset list`.
    #[error("looks like the output of `ipset list`: use that of `ipset save`")]
    IpsetList,
    /// Output of `nft -j`.
    #[error("begins JSON, which is not read: run `nft list set` without `-j`")]
    Json,
    /// An nft statement that is no address set.
    #[error("is not about a set of addresses: save just the sets, with `nft list set`")]
    NftStatement,
    /// `@set` or `$variable` in the place of an element.
    #[error("refers to elements that are elsewhere: write them here instead")]
    Reference,
}

fn size_or_more(size: Option<u64>) -> String {
    match size {
        Some(size) => format!("{size} bytes"),
        None => format!("more than {MAX_BYTES} bytes"),
    }
}
