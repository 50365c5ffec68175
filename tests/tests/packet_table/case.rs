//! One row of the table.

use rpcguard_common::{parse::LinkLayer, reason::Reason};
use rpcguard_tests::packet::{Setup, prefixes};

/// What is expected of a packet that is not the filter's business: it passes and is not counted.
pub(crate) const IGNORED: Option<Reason> = None;
/// See [`Reason::Allowed`].
pub(crate) const ALLOWED: Option<Reason> = Some(Reason::Allowed);
/// See [`Reason::Unlisted`].
pub(crate) const UNLISTED: Option<Reason> = Some(Reason::Unlisted);
/// See [`Reason::Denied`].
pub(crate) const DENIED: Option<Reason> = Some(Reason::Denied);
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

    /// Requires that this prefix decides, and counts the hit.
    pub(crate) fn decided_by(mut self, prefix: &'static str) -> Self {
        self.decider = Some(prefix);
        self
    }
}
