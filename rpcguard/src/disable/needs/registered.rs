//! Programs that are registered with the portmapper: their clients could not find them without it.

use std::collections::BTreeMap;

use super::{super::machine::Machine, Need};
use crate::portmapper::{PROGRAM, ProgramNames, Registration};

const NFS: u32 = 100_003;

pub(super) fn find(machine: &Machine, registrations: &[Registration]) -> Vec<Need> {
    let mut programs: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for registration in registrations {
        let (program, version) = (registration.program, registration.version);
        // Its clients know version 4 of NFS to be on port 2049 (RFC 7530 section 3.1).
        if program == PROGRAM || program == NFS && version >= 4 {
            continue;
        }
        let versions = programs.entry(program).or_default();
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    let names = ProgramNames::load_from(&machine.path("etc/rpc"));
    programs
        .into_iter()
        .map(|(program, mut versions)| {
            versions.sort_unstable();
            let name = names.name(program);
            Need::Registered {
                program: name.map_or_else(|| format!("program {program}"), str::to_owned),
                versions,
            }
        })
        .collect()
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
            netid: "udp".to_owned(),
            address: "0.0.0.0.15.160".to_owned(),
            owner: String::new(),
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
