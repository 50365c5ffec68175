//! Packet rules in the form that the readers of nft and iptables share, and what they do with a
//! packet.
//!
//! A test that is not understood may be true and may not: a forward behind one is only possible.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    ops::RangeInclusive,
};

use ipnet::IpNet;
use rpcguard_common::parse::Transport;

/// The deepest jump that nft allows.
const MAX_DEPTH: usize = 16;

/// How many rules are followed for one packet.
const MAX_STEPS: usize = 500_000;

/// Whether a test holds for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    No,
    Maybe,
    Yes,
}

/// A condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Port(RangeInclusive<u16>),
    Transport(Transport),
    Ipv6(bool),
    To(IpNet),
    /// To an address of this host.
    ToThisHost,
    /// Arrives on this interface; `*` at the end stands for anything.
    Interface(String),
    Never,
    Unknown,
    Not(Box<Test>),
    Any(Vec<Test>),
    All(Vec<Test>),
}

/// Where a rule sends a packet.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Target {
    /// Null for this host itself.
    pub(super) address: Option<String>,
    /// Null if the port stays as it is.
    pub(super) port: Option<RangeInclusive<u16>>,
}

/// The action of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Forward(Target),
    Jump(String),
    Goto(String),
    Return,
    /// Accepts or drops.
    Stop,
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) test: Test,
    pub(super) action: Action,
    /// Where it stands, for people.
    pub(super) origin: String,
}

/// Rules by their chain, of one reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ruleset {
    pub(super) chains: HashMap<String, Vec<Rule>>,
    /// The chains that packets of other hosts meet first, with what has to be true of them.
    pub(super) entries: Vec<(String, Test)>,
}

/// A packet of another host to this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) transport: Transport,
    pub(super) ipv6: bool,
    /// Null stands for any but the portmapper's.
    pub(super) port: Option<u16>,
    /// The interface that it arrives on, by every name that rules may know it by.
    pub(super) interfaces: &'a [String],
    /// Which of this host's addresses it is to; null stands for any other that this host takes
    /// packets for, as a broadcast.
    pub(super) to: Option<IpAddr>,
    /// This host's addresses.
    pub(super) own: &'a [IpAddr],
}

/// A rule that forwards a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit<'a> {
    pub(super) target: &'a Target,
    pub(super) origin: &'a str,
    pub(super) certain: bool,
    /// The ports that rules on the way to it ask for.
    pub(super) ports: Vec<RangeInclusive<u16>>,
}

/// Whether one of an interface's names is meant by a pattern.
pub(super) fn is_named(names: &[String], pattern: &str) -> bool {
    let prefix = pattern.strip_suffix('*');
    names
        .iter()
        .any(|name| prefix.map_or(name == pattern, |prefix| name.starts_with(prefix)))
}

impl Test {
    pub(super) fn holds(&self, packet: &Packet<'_>) -> Truth {
        let truth = |is_so| if is_so { Truth::Yes } else { Truth::No };
        match self {
            Self::Port(range) => match packet.port {
                Some(port) => truth(range.contains(&port)),
                None if *range == (super::PORT..=super::PORT) => Truth::No,
                None => Truth::Maybe,
            },
            Self::Transport(transport) => truth(*transport == packet.transport),
            Self::Ipv6(ipv6) => truth(*ipv6 == packet.ipv6),
            Self::To(prefix) if prefix.prefix_len() == 0 => Truth::Yes,
            Self::To(prefix) => packet
                .to
                .map_or(Truth::Maybe, |address| truth(prefix.contains(&address))),
            Self::ToThisHost => Truth::Yes,
            Self::Interface(pattern) => truth(is_named(packet.interfaces, pattern)),
            Self::Never => Truth::No,
            Self::Unknown => Truth::Maybe,
            Self::Not(test) => match test.holds(packet) {
                Truth::No => Truth::Yes,
                Truth::Maybe => Truth::Maybe,
                Truth::Yes => Truth::No,
            },
            Self::Any(tests) => {
                let truths = tests.iter().map(|test| test.holds(packet));
                truths.max().unwrap_or(Truth::No)
            }
            Self::All(tests) => {
                let truths = tests.iter().map(|test| test.holds(packet));
                truths.min().unwrap_or(Truth::Yes)
            }
        }
    }

