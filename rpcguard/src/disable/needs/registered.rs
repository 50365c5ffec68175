//! Programs that are registered with the portmapper: their clients could not find them without it.

use std::collections::BTreeMap;

use super::{super::machine::Machine, Need};
use crate::portmapper::Registration;

const PORTMAPPER: u32 = 100_000;
const NFS: u32 = 100_003;

/// The names of programs where there is no rpc(5).
const NAMES: [(u32, &str); 8] = [
    (NFS, "nfs"),
    (100_004, "ypserv"),
    (100_005, "mountd"),
    (100_007, "ypbind"),
    (100_009, "yppasswdd"),
    (100_021, "nlockmgr"),
    (100_024, "status"),
    (100_227, "nfs_acl"),
];

pub(super) fn find(machine: &Machine, registrations: &[Registration]) -> Vec<Need> {
    let mut programs: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for registration in registrations {
        let Registration {
            program, version, ..
        } = *registration;
        // Its clients know version 4 of NFS to be on port 2049 (RFC 7530 section 3.1).
        if program == PORTMAPPER || program == NFS && version >= 4 {
            continue;
        }
        let versions = programs.entry(program).or_default();
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    let names = names(machine);
    programs
        .into_iter()
        .map(|(program, mut versions)| {
            versions.sort_unstable();
            let name = names.get(&program);
            Need::Registered {
                program: name.map_or_else(|| format!("program {program}"), Clone::clone),
                versions,
            }
        })
        .collect()
}

fn names(machine: &Machine) -> BTreeMap<u32, String> {
    let mut names: BTreeMap<_, _> = NAMES
        .into_iter()
        .map(|(program, name)| (program, name.to_owned()))
        .collect();
    for line in machine.lines("etc/rpc") {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(Ok(program))) = (words.next(), words.next().map(str::parse)) {
            names.insert(program, name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{super::super::machine::fixture::machine, find};
    use crate::portmapper::Registration;

    #[test]
    fn what_is_registered_is_named_but_for_what_needs_no_portmapper() {
        let (_root, machine) = machine(&[("etc/rpc", "# comment\nsgi_fam 391002 fam\nbad\n")]);
        let registrations = [
            (100_000, 4),
            (100_000, 2),
            (100_003, 4),
            (100_024, 1),
            (100_021, 4),
            (100_021, 1),
            (100_021, 4),
            (391_002, 2),
            (536_870_913, 1),
        ]
        .map(|(program, version)| Registration {
            program,
            version,
            protocol: 17,
            port: 4000,
        });
        let needs = find(&machine, &registrations);
        let needs: Vec<_> = needs.iter().map(ToString::to_string).collect();
        assert_eq!(
            needs,
            [
                "nlockmgr is registered with it, versions 1, 4",
                "status is registered with it, version 1",
                "sgi_fam is registered with it, version 2",
                "program 536870913 is registered with it, version 1",
            ]
        );
    }
}
