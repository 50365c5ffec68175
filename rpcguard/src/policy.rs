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