    /// The interfaces that it asks for.
    fn interfaces<'a>(&'a self, found: &mut BTreeSet<&'a str>) {
        match self {
            Self::Interface(pattern) => {
                found.insert(pattern);
            }
            Self::Not(test) => test.interfaces(found),
            Self::Any(tests) | Self::All(tests) => {
                for test in tests {
                    test.interfaces(found);
                }
            }
            _ => {}
        }
    }

    /// The destinations that it asks for.
    fn destinations(&self, found: &mut BTreeSet<IpNet>) {
        match self {
            Self::To(prefix) => {
                found.insert(*prefix);
            }
            Self::Not(test) => test.destinations(found),
            Self::Any(tests) | Self::All(tests) => {
                for test in tests {
                    test.destinations(found);
                }
            }
            _ => {}
        }
    }

    /// The ports that it asks for.
    fn ports(&self, found: &mut Vec<RangeInclusive<u16>>) {
        match self {
            Self::Port(range) => found.push(range.clone()),
            Self::Any(tests) | Self::All(tests) => {
                for test in tests {
                    test.ports(found);
                }
            }
            _ => {}
        }
    }
}

impl Ruleset {
    /// The interfaces that the rules ask for.
    pub(super) fn interfaces(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let rules = self.chains.values().flatten().map(|rule| &rule.test);
        for test in rules.chain(self.entries.iter().map(|(_, test)| test)) {
            test.interfaces(&mut found);
        }
        found
    }

    /// The destinations that the rules ask for.
    pub(super) fn destinations(&self) -> BTreeSet<IpNet> {
        let mut found = BTreeSet::new();
        let rules = self.chains.values().flatten().map(|rule| &rule.test);
        for test in rules.chain(self.entries.iter().map(|(_, test)| test)) {
            test.destinations(&mut found);
        }
        found
    }

    /// The rules that forward this packet; nothing if there are too many rules to follow.
    pub(super) fn hits(&self, packet: &Packet<'_>) -> Option<Vec<Hit<'_>>> {
        let mut walk = Walk {
            rules: self,
            packet,
            steps: 0,
            hits: Vec::new(),
        };
        for (chain, test) in &self.entries {
            let truth = test.holds(packet);
            if truth != Truth::No {
                walk.chain(chain, truth, &[], MAX_DEPTH);
            }
        }
        (walk.steps <= MAX_STEPS).then_some(walk.hits)
    }
}

struct Walk<'r, 'p> {
    rules: &'r Ruleset,
    packet: &'p Packet<'p>,
    steps: usize,
    hits: Vec<Hit<'r>>,
}

impl Walk<'_, '_> {
    /// Follows a chain; returns whether a packet that comes into it never comes out again.
    fn chain(
        &mut self,
        name: &str,
        so_far: Truth,
        ports: &[RangeInclusive<u16>],
        depth: usize,
    ) -> bool {
        let (Some(rules), Some(depth)) = (self.rules.chains.get(name), depth.checked_sub(1)) else {
            return false;
        };
        for rule in rules {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return true;
            }
            let holds = rule.test.holds(self.packet);
            if holds == Truth::No {
                continue;
            }
            let here = || {
                let mut own = Vec::new();
                rule.test.ports(&mut own);
                if own.is_empty() { ports.to_vec() } else { own }
            };
            let certain = holds == Truth::Yes;
            let ends = match &rule.action {
                Action::Forward(target) => {
                    let hit = Hit {
                        target,
                        origin: &rule.origin,
                        certain: so_far.min(holds) == Truth::Yes,
                        ports: here(),
                    };
                    if !self.hits.contains(&hit) {
                        self.hits.push(hit);
                    }
                    true
                }
                Action::Jump(chain) => self.chain(chain, so_far.min(holds), &here(), depth),
                Action::Goto(chain) => {
                    let ends = self.chain(chain, so_far.min(holds), &here(), depth);
                    if certain {
                        return ends;
                    }
                    false
                }
                Action::Return if certain => return false,
                Action::Stop => true,
                Action::Return | Action::Nothing => false,
            };
            if ends && certain {
                return true;
            }
        }
        false
    }
}
