//! What the filter counted.

use rpcguard_common::{
    abi::{Counter, Counters, RequestCounter},
    reason::Reason,
    rpc::Request,
};

use super::Guard;
use crate::error::{Doing as _, Result};

/// Packets and bytes, all CPUs together, since the filter was attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilterCounters(Counters);

impl FilterCounters {
    /// The counter of one reason.
    #[must_use]
    pub const fn reason(&self, reason: Reason) -> Counter {
        self.0.reasons[reason.index()]
    }

    /// Every reason with its counter, in the order of their numbers.
    pub fn reasons(&self) -> impl Iterator<Item = (Reason, Counter)> + '_ {
        Reason::ALL
            .into_iter()
            .map(|reason| (reason, self.reason(reason)))
    }

    /// What became of the packets that asked for the same.
    #[must_use]
    pub const fn request(&self, request: Request) -> RequestCounter {
        self.0.requests[request.index()]
    }

    /// Every request with its counters, in the order of their numbers.
    pub fn requests(&self) -> impl Iterator<Item = (Request, RequestCounter)> + '_ {
        Request::all().map(|request| (request, self.request(request)))
    }
}

impl Guard {
    /// Reads the counters. It is one system call, and does not hold packets up.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn counters(&self) -> Result<FilterCounters> {
        let failed = format!("read the counters of `{}`", self.interface.name);
        let values = self.counters.get(&0, 0).doing(failed)?;
        let mut total = Counters::default();
        for (index, counter) in total.reasons.iter_mut().enumerate() {
            *counter = sum(values.iter().map(|counters| &counters.reasons[index]));
        }
        for (index, counter) in total.requests.iter_mut().enumerate() {
            let each = || values.iter().map(|counters| &counters.requests[index]);
            counter.passed = sum(each().map(|request| &request.passed));
            counter.dropped = sum(each().map(|request| &request.dropped));
        }
        Ok(FilterCounters(total))
    }
}

/// Adds up what each CPU counted.
pub(super) fn sum<'a>(counters: impl Iterator<Item = &'a Counter>) -> Counter {
    counters.fold(Counter::default(), |sum, counter| Counter {
        packets: sum.packets.wrapping_add(counter.packets),
        bytes: sum.bytes.wrapping_add(counter.bytes),
    })
}
