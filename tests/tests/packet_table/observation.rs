//! What can be seen of a decision from outside.

use std::fmt;

use anyhow::Result;
use rpcguard::prefix::Prefix;
use rpcguard_common::{
    abi::{Counter, RequestCounter},
    packet::SliceReader,
    policy::{Outcome, decide},
    reason::{Action, Reason},
    rpc::Request,
};
use rpcguard_tests::kernel::{Kernel, Program};

use crate::case::Case;

/// The action, and all that was counted.
#[derive(Debug, PartialEq)]
pub(crate) struct Observation {
    action: Action,
    reasons: Vec<(Reason, Counter)>,
    requests: Vec<(Request, RequestCounter)>,
    hits: Vec<(Prefix, Counter)>,
}

impl Observation {
    /// What the table says. Where it leaves the prefix or the request open, the host tells.
    pub(crate) fn expected(case: &Case) -> Self {
        let outcome = host_outcome(case);
        let decider = match case.decider {
            Some(text) => Some(text.parse().expect("a prefix of the table")),
            None => outcome.and_then(|outcome| decider(case, outcome)),
        };
        let request = case.request.or(outcome.map(|outcome| outcome.request));
        Self::of(case, case.expected, request, decider)
    }

    /// What the core says on the host.
    pub(crate) fn on_host(case: &Case) -> Self {
        let outcome = host_outcome(case);
        let reason = outcome.map(|outcome| outcome.reason);
        let request = outcome.map(|outcome| outcome.request);
        let decider = outcome.and_then(|outcome| decider(case, outcome));
        Self::of(case, reason, request, decider)
    }

    /// What a program does in the kernel.
    pub(crate) fn in_kernel(kernel: &mut Kernel, program: Program, case: &Case) -> Result<Self> {
        kernel.apply(&case.setup)?;
        let action = kernel.run(program, &case.frame)?;
        let counters = kernel.counters()?;
        let counted = |counter: &Counter| *counter != Counter::default();
        let reasons = Reason::ALL.map(|reason| (reason, counters.reasons[reason.index()]));
        let requests = Request::all().map(|request| (request, counters.requests[request.index()]));
        let mut hits = Vec::new();
        for (slot, (prefix, _)) in (1..).zip(&case.setup.prefixes) {
            hits.push((*prefix, kernel.hits(slot)?));
        }
        Ok(Self {
            action,
            reasons: reasons
                .into_iter()
                .filter(|(_, counter)| counted(counter))
                .collect(),
            requests: requests
                .filter(|(_, counter)| *counter != RequestCounter::default())
                .collect(),
            hits: hits
                .into_iter()
                .filter(|(_, counter)| counted(counter))
                .collect(),
        })
    }

    /// One packet, counted once under its reason, once under what it asks for and what became of it,
    /// and once under the prefix that decided.
    fn of(
        case: &Case,
        reason: Option<Reason>,
        request: Option<Request>,
        decider: Option<Prefix>,
    ) -> Self {
        let once = Counter {
            packets: 1,
            bytes: case.frame.len() as u64,
        };
        let action = match reason {
            Some(reason) if !case.setup.observe => reason.action(),
            _ => Action::Pass,
        };
        let mut counter = RequestCounter::default();
        match action {
            Action::Pass => counter.passed = once,
            Action::Drop => counter.dropped = once,
        }
        // Whatever has a reason asks for something, if only for what nobody can tell.
        let request = reason.and(request.or(Some(Request::UNKNOWN)));
        Self {
            action,
            reasons: reason.into_iter().map(|reason| (reason, once)).collect(),
            requests: request
                .into_iter()
                .map(|request| (request, counter))
                .collect(),
            hits: decider.into_iter().map(|prefix| (prefix, once)).collect(),
        }
    }
}

fn host_outcome(case: &Case) -> Option<Outcome> {
    decide(&SliceReader(&case.frame), case.setup.link, &case.setup)
}

/// The prefix whose hits an outcome counts under.
fn decider(case: &Case, outcome: Outcome) -> Option<Prefix> {
    let index = (outcome.hit_slot as usize).checked_sub(1)?;
    Some(case.setup.prefixes[index].0)
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.action)?;
        for (reason, Counter { packets, bytes }) in &self.reasons {
            write!(f, ", {} {packets}/{bytes}", reason.name())?;
        }
        for (request, RequestCounter { passed, dropped }) in &self.requests {
            let name = request.name();
            write!(f, ", {name} passed {}/{}", passed.packets, passed.bytes)?;
            write!(f, " and dropped {}/{}", dropped.packets, dropped.bytes)?;
        }
        for (prefix, Counter { packets, bytes }) in &self.hits {
            write!(f, ", hits of {prefix} {packets}/{bytes}")?;
        }
        Ok(())
    }
}
