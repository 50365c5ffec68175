//! NFSv3 servers of this machine, which call its portmapper back about locks.

use std::{collections::BTreeSet, net::IpAddr};

use super::input::note;
use crate::{
    disable::{self, Machine},
    error::Result,
    foreign_text::printable,
    guard::Guard,
};

/// Proposes to allow the servers of mounted file systems that no entry of a guard's lists covers.
///
/// Their addresses are those that the kernel uses, and never what a name stands for now.
pub(super) fn propose(guards: &[Guard]) -> Result<()> {
    let servers = disable::servers(&Machine::new("/"));
    for guard in guards {
        let mut unlisted = BTreeSet::new();
        for server in &servers {
            if guard.decide(*server)?.by.is_none() {
                unlisted.insert(*server);
            }
        }
        if let Some(proposal) = proposal(guard.interface(), &unlisted) {
            note(&proposal);
        }
    }
    Ok(())
}

fn proposal(interface: &str, servers: &BTreeSet<IpAddr>) -> Option<String> {
    let addresses: Vec<_> = servers.iter().map(ToString::to_string).collect();
    let interface = printable(interface);
    (!addresses.is_empty()).then(|| {
        format!(
            "NFSv3 servers of file systems that are mounted here call this portmapper back about locks, \
             and are not on the lists of `{interface}`: `rpcguard allow add {} -i {interface}`",
            addresses.join(" ")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::proposal;

    #[test]
    fn servers_are_proposed_with_the_command_that_allows_them() {
        let servers = ["2001:db8::7", "192.0.2.7"].map(|address| address.parse().unwrap());
        let proposal = |servers: &BTreeSet<_>| proposal("eth0", servers);
        let text = proposal(&BTreeSet::from(servers)).unwrap();
        assert!(
            text.ends_with(": `rpcguard allow add 192.0.2.7 2001:db8::7 -i eth0`"),
            "{text}"
        );
        assert_eq!(proposal(&BTreeSet::new()), None);
    }
}
