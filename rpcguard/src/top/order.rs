//! In which order rows are shown.

use std::cmp::Ordering;

use super::traffic::{PrefixFlow, RequestFlow, SourceFlow};
use crate::{
    guard::{Request, Verdict},
    prefix::Prefix,
};

/// By what rows are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The fastest first.
    #[default]
    Rate,
    /// The largest first.
    Total,
    /// As names are read.
    Name,
}

impl Sort {
    /// The word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Total => "total",
            Self::Name => "name",
        }
    }

    /// The one after it.
    #[must_use]
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::Rate => Self::Total,
            Self::Total => Self::Name,
            Self::Name => Self::Rate,
        }
    }

    /// The rows that have occurred, in this order.
    pub(crate) fn rows<T: Row>(self, rows: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut rows: Vec<T> = rows.into_iter().filter(|row| row.total() != 0).collect();
        let by_rate = |a: &T, b: &T| b.rate().total_cmp(&a.rate());
        let by_total = |a: &T, b: &T| b.total().cmp(&a.total());
        rows.sort_by(|a, b| {
            let order = match self {
                Self::Rate => by_rate(a, b).then_with(|| by_total(a, b)),
                Self::Total => by_total(a, b).then_with(|| by_rate(a, b)),
                Self::Name => Ordering::Equal,
            };
            order.then_with(|| a.name().cmp(&b.name()))
        });
        rows
    }
}

/// What can be sorted.
pub(crate) trait Row {
    /// By what it is told from others.
    type Name: Ord;

    fn name(&self) -> Self::Name;
    /// Packets a second.
    fn rate(&self) -> f64;
    /// Packets.
    fn total(&self) -> u64;
}

impl Row for (Request, RequestFlow) {
    type Name = Request;

    fn name(&self) -> Self::Name {
        self.0
    }

    fn rate(&self) -> f64 {
        self.1.passed.rate.packets + self.1.dropped.rate.packets
    }

    fn total(&self) -> u64 {
        self.1.passed.total.packets + self.1.dropped.total.packets
    }
}

impl Row for SourceFlow {
    type Name = Prefix;

    fn name(&self) -> Self::Name {
        self.prefix
    }

    fn rate(&self) -> f64 {
        self.flow.rate.packets
    }

    fn total(&self) -> u64 {
        self.flow.total.packets
    }
}

impl Row for PrefixFlow {
    type Name = (Prefix, Verdict);

    fn name(&self) -> Self::Name {
        (self.prefix, self.verdict)
    }

    fn rate(&self) -> f64 {
        self.flow.rate.packets
    }

    fn total(&self) -> u64 {
        self.flow.total.packets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Letter(char, f64, u64);

    impl Row for Letter {
        type Name = char;

        fn name(&self) -> char {
            self.0
        }

        fn rate(&self) -> f64 {
            self.1
        }

        fn total(&self) -> u64 {
            self.2
        }
    }

    #[test]
    fn each_order_is_what_it_is_called_and_leaves_out_what_never_occurred() {
        let order = |sort: Sort| -> String {
            let letters = [
                Letter('c', 1.0, 30),
                Letter('a', 1.0, 30),
                Letter('b', 2.0, 5),
                Letter('d', 0.0, 99),
                Letter('z', 0.0, 0),
            ];
            sort.rows(letters).iter().map(|letter| letter.0).collect()
        };
        assert_eq!(order(Sort::Rate), "bacd");
        assert_eq!(order(Sort::Rate.next()), "dacb");
        assert_eq!(order(Sort::Name), "abcd");
        assert_eq!(Sort::Name.next(), Sort::Rate);
    }
}
