//! What the filter counted.

use rpcguard_common::{
    abi::{Counter, Counters},
    reason::Reason,
};

use super::Guard;
use crate::error::{Doing as _, Result};

/// Packets and bytes by reason, all CPUs together, since the filter was attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReasonCounters(Counters);

impl ReasonCounters {
    /// The counter of one reason.
    #[must_use]
    pub const fn of(&self, reason: Reason) -> Counter {
        self.0.reasons[reason.index()]
    }

    /// Every reason with its counter.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, Counter)> + '_ {
        Reason::ALL
            .into_iter()
            .map(|reason| (reason, self.of(reason)))
    }
}

impl Guard {
    /// Reads the counters. It is one system call, and does not hold packets up.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn counters(&self) -> Result<ReasonCounters> {
        let failed = format!("read the counters of `{}`", self.interface.name);
        let values = self.counters.get(&0, 0).doing(failed)?;
        let mut total = Counters::default();
        for (index, counter) in total.reasons.iter_mut().enumerate() {
            *counter = sum(values.iter().map(|counters| &counters.reasons[index]));
        }
        Ok(ReasonCounters(total))
    }
}

/// Adds up what each CPU counted.
pub(super) fn sum<'a>(counters: impl Iterator<Item = &'a Counter>) -> Counter {
    counters.fold(Counter::default(), |sum, counter| Counter {
        packets: sum.packets.wrapping_add(counter.packets),
        bytes: sum.bytes.wrapping_add(counter.bytes),
    })
}
