//! What is guarded, and how, as people say it.

use std::collections::BTreeSet;

use rpcguard_common::abi::{PortSet, Settings, flag};

/// The portmapper's port (RFC 1833 section 2.1).
pub const PORTMAPPER_PORT: u16 = 111;

/// What is guarded, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The guarded destination ports.
    pub ports: BTreeSet<u16>,
    /// Whether TCP connections to these ports are guarded as well as UDP.
    pub tcp: bool,
    /// Whether to count only, and pass everything.
    pub observe: bool,
}

/// What to change about a policy; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// See [`Policy::ports`].
    pub ports: Option<BTreeSet<u16>>,
    /// See [`Policy::tcp`].
    pub tcp: Option<bool>,
    /// See [`Policy::observe`].
    pub observe: Option<bool>,
}

impl Default for Policy {
    /// UDP to the portmapper's port.
    fn default() -> Self {
        Self {
            ports: BTreeSet::from([PORTMAPPER_PORT]),
            tcp: false,
            observe: false,
        }
    }
}

impl Policy {
    /// Carries a change out.
    pub fn apply(&mut self, change: &PolicyChange) {
        if let Some(ports) = &change.ports {
            self.ports.clone_from(ports);
        }
        self.tcp = change.tcp.unwrap_or(self.tcp);
        self.observe = change.observe.unwrap_or(self.observe);
    }

    pub(crate) fn from_settings(settings: &Settings) -> Self {
        Self {
            ports: settings.ports.iter().collect(),
            tcp: settings.flags & flag::TCP != 0,
            observe: settings.flags & flag::OBSERVE != 0,
        }
    }

    pub(crate) fn write_to(&self, settings: &mut Settings) {
        settings.ports = PortSet::EMPTY;
        for port in &self.ports {
            settings.ports.insert(*port);
        }
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        settings.flags = bit(self.tcp, flag::TCP) | bit(self.observe, flag::OBSERVE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_hold_the_whole_policy() {
        for (tcp, observe) in [(false, false), (false, true), (true, false), (true, true)] {
            let policy = Policy {
                ports: BTreeSet::from([0, 111, 1023, u16::MAX]),
                tcp,
                observe,
            };
            let mut settings = Settings::EMPTY;
            policy.write_to(&mut settings);
            assert_eq!(Policy::from_settings(&settings), policy);
        }
    }
}
