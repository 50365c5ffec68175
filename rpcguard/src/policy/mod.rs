//! What is guarded, and how, as people say it.

mod destinations;
mod procedures;
mod rate;

use std::collections::BTreeSet;

use rpcguard_common::abi::{PortSet, Settings, flag};

pub use destinations::Destinations;
pub use procedures::{ParseProceduresError, Procedures};
pub use rate::{ParseRateError, Rate, RateChange, RateLimit, RatePolicy};

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
    /// What happens to packets from sources that no prefix covers: they are served at this rate, or
    /// dropped.
    pub rate: Option<RatePolicy>,
    /// Packets to which destinations are guarded at all.
    pub destinations: Destinations,
}

/// What to change about a policy; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// See [`Policy::ports`].
    pub ports: Option<BTreeSet<u16>>,
    /// Ports to guard besides.
    pub more_ports: BTreeSet<u16>,
    /// See [`Policy::tcp`].
    pub tcp: Option<bool>,
    /// See [`Policy::observe`].
    pub observe: Option<bool>,
    /// See [`Policy::rate`].
    pub rate: RateChange,
    /// See [`Policy::destinations`].
    pub destinations: Option<Destinations>,
}

/// A limit of the rate policy is to be changed, and no rate policy is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRatePolicy;

impl Default for Policy {
    /// UDP to the portmapper's port.
    fn default() -> Self {
        Self {
            ports: BTreeSet::from([PORTMAPPER_PORT]),
            tcp: false,
            observe: false,
            rate: None,
            destinations: Destinations::All,
        }
    }
}

impl Policy {
    /// Carries a change out.
    ///
    /// # Errors
    ///
    /// [`NoRatePolicy`].
    pub fn apply(&mut self, change: &PolicyChange) -> Result<(), NoRatePolicy> {
        self.rate = change.rate.applied_to(self.rate.take())?;
        if let Some(ports) = &change.ports {
            self.ports.clone_from(ports);
        }
        self.ports.extend(&change.more_ports);
        self.tcp = change.tcp.unwrap_or(self.tcp);
        self.observe = change.observe.unwrap_or(self.observe);
        if let Some(destinations) = &change.destinations {
            self.destinations.clone_from(destinations);
        }
        Ok(())
    }

    /// The policy in the filter's settings. Which destinations are guarded is in a map of its own.
    #[must_use]
    pub fn from_settings(settings: &Settings, destinations: Destinations) -> Self {
        Self {
            ports: settings.ports.iter().collect(),
            tcp: settings.flags & flag::TCP != 0,
            observe: settings.flags & flag::OBSERVE != 0,
            rate: (settings.flags & flag::RATE != 0).then(|| RatePolicy::from_settings(settings)),
            destinations,
        }
    }

    /// Writes the policy as the filter has it; what else is in the settings stays, such as which of the two
    /// sets of destinations is meant.
    pub fn write_to(&self, settings: &mut Settings) {
        settings.ports = PortSet::EMPTY;
        for port in &self.ports {
            settings.ports.insert(*port);
        }
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        settings.flags = settings.flags & flag::SECOND_SET
            | bit(self.tcp, flag::TCP)
            | bit(self.observe, flag::OBSERVE)
            | bit(self.rate.is_some(), flag::RATE)
            | bit(self.destinations != Destinations::All, flag::SELECTIVE);
        if let Some(rate) = &self.rate {
            rate.write_to(settings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_ports_are_added_to_those_that_there_are() {
        let more_ports = BTreeSet::from([111, 50_000]);
        for (before, ports, after) in [
            (&[111][..], None, &[111, 50_000][..]),
            (&[2049], None, &[111, 2049, 50_000]),
            (&[2049], Some(BTreeSet::from([7])), &[7, 111, 50_000]),
        ] {
            let mut policy = Policy {
                ports: before.iter().copied().collect(),
                ..Policy::default()
            };
            let change = PolicyChange {
                ports,
                more_ports: more_ports.clone(),
                ..PolicyChange::default()
            };
            policy.apply(&change).unwrap();
            assert!(policy.ports.iter().eq(after), "{policy:?}");
        }
    }

    #[test]
    fn settings_hold_the_whole_policy() {
        for number in 0..16 {
            let policy = Policy {
                ports: BTreeSet::from([0, 111, 1023, u16::MAX]),
                tcp: number & 1 != 0,
                observe: number & 2 != 0,
                rate: (number & 4 != 0).then(|| RatePolicy {
                    procedures: "NULL,v4.GETSTAT".parse().unwrap(),
                    source: RateLimit {
                        rate: "7/m".parse().unwrap(),
                        burst: 3,
                    },
                    ..RatePolicy::default()
                }),
                destinations: if number & 8 != 0 {
                    Destinations::Only(BTreeSet::from(["192.0.2.0/24".parse().unwrap()]))
                } else {
                    Destinations::All
                },
            };
            let mut settings = Settings::EMPTY;
            settings.flags = flag::SECOND_SET;
            policy.write_to(&mut settings);
            let destinations = policy.destinations.clone();
            assert_eq!(Policy::from_settings(&settings, destinations), policy);
            assert_eq!(flag::destinations(settings.flags), 1);
            assert_eq!(settings.flags & flag::SELECTIVE != 0, number & 8 != 0);
        }
    }
}
