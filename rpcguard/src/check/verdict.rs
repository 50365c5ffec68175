//! What a check comes to.

/// Whether a portmapper is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nobody but those who are meant to is answered.
    NotExposed,
    /// Anybody is served at a limited rate, or answered small calls only: of no use to an attacker.
    Limited,
    /// Could not tell.
    Unknown,
    /// Anybody is answered.
    Exposed,
}

impl Verdict {
    /// The word for it in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotExposed => "not_exposed",
            Self::Limited => "limited",
            Self::Unknown => "unknown",
            Self::Exposed => "exposed",
        }
    }

    /// The word that a line with the verdict begins with.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::NotExposed => "not exposed",
            Self::Limited => "limited",
            Self::Unknown => "could not tell",
            Self::Exposed => "EXPOSED",
        }
    }

    /// The verdict about several: exposed if one of them is, and otherwise as uncertain as the most
    /// uncertain one.
    #[must_use]
    pub fn of_all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Exposed, Limited, NotExposed, Unknown};

    #[test]
    fn one_exposed_address_is_enough_and_one_unknown_one_leaves_doubt() {
        for (verdicts, all) in [
            (&[NotExposed, Exposed, Unknown][..], Exposed),
            (&[NotExposed, Unknown, Limited], Unknown),
            (&[NotExposed, Limited], Limited),
            (&[NotExposed], NotExposed),
            (&[], Unknown),
        ] {
            assert_eq!(Verdict::of_all(verdicts.iter().copied()), all);
        }
    }
}
