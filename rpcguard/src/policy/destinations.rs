//! Which destinations are guarded.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use crate::prefix::Prefix;

/// The destinations that are guarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destinations {
    /// All that packets arrive for.
    #[default]
    All,
    /// Those in these prefixes, and all that share their packets: limited broadcast, and multicast.
    Only(BTreeSet<Prefix>),
}

impl Destinations {
    /// Whether packets to `address`, of one host, are guarded.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        match self {
            Self::All => true,
            Self::Only(prefixes) => prefixes
                .iter()
                .any(|prefix| prefix.contains(address.into())),
        }
    }

    /// The prefixes, if not all destinations are guarded.
    #[must_use]
    pub const fn prefixes(&self) -> Option<&BTreeSet<Prefix>> {
        match self {
            Self::All => None,
            Self::Only(prefixes) => Some(prefixes),
        }
    }
}

impl fmt::Display for Destinations {
    /// The prefixes, the first few of many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let Self::Only(prefixes) = self else {
            return f.write_str("all");
        };
        let shown: Vec<_> = prefixes.iter().take(SHOWN).map(Prefix::to_string).collect();
        f.write_str(&shown.join(", "))?;
        match prefixes.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
