//! [`Snapshot`]: all that a guard is, to be compared with what it should be.

use std::{mem::offset_of, net::IpAddr};

use rpcguard::{
    guard::{Entry, Guard, PrefixCounts, Verdict},
    policy::Policy,
    prefix::Prefix,
};
use rpcguard_common::{
    abi::{BUCKET_HOSTS, End, HostsV4, HostsV6, PrefixEntry, map},
    reason::Action,
};
use rpcguard_tests::{
    packet::peers::{HOST_V4, HOST_V6},
    site::Site,
};

use aya::maps::{Array, LpmTrie, Map, MapData};

/// A guard's settings and lists, and what they make of some addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) policy: Policy,
    pub(crate) prefixes: Vec<(Prefix, Verdict)>,
    /// Those that have an end.
    temporary: Vec<Prefix>,
    decided: Vec<Option<(Prefix, Verdict)>>,
    verdicts: Vec<Action>,
}

impl Snapshot {
    /// Takes one of the site's `eth0`, with these sources as samples; `None` if it is not guarded.
    ///
    /// What the guard says must fit together: list lengths, decisions, and the verdicts of the
    /// program in the kernel.
    #[track_caller]
    pub(crate) fn of(site: &Site, samples: &[IpAddr]) -> Option<Self> {
        Self::of_interface(site, "eth0", samples)
    }

    /// As [`Self::of`], of another interface.
    #[track_caller]
    pub(crate) fn of_interface(site: &Site, interface: &str, samples: &[IpAddr]) -> Option<Self> {
        let snapshot = site.registry(|registry| match registry.find(interface).unwrap() {
            Some(Entry::Guard(guard)) => Some(Self::read(&guard, samples)),
            _ => None,
        });
        let filtered = is_filtered(site, interface);
        assert_eq!(snapshot.is_some(), filtered, "{interface}: {snapshot:?}");
        let mut snapshot = snapshot?;
        for port in [111, 2049] {
            let verdicts = site.verdicts_to(interface, port, samples);
            assert_eq!(
                verdicts,
                snapshot.expected(port, samples),
                "of {samples:?} to {port}"
            );
            if port == 111 {
                snapshot.verdicts = verdicts;
            }
        }
        Some(snapshot)
    }

    /// What is to become of calls from the samples to a port.
    fn expected(&self, port: u16, samples: &[IpAddr]) -> Vec<Action> {
        let passes_all = self.policy.observe || !self.policy.ports.contains(&port);
        let decided = self.decided.iter().zip(samples);
        let decided = decided.map(|(decided, source)| {
            let host: IpAddr = match source {
                IpAddr::V4(_) => HOST_V4.into(),
                IpAddr::V6(_) => HOST_V6.into(),
            };
            match decided {
                Some((_, Verdict::Allow)) => Action::Pass,
                _ if passes_all || !self.policy.destinations.contain(host) => Action::Pass,
                _ => Action::Drop,
            }
        });
        decided.collect()
    }

    fn read(guard: &Guard, samples: &[IpAddr]) -> Self {
        let listed = guard.prefixes().unwrap();
        let prefixes: Vec<_> = listed.iter().map(|l| (l.prefix, l.verdict)).collect();
        assert_eq!(guard.prefix_counts().unwrap(), counts(&prefixes));
        let temporary = listed.iter().filter(|listed| listed.until.is_some());
        let decide = |address: &IpAddr| guard.decide(*address).unwrap().by;
        Self {
            policy: guard.policy().unwrap(),
            decided: samples.iter().map(decide).collect(),
            verdicts: Vec::new(),
            temporary: temporary.map(|listed| listed.prefix).collect(),
            prefixes,
        }
    }
}

/// The lengths of the lists.
pub(crate) fn counts(prefixes: &[(Prefix, Verdict)]) -> PrefixCounts {
    let count = |verdict, v4| {
        let of_list = |(prefix, listed): &&(Prefix, Verdict)| {
            *listed == verdict && prefix.address().is_ipv4() == v4
        };
        u32::try_from(prefixes.iter().filter(of_list).count()).unwrap()
    };
    PrefixCounts {
        allow_v4: count(Verdict::Allow, true),
        allow_v6: count(Verdict::Allow, false),
        deny_v4: count(Verdict::Deny, true),
        deny_v6: count(Verdict::Deny, false),
    }
}

/// How many ends are in use on the guard of an interface of the site's host.
pub(crate) fn ends_of(site: &Site, interface: &str) -> usize {
    let pin = site.pins_of(interface).join(map::ENDS);
    let ends = site.host.enter(|| MapData::from_pin(&pin)).unwrap();
    let ends: Array<_, End> = Map::Array(ends).try_into().unwrap();
    let ends = ends.iter().map(Result::unwrap);
    ends.filter(|end| end.until != 0).count()
}

/// Whether the kernel runs an XDP program for an interface of the site's host.
fn is_filtered(site: &Site, interface: &str) -> bool {
    let shown = site.host.ip(&format!("link show {interface}")).unwrap();
    shown.contains("prog/xdp")
}

/// How many entries the tries of the guard of the site's `eth0` have, listed or not.
pub(crate) fn entries(site: &Site) -> usize {
    entries_of(site, "eth0")
}

/// As [`entries`], of another interface. What the tries and the tables of hosts hold.
pub(crate) fn entries_of(site: &Site, interface: &str) -> usize {
    fn count<A: aya::Pod>(map: Map) -> usize {
        let trie = LpmTrie::<_, A, PrefixEntry>::try_from(map).unwrap();
        trie.keys().map(Result::unwrap).count()
    }
    /// Counts the words of buckets that are in use.
    fn hosts<const BUCKET: usize>(map: Map, words: usize) -> usize
    where
        [u8; BUCKET]: aya::Pod,
    {
        let table = Array::<_, [u8; BUCKET]>::try_from(map).unwrap();
        let in_use = |bucket: [u8; BUCKET]| {
            let words = bucket[words..].chunks_exact(8).take(BUCKET_HOSTS);
            words.filter(|word| *word != [0; 8]).count()
        };
        table.iter().map(|bucket| in_use(bucket.unwrap())).sum()
    }
    let pins = site.pins_of(interface);
    site.host.enter(|| {
        let open = |name| Map::from_map_data(MapData::from_pin(pins.join(name)).unwrap()).unwrap();
        count::<[u8; 4]>(open(map::PREFIXES_V4))
            + count::<[u8; 16]>(open(map::PREFIXES_V6))
            + hosts::<{ size_of::<HostsV4>() }>(open(map::HOSTS_V4), offset_of!(HostsV4, words))
            + hosts::<{ size_of::<HostsV6>() }>(open(map::HOSTS_V6), offset_of!(HostsV6, words))
    })
}
