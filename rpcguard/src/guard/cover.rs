//! Which prefixes cover which, found on one way through them.

use crate::prefix::Prefix;

/// The prefixes that cover the one that a way in ascending order has come to: a prefix comes before
/// those that it covers.
#[derive(Debug)]
pub(super) struct Cover<T> {
    /// Each covers the next.
    nested: Vec<(Prefix, T)>,
}

impl<T> Cover<T> {
    /// At the beginning of the way.
    pub(super) const fn new() -> Self {
        Self { nested: Vec::new() }
    }

    /// Goes on to `prefix`, and tells the longest of those on the way that covers it.
    pub(super) fn advance(&mut self, prefix: Prefix) -> Option<&(Prefix, T)> {
        while self
            .nested
            .pop_if(|(last, _)| !last.contains(prefix))
            .is_some()
        {}
        self.nested.last()
    }

    /// Takes note of the prefix that it has gone on to.
    pub(super) fn push(&mut self, prefix: Prefix, what: T) {
        self.nested.push((prefix, what));
    }
}
