//! What was accepted, but may not be what was meant.

use std::fmt;

use crate::prefix::Prefix;

/// How many prefixes with host bits are named, and how many sets. The rest is counted.
pub(super) const MAX_NAMED: usize = 20;

/// What the operator should be told about a list that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A prefix had host bits set, which were masked. At most twenty of a file.
    HostBits {
        /// The line it is on, counted from one.
        line: usize,
        /// As it was written.
        written: String,
        /// What was taken instead.
        prefix: Prefix,
    },
    /// So did this many more.
    MoreHostBits(usize),
    /// This many entries repeated a prefix that the file has already.
    Repeated(usize),
    /// This many entries would have expired in the set that they were saved from. Here they stay.
    Expiring(usize),
    /// The file holds several sets, which became one list.
    SeveralSets {
        /// The names of the first twenty.
        names: Vec<String>,
        /// How many sets there are.
        count: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostBits {
                line,
                written,
                prefix,
            } => write!(
                f,
                "line {line}: `{written}` has host bits set, read as {prefix}"
            ),
            Self::MoreHostBits(count) => {
                write!(f, "{count} more had host bits set, which were masked")
            }
            Self::Repeated(1) => f.write_str("1 entry repeats an earlier one"),
            Self::Repeated(count) => write!(f, "{count} entries repeat earlier ones"),
            Self::Expiring(1) => f.write_str("1 entry has a timeout, but will not expire here"),
            Self::Expiring(count) => {
                write!(
                    f,
                    "{count} entries have a timeout, but will not expire here"
                )
            }
            Self::SeveralSets { names, count } => {
                write!(
                    f,
                    "{count} sets were read as one list: {}",
                    names.join(", ")
                )?;
                if names.len() < *count {
                    f.write_str(", …")?;
                }
                Ok(())
            }
        }
    }
}
