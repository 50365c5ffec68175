//! One row of the table.

use rpcguard::policy::{Procedures, RateLimit, RatePolicy};
use rpcguard_common::{parse::LinkLayer, reason::Reason, rpc::Request};
use rpcguard_tests::packet::{Setup, prefixes};

/// What is expected of a packet that is not the filter's business: it passes and is not counted.
pub(crate) const IGNORED: Option<Reason> = None;
/// See [`Reason::Allowed`].
pub(crate) const ALLOWED: Option<Reason> = Some(Reason::Allowed);
/// See [`Reason::Unlisted`].
pub(crate) const UNLISTED: Option<Reason> = Some(Reason::Unlisted);
/// See [`Reason::Denied`].
pub(crate) const DENIED: Option<Reason> = Some(Reason::Denied);
/// See [`Reason::WithinRate`].
pub(crate) const WITHIN_RATE: Option<Reason> = Some(Reason::WithinRate);
/// See [`Reason::OverRate`].
pub(crate) const OVER_RATE: Option<Reason> = Some(Reason::OverRate);
/// See [`Reason::Amplifier`].
pub(crate) const AMPLIFIER: Option<Reason> = Some(Reason::Amplifier);
/// See [`Reason::Malformed`].
pub(crate) const MALFORMED: Option<Reason> = Some(Reason::Malformed);
/// See [`Reason::Fragment`].
pub(crate) const FRAGMENT: Option<Reason> = Some(Reason::Fragment);
/// See [`Reason::Undecidable`].
pub(crate) const UNDECIDABLE: Option<Reason> = Some(Reason::Undecidable);
/// See [`Reason::LaterFragment`].
pub(crate) const LATER_FRAGMENT: Option<Reason> = Some(Reason::LaterFragment);

/// A frame, and what the filter says to it under a setup.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What makes the frame worth a test; unique in the table.
    pub(crate) name: String,
    pub(crate) frame: Vec<u8>,
    pub(crate) expected: Option<Reason>,
    /// The prefix that must decide, where a case is about that.
    pub(crate) decider: Option<&'static str>,
    /// What must be counted as asked for, where a case is about that.
    pub(crate) request: Option<Request>,
    pub(crate) setup: Setup,
}

/// A row under the default setup.
pub(crate) fn case(
    name: impl Into<String>,
    expected: Option<Reason>,
    frame: impl Into<Vec<u8>>,
) -> Case {
    Case {
        name: name.into(),
        frame: frame.into(),
        expected,
        decider: None,
        request: None,
        setup: Setup::default(),
    }
}

impl Case {
    /// On a device without link layer.
    pub(crate) fn on_layer3(mut self) -> Self {
        self.setup.link = LinkLayer::None;
        self
    }

    /// With TCP guarded.
    pub(crate) fn guarding_tcp(mut self) -> Self {
        self.setup.tcp = true;
        self
    }

    /// Counting only.
    pub(crate) fn observing(mut self) -> Self {
        self.setup.observe = true;
        self
    }

    /// With these ports guarded instead of 111.
    pub(crate) fn guarding(mut self, ports: &[u16]) -> Self {
        self.setup.ports = ports.to_vec();
        self
    }

    /// With these lists instead of the default ones.
    pub(crate) fn listing(mut self, allow: &[&str], deny: &[&str]) -> Self {
        self.setup.prefixes = prefixes(allow, deny);
        self
    }

    /// With packets to these destinations guarded only.
    pub(crate) fn only_to(mut self, destinations: &[&str]) -> Self {
        let parsed = destinations.iter().map(|text| text.parse());
        self.setup.destinations = Some(parsed.collect::<Result<_, _>>().expect("prefixes"));
        self
    }

    /// Requires that this prefix decides, and counts the hit.
    pub(crate) fn decided_by(mut self, prefix: &'static str) -> Self {
        self.decider = Some(prefix);
        self
    }

    /// Under the rate policy, with limits that one packet does not reach.
    pub(crate) fn limiting_rate(mut self) -> Self {
        let ample = RateLimit {
            rate: "1000000/s".parse().expect("a rate"),
            burst: RateLimit::MAX_BURST,
        };
        self.setup.rate = Some(RatePolicy {
            source: ample,
            prefix: ample,
            total: ample,
            procedures: Procedures::default(),
        });
        self
    }

    /// Under the rate policy, with these procedures served instead of the default ones.
    pub(crate) fn serving(self, procedures: &str) -> Self {
        let mut case = self.limiting_rate();
        let policy = case.setup.rate.as_mut().expect("set just now");
        policy.procedures = procedures.parse().expect("procedures");
        case
    }

    /// Under the rate policy, when all that it lets pass has been used up.
    pub(crate) fn exhausted(self) -> Self {
        let mut case = self.limiting_rate();
        case.setup.exhausted = true;
        case
    }

    /// Requires that this is counted as asked for.
    pub(crate) fn asking(mut self, request: Request) -> Self {
        self.request = Some(request);
        self
    }
}
