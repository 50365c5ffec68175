//! NIS, whose clients and servers find each other through portmappers.

use super::{
    super::{machine::Machine, sysv},
    Need,
};

/// Its programs, as the kernel has their names.
const PROGRAMS: [&str; 5] = [
    "ypbind",
    "ypserv",
    "rpc.yppasswdd",
    "rpc.ypxfrd",
    "yppasswdd",
];

/// Its services, under whatever starts them; Debian once had one for all.
const SERVICES: [&str; 4] = ["ypbind", "ypserv", "yppasswdd", "nis"];

pub(super) fn find(machine: &Machine) -> Vec<Need> {
    let mut needs: Vec<_> = super::running(machine, &PROGRAMS).collect();
    let enabled = SERVICES.into_iter().filter(|service| {
        is_wanted_by_systemd(machine, service)
            || !sysv::levels_starting(machine, service).is_empty()
            || is_in_a_runlevel_of_openrc(machine, service)
    });
    needs.extend(enabled.map(|service| Need::Enabled(service.to_owned())));
    needs
}

fn is_wanted_by_systemd(machine: &Machine, service: &str) -> bool {
    const DIRECTORY: &str = "etc/systemd/system";
    machine
        .names(DIRECTORY)
        .iter()
        .filter(|name| name.ends_with(".wants") || name.ends_with(".requires"))
        .any(|wants| machine.has(format!("{DIRECTORY}/{wants}/{service}.service")))
}

fn is_in_a_runlevel_of_openrc(machine: &Machine, service: &str) -> bool {
    const DIRECTORY: &str = "etc/runlevels";
    let levels = machine.names(DIRECTORY);
    let mut links = levels
        .iter()
        .map(|level| format!("{DIRECTORY}/{level}/{service}"));
    links.any(|link| machine.has(link))
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{machine::fixture::machine, process::tests::STAT},
        find,
    };

    #[test]
    fn nis_is_found_running_and_enabled() {
        let stat = format!("77 {STAT}").replace("(rpcbind)", "(ypbind)");
        let network = "->net:[4026531840]";
        for (files, expected) in [
            (
                vec![
                    ("proc/self/ns/net", network),
                    ("proc/77/ns/net", network),
                    ("proc/77/stat", stat.as_str()),
                ],
                "ypbind runs (process 77): NIS",
            ),
            (
                vec![(
                    "etc/systemd/system/multi-user.target.wants/ypserv.service",
                    "->/lib/systemd/system/ypserv.service",
                )],
                "ypserv is started when the machine boots: NIS",
            ),
            (
                vec![("etc/rc3.d/S20nis", "->../init.d/nis")],
                "nis is started when the machine boots: NIS",
            ),
            (
                vec![("etc/runlevels/default/ypbind", "->/etc/init.d/ypbind")],
                "ypbind is started when the machine boots: NIS",
            ),
        ] {
            let (_root, machine) = machine(&files);
            let found: Vec<_> = find(&machine).iter().map(ToString::to_string).collect();
            assert_eq!(found, [expected]);
        }
        let (_root, machine) = machine(&[
            ("etc/init.d/nis", ""),
            ("lib/systemd/system/ypbind.service", ""),
            ("etc/yp.conf", "# nothing\n"),
        ]);
        assert_eq!(find(&machine), []);
    }
}
