//! What is demanded of a figure, and whether it is reached.

use crate::samples::Samples;

/// What is demanded of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Nothing: it is shown.
    None,
    /// So much or less.
    AtMost(f64),
    /// So much or more.
    AtLeast(f64),
}

/// Whether a target was reached, as far as the spread of the rounds tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing was demanded.
    Shown,
    Reached,
    /// The result misses it, but a quarter of the rounds reach it.
    Unclear,
    Missed,
}

impl Target {
    pub(super) fn verdict(self, result: f64, rounds: &Samples) -> Verdict {
        let (result_reaches, best_quarter_reaches) = match self {
            Self::None => return Verdict::Shown,
            Self::AtMost(limit) => (result <= limit, rounds.lower_quartile() <= limit),
            Self::AtLeast(limit) => (result >= limit, rounds.upper_quartile() >= limit),
        };
        match (result_reaches, best_quarter_reaches) {
            (true, _) => Verdict::Reached,
            (false, true) => Verdict::Unclear,
            (false, false) => Verdict::Missed,
        }
    }

    pub(super) const fn limit(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::AtMost(limit) | Self::AtLeast(limit) => Some(limit),
        }
    }

    /// As it stands in a table.
    pub(super) fn shown(self) -> String {
        match self {
            Self::None => String::new(),
            Self::AtMost(limit) => format!("<= {limit}"),
            Self::AtLeast(limit) => format!(">= {limit}"),
        }
    }
}

impl Verdict {
    /// As it stands in a table.
    pub(super) const fn shown(self) -> &'static str {
        match self {
            Self::Shown => "",
            Self::Reached => "reached",
            Self::Unclear => "unclear",
            Self::Missed => "MISSED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, Verdict};
    use crate::samples::Samples;

    /// Rounds whose quartiles are a quarter and three quarters.
    fn rounds() -> Samples {
        Samples::new(
            (0..=100)
                .map(|percent| f64::from(percent) / 100.0)
                .collect(),
        )
    }

    #[test]
    fn nothing_misses_where_nothing_is_demanded() {
        assert_eq!(Target::None.verdict(1e9, &rounds()), Verdict::Shown);
    }

    #[test]
    fn a_result_at_its_limit_reaches_it() {
        assert_eq!(
            Target::AtMost(0.5).verdict(0.5, &rounds()),
            Verdict::Reached
        );
        assert_eq!(
            Target::AtLeast(0.5).verdict(0.5, &rounds()),
            Verdict::Reached
        );
    }

    #[test]
    fn a_target_that_a_quarter_of_the_rounds_reach_is_not_clearly_missed() {
        assert_eq!(
            Target::AtMost(0.3).verdict(0.5, &rounds()),
            Verdict::Unclear
        );
        assert_eq!(
            Target::AtLeast(0.7).verdict(0.5, &rounds()),
            Verdict::Unclear
        );
    }

    #[test]
    fn a_target_that_fewer_rounds_reach_is_missed() {
        assert_eq!(Target::AtMost(0.2).verdict(0.5, &rounds()), Verdict::Missed);
        assert_eq!(
            Target::AtLeast(0.8).verdict(0.5, &rounds()),
            Verdict::Missed
        );
    }
}
