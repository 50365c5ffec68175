//! [`Setup`]: what the filter is told, as plain data.

use std::net::IpAddr;

use rpcguard::{
    policy::{Destinations, Policy, RatePolicy},
    prefix::Prefix,
};
use rpcguard_common::{
    abi::{Decision, FewPorts, PrefixEntry, Settings, State, VacantBlocks, Verdict},
    parse::LinkLayer,
    policy::{Address, Tables},
};

use super::peers::{ALLOW, DENY};

/// Settings and prefix lists.
///
/// The host core reads them through [`Tables`], with the most naive longest match; the kernel's
/// maps are filled from them (see [`Kernel::apply`](crate::kernel::Kernel::apply)).
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// What frames begin with.
    pub link: LinkLayer,
    /// Guard TCP too.
    pub tcp: bool,
    /// Pass everything.
    pub observe: bool,
    /// Serve unlisted sources at a rate.
    pub rate: Option<RatePolicy>,
    /// All that the rate policy lets pass has been used up.
    pub exhausted: bool,
    /// The guarded ports.
    pub ports: Vec<u16>,
    /// Destinations that are guarded, if not all are.
    pub destinations: Option<Vec<Prefix>>,
    /// Each prefix counts its hits in the slot of its place in this list, from one.
    pub prefixes: Vec<(Prefix, Verdict)>,
}

impl Default for Setup {
    /// Ethernet, port 111, and the lists of [`peers`](super::peers).
    fn default() -> Self {
        Self {
            link: LinkLayer::Ethernet,
            tcp: false,
            observe: false,
            rate: None,
            exhausted: false,
            ports: vec![111],
            destinations: None,
            prefixes: prefixes(&ALLOW, &DENY),
        }
    }
}

impl Setup {
    /// The same as the element of the state map, under `epoch`.
    #[must_use]
    pub fn state(&self, epoch: u32) -> State {
        let mut state = State {
            abi_version: rpcguard_common::abi::ABI_VERSION,
            epoch,
            attached_at: 0,
            netns: 0,
            changing: 0,
            next: 0,
            events_until: 0,
            seed: 0,
            few_ports: FewPorts::UNKNOWN,
            settings: [Settings::EMPTY; 2],
            vacant_v4: VacantBlocks::ALL,
            vacant_v6: VacantBlocks::ALL,
            vacant_of_short_v4: VacantBlocks::ALL,
            vacant_of_short_v6: VacantBlocks::ALL,
        };
        for (prefix, _) in &self.prefixes {
            let (vacant, first) = match prefix.address() {
                IpAddr::V4(address) => (&mut state.vacant_v4, first_two(&address.octets())),
                IpAddr::V6(address) => (&mut state.vacant_v6, first_two(&address.octets())),
            };
            vacant.occupy(first, prefix.length());
        }
        state.settings[State::side(epoch)] = self.settings();
        state.few_ports = FewPorts::of(&state.current().ports);
        state
    }

    /// The settings alone.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::EMPTY;
        let policy = Policy {
            ports: self.ports.iter().copied().collect(),
            tcp: self.tcp,
            observe: self.observe,
            rate: self.rate,
            destinations: match &self.destinations {
                None => Destinations::All,
                Some(prefixes) => Destinations::Only(prefixes.iter().copied().collect()),
            },
        };
        policy.write_to(&mut settings);
        settings
    }

    /// The prefixes as they stand in the tries.
    pub fn entries(&self) -> impl Iterator<Item = (Prefix, PrefixEntry)> {
        self.decisions()
            .map(|(prefix, decision)| (prefix, PrefixEntry::settled(prefix.length(), decision)))
    }

    fn decisions(&self) -> impl Iterator<Item = (Prefix, Decision)> {
        (1..)
            .zip(&self.prefixes)
            .map(|(slot, (prefix, verdict))| (*prefix, Decision::listed(*verdict, slot)))
    }
}

const fn first_two(octets: &[u8]) -> [u8; 2] {
    [octets[0], octets[1]]
}

impl Tables for Setup {
    fn guards_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    fn guards_tcp(&self) -> bool {
        self.tcp
    }

    fn is_selective(&self) -> bool {
        self.destinations.is_some()
    }

    fn guards_destination(&self, destination: Address) -> bool {
        let destination = prefix(destination);
        let mut guarded = self.destinations.iter().flatten();
        guarded.any(|guarded| guarded.contains(destination))
    }

    fn lookup(&self, source: Address) -> Decision {
        let address = prefix(source);
        self.decisions()
            .filter(|(prefix, _)| prefix.contains(address))
            .max_by_key(|(prefix, _)| prefix.length())
            .map_or(Decision::UNLISTED, |(_, decision)| decision)
    }

    fn served(&self) -> Option<u64> {
        self.rate.is_some().then(|| self.settings().procedures)
    }

    fn admits(&self, _: Address, _: u32) -> bool {
        !self.exhausted
    }
}

fn prefix(address: Address) -> Prefix {
    Prefix::from(match address {
        Address::V4(octets) => IpAddr::from(octets),
        Address::V6(octets) => IpAddr::from(octets),
    })
}

/// Both lists as one.
///
/// # Panics
///
/// If a text is no prefix.
#[must_use]
pub fn prefixes(allow: &[&str], deny: &[&str]) -> Vec<(Prefix, Verdict)> {
    let list = |texts: &[&str], verdict| -> Vec<_> {
        let parsed = texts
            .iter()
            .map(|text| text.parse().expect("a prefix of the test"));
        parsed.map(|prefix| (prefix, verdict)).collect()
    };
    [list(allow, Verdict::Allow), list(deny, Verdict::Deny)].concat()
}
