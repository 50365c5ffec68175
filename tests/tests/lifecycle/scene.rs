//! [`Scene`]: a command to be interrupted, and what it starts from.

use std::net::IpAddr;

use rpcguard_tests::{
    lab::rpcguard_binary,
    site::{Objects, Site},
};

use crate::{
    snapshot::{Snapshot, entries_of},
    traced::{self, Calls, Interference, Traced},
};

/// In the prefixes of these tests, at their edges and outside.
const SAMPLES: [&str; 12] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.1.1",
    "10.1.0.1",
    "10.1.2.3",
    "11.0.0.1",
    "192.0.2.1",
    "198.51.100.7",
    "2001:db8:a::1",
    "2001:db8:a:b::1",
    "2001:db8:c::1",
    "2001:db8:ffff::1",
];

/// Guards the first interface, with lists that are nested.
pub(crate) const ATTACH: &str = "attach eth0 --allow 10.0.0.0/8 --deny 10.1.0.0/16 --allow 10.1.2.0/24 \
                      --allow 2001:db8:a::/48 --deny 2001:db8:a:b::/64";

/// As [`ATTACH`], both interfaces.
pub(crate) const ATTACH_BOTH: &str = "attach eth0 eth1 --allow 10.0.0.0/8 --deny 10.1.0.0/16";

/// A command, and how to get from one state to the other.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// The name of the test.
    pub(crate) test: &'a str,
    /// The interfaces of the host: `eth0`, or `eth0` and `eth1`.
    pub(crate) interfaces: &'a [&'a str],
    /// What to start from; nothing for a host that is not guarded.
    pub(crate) before: &'a [&'a str],
    pub(crate) command: &'a str,
    /// Takes back what the command does.
    pub(crate) undo: &'a [&'a str],
}

/// What a guarded host is, as seen from outside and inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// A snapshot of each interface's guard; `None` for one without.
    pub(crate) guards: Vec<Option<Snapshot>>,
    /// What is pinned.
    pub(crate) pins: Vec<String>,
    /// How many maps, programs and links the kernel holds.
    pub(crate) counts: [usize; 3],
}

impl Scene<'_> {
    /// A site with the scene's interfaces, in the state that `before` leaves.
    pub(crate) fn set(&self) -> Option<Site> {
        let site = Site::or_skip(self.test)?;
        for interface in self.interfaces.iter().filter(|name| **name != "eth0") {
            site.add_interface(interface);
        }
        self.run_all(&site, self.before);
        Some(site)
    }

    pub(crate) fn run_all(&self, site: &Site, commands: &[&str]) {
        for command in commands {
            site.rpcguard(command);
        }
    }

    /// Runs the command under interference.
    pub(crate) fn traced(
        &self,
        site: &Site,
        interest: Calls,
        at: Option<(usize, Interference)>,
    ) -> Traced {
        let mut process = site.host.command(rpcguard_binary());
        traced::run(process.args(self.command.split_whitespace()), interest, at)
    }

    /// A snapshot of each interface's guard. What there is of it must fit together.
    #[track_caller]
    pub(crate) fn guards(&self, site: &Site) -> Vec<Option<Snapshot>> {
        let samples: [IpAddr; 12] = SAMPLES.map(|address| address.parse().unwrap());
        self.interfaces
            .iter()
            .map(|interface| Snapshot::of_interface(site, interface, &samples))
            .collect()
    }

    /// All there is, once the kernel has freed what it does not need any more.
    #[track_caller]
    pub(crate) fn see(&self, site: &Site) -> Seen {
        let guards = self.guards(site);
        let guarded = guards.iter().flatten().count();
        Seen {
            guards,
            pins: site.lab.pins(),
            counts: site.lab.objects_of(guarded).counts(),
        }
    }

    /// Asserts that nothing is there but what should be: guards, pins, and objects in the kernel.
    #[track_caller]
    pub(crate) fn assert_is(&self, site: &Site, expected: &Seen, about: &str) {
        assert_eq!(self.guards(site), expected.guards, "{about}");
        assert_eq!(site.lab.pins(), expected.pins, "{about}");
        let objects: Objects = site.lab.objects_once(expected.counts);
        assert_eq!(objects.counts(), expected.counts, "{about}: {objects:?}");
    }

    /// Another command, about something else, works on what is guarded, and leaves no entry of a trie
    /// that is in no list.
    #[track_caller]
    pub(crate) fn probe(&self, site: &Site, about: &str) {
        if self.guards(site).iter().all(Option::is_none) {
            return;
        }
        site.rpcguard("allow add 203.0.113.99");
        site.rpcguard("allow remove 203.0.113.99");
        for (interface, guard) in self.interfaces.iter().zip(self.guards(site)) {
            if let Some(guard) = guard {
                let listed = guard.prefixes.len();
                assert_eq!(entries_of(site, interface), listed, "{interface}, {about}");
            }
        }
    }
}
