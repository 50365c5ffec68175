//! Services that are started when the machine boots.

use crate::disable::{machine::Machine, sysv};

/// Whether systemd, init scripts or OpenRC start a service.
pub(super) fn is_started(machine: &Machine, service: &str) -> bool {
    is_wanted_by_systemd(machine, service)
        || !sysv::levels_starting(machine, service).is_empty()
        || is_in_a_runlevel_of_openrc(machine, service)
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
