//! What is shown of the traffic, and in which words.

use ratatui::style::Style;

use crate::{
    guard::Action,
    top::{
        model::{Interface, Setup, Standing},
        theme::Theme,
        traffic::Traffic,
        units::{bytes, compact},
    },
};

/// What the tables are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    pub(super) traffic: &'a Traffic,
    /// What drops come to.
    pub(super) dropping: &'static str,
    observing: bool,
    /// Whether some hits are not read.
    pub(super) too_many_prefixes: bool,
}

impl<'a> Content<'a> {
    pub(super) fn of_one(interface: &'a Interface) -> Self {
        Self::of_all(std::slice::from_ref(interface), &interface.traffic)
    }

    /// Several interfaces, and the sum of their traffic.
    pub(super) fn of_all(interfaces: &[Interface], traffic: &'a Traffic) -> Self {
        let some = |standing| interfaces.iter().any(|i| i.standing == standing);
        let (guarded, observing) = (some(Standing::Guarded), some(Standing::Observing));
        let mut setups = interfaces.iter().filter_map(|i| i.setup.as_ref());
        Self {
            traffic,
            dropping: match (guarded, observing) {
                (true, true) => "drop (some)",
                (false, true) => "would drop",
                (_, false) => "drop",
            },
            observing: observing && !guarded,
            too_many_prefixes: setups.any(Setup::has_too_many_prefixes),
        }
    }

    /// How an action is marked.
    pub(super) fn style(&self, action: Action, theme: Theme) -> Style {
        match action {
            Action::Pass => theme.passed(),
            Action::Drop if self.observing => theme.warning(),
            Action::Drop => theme.dropped(),
        }
    }

    /// A rate, once there are any.
    pub(super) fn rate(&self, packets: f64) -> String {
        if self.traffic.measured {
            compact(packets)
        } else {
            "-".to_owned()
        }
    }

    /// As [`Self::rate`], of bytes.
    pub(super) fn byte_rate(&self, rate: f64) -> String {
        if self.traffic.measured {
            bytes(rate)
        } else {
            "-".to_owned()
        }
    }
}
