//! The answers of another host, and their verdict.

use std::{
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};

use rpcguard_common::parse::Transport;

use super::{Asking, Finding, Outcome, Probe, ProbeResult, Reachable, Verdict};
use crate::portmapper::Registrations;

/// The answers of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressReport {
    /// The address.
    pub address: IpAddr,
    /// The address that it was asked from, if it could be asked.
    pub vantage: Option<IpAddr>,
    /// All probes.
    pub probes: Vec<ProbeResult>,
    /// mountd and NFS, as far as they are registered.
    pub services: Vec<Reachable>,
}

impl AddressReport {
    /// Whether the address is one of this host: what it answers over loopback, no guard or firewall
    /// sees.
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

    /// The probe over UDP whose reply is largest beside its request, and how many times it is, of
    /// payload and on the wire.
    #[must_use]
    pub fn amplification(&self) -> Option<(&ProbeResult, [f64; 2])> {
        self.probes
            .iter()
            .filter_map(|probe| Some((probe, probe.factors(self.address.is_ipv6())?)))
            .max_by(|(_, [a, _]), (_, [b, _])| a.total_cmp(b))
    }

    /// Returns the finding about one transport.
    #[must_use]
    pub fn finding_over(&self, transport: Transport) -> Finding {
        let probes = self.probes.iter();
        let seen: Vec<_> = probes
            .filter(|probe| probe.transport == transport)
            .map(|probe| probe.seen(self.address.is_ipv6()))
            .collect();
        Finding::of(&seen)
    }

    /// Returns the more certain exposure of the two transports.
    #[must_use]
    pub fn finding(&self) -> Finding {
        self.finding_over(Transport::Udp)
            .max(self.finding_over(Transport::Tcp))
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.finding().verdict()
    }

    /// Whether nothing reached the address, for a reason of the host that asks.
    #[must_use]
    pub fn could_not_be_asked(&self) -> bool {
        let mut probes = self.probes.iter();
        probes.all(|probe| matches!(probe.outcome, Outcome::Failed(_)))
    }

    /// Whether large replies over UDP may be lost on the way: small ones come, and not all that may
    /// be in fragments.
    #[must_use]
    pub fn may_lose_large_replies(&self) -> bool {
        let silent = |probe: &ProbeResult| {
            probe.transport == Transport::Udp
                && matches!(probe.probe, Probe::Dump(_) | Probe::Statistics)
                && probe.outcome == Outcome::Silent
        };
        self.finding_over(Transport::Udp) >= Finding::Answers && self.probes.iter().any(silent)
    }

    /// Other addresses and ports that replies over UDP came from, each once, but for what was
    /// relayed.
    #[must_use]
    pub fn other_sources(&self) -> Vec<SocketAddr> {
        let answers = self.probes.iter().filter_map(|probe| {
            let from = probe.answer()?.from;
            let is_other = from.ip() != self.address || from.port() != probe.port;
            (probe.probe != Probe::Relay && is_other).then_some(from)
        });
        let mut sources: Vec<_> = answers.collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }
}

/// The answers of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReport {
    /// The host, as it was named.
    pub host: String,
    /// How it was asked.
    pub asking: Asking,
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
    /// The verdict about the addresses that could be asked, if there is one. Those that were left
    /// out may be exposed.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let asked = self.addresses.iter();
        let verdicts = asked
            .filter(|address| !address.could_not_be_asked())
            .map(AddressReport::verdict);
        let left_out = (self.more_addresses != 0).then_some(Verdict::Unknown);
        Verdict::of_all(verdicts.chain(left_out))
    }
}
