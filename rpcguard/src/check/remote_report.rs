//! What the answers of another host come to.

use std::{net::IpAddr, time::SystemTime};

use rpcguard_common::parse::Transport;

use super::{Outcome, Probe, ProbeResult, Verdict};
use crate::portmapper::Registrations;

/// What an address answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressReport {
    /// The address.
    pub address: IpAddr,
    /// The address that it was asked from, if it could be asked.
    pub vantage: Option<IpAddr>,
    /// All probes.
    pub probes: Vec<ProbeResult>,
}

impl AddressReport {
    /// Whether the address is one of this host: what it answers over loopback, no guard or firewall sees.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.vantage == Some(self.address)
    }

    /// The most complete list of what is registered.
    #[must_use]
    pub fn registrations(&self) -> Option<&Registrations> {
        let lists = self
            .probes
            .iter()
            .filter_map(|probe| Some((probe, probe.answer()?.registrations.as_ref()?)));
        lists
            .max_by_key(|(probe, list)| (list.entries.len(), probe.version))
            .map(|(_, list)| list)
    }

    /// The probe over UDP whose reply is largest beside its request, and how many times it is, of payload
    /// and on the wire.
    #[must_use]
    pub fn amplification(&self) -> Option<(&ProbeResult, [f64; 2])> {
        self.probes
            .iter()
            .filter_map(|probe| Some((probe, probe.factors(self.address.is_ipv6())?)))
            .max_by(|(_, [a, _]), (_, [b, _])| a.total_cmp(b))
    }

    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let answered: Vec<&ProbeResult> = self
            .probes
            .iter()
            .filter(|probe| probe.answer().is_some())
            .collect();
        if answered.is_empty() {
            let failed = |probe: &ProbeResult| {
                matches!(probe.outcome, Outcome::Failed(_) | Outcome::Garbage(_))
            };
            return if self.probes.is_empty() || self.probes.iter().any(failed) {
                Verdict::Unknown
            } else {
                Verdict::NotExposed
            };
        }
        let listed = self.registrations().is_some();
        let relayed = answered.iter().any(|probe| probe.probe == Probe::Relay);
        let over_tcp = answered
            .iter()
            .any(|probe| probe.transport == Transport::Tcp);
        let amplified = self
            .amplification()
            .is_some_and(|(_, [payload, wire])| payload > 1.0 || wire > 1.0);
        if listed || relayed || over_tcp || amplified {
            Verdict::Exposed
        } else {
            Verdict::Limited
        }
    }
}

/// What a host answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReport {
    /// The host, as it was named.
    pub host: String,
    /// When the first probe was sent.
    pub started: SystemTime,
    /// When the last answer had come, or had been waited for.
    pub finished: SystemTime,
    /// Its addresses.
    pub addresses: Vec<AddressReport>,
    /// How many more there are, which were not asked.
    pub more_addresses: usize,
}

impl HostReport {
    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of_all(self.addresses.iter().map(AddressReport::verdict))
    }
}
