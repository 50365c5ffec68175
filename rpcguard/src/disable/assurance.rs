//! The things that disabling the portmapper cannot make sure of.

use crate::sockets::PORTMAPPERS;

use super::{
    Init, Process,
    machine::Machine,
    sysv::{NAMES, path},
};

/// Says what may start the portmapper of a machine again, where services are started by `init`, and
/// these processes were none of theirs. Empty if its services are all that is known to start it.
#[must_use]
pub fn not_assured(machine: &Machine, init: Init, strays: &[Process]) -> Vec<String> {
    let mut said: Vec<String> = strays
        .iter()
        .filter(|process| process.id != 1)
        .map(|process| {
            format!(
                "{} belonged to no service: what had started it may start it again, at the next boot or before",
                process.described()
            )
        })
        .collect();
    let is_installed = PORTMAPPERS.iter().any(|name| machine.has_command(name));
    if init == Init::Unknown && (is_installed || !said.is_empty()) {
        said.push(
            "nothing here keeps the next boot from starting it, because what starts services is not known: look for it \
             in /etc/rc.d, /etc/inittab, /etc/sv, /etc/init and cron jobs"
                .to_owned(),
        );
    }
    said.extend(upstart_jobs(machine, init).map(|name| {
        format!(
            "upstart is not handled, and starts it by /etc/init/{name}.conf: \
             `echo manual >>/etc/init/{name}.override` keeps the next boot from that"
        )
    }));
    if matches!(init, Init::UpdateRcD | Init::Chkconfig) {
        said.extend(other_scripts(machine).into_iter().map(|script| {
            format!(
                "nothing here keeps /{} from starting it, which names it and has another name",
                path(&script)
            )
        }));
    }
    said
}

/// Jobs of upstart for the portmapper, where upstart is installed and systemd does not run.
fn upstart_jobs(machine: &Machine, init: Init) -> impl Iterator<Item = &'static str> {
    let is_upstart = init != Init::Systemd && machine.has_command("initctl");
    let names = NAMES.into_iter().filter(move |_| is_upstart);
    names.filter(|name| {
        let is_manual = machine
            .text(format!("etc/init/{name}.override"))
            .lines()
            .any(|line| line.trim() == "manual");
        machine.has(format!("etc/init/{name}.conf")) && !is_manual
    })
}

/// Scripts of other names with a command that starts a portmapper, in a runlevel.
fn other_scripts(machine: &Machine) -> Vec<String> {
    let mut names = machine.names("etc/init.d");
    names.retain(|name| {
        let starts = |line: &str| {
            let line = line.trim_start();
            !line.starts_with('#')
                && line
                    .split([' ', '\t', '"', '\'', '=', ';', '&'])
                    .any(|word| {
                        [
                            "/sbin/rpcbind",
                            "/usr/sbin/rpcbind",
                            "/bin/rpcbind",
                            "/usr/bin/rpcbind",
                            "/sbin/portmap",
                        ]
                        .contains(&word)
                    })
        };
        !NAMES.contains(&name.as_str())
            && super::place::is_unit_name(name)
            && !super::sysv::levels_starting(machine, name).is_empty()
            && machine.text(path(name)).lines().any(starts)
    });
    names
}

#[cfg(test)]
mod tests {
    use super::{super::machine::fixture::machine, Init, Process, not_assured};

    #[test]
    fn what_may_start_it_again_is_said() {
        let script = ("etc/init.d/my-portmap", "#!/bin/sh\n/sbin/rpcbind -w\n");
        let job = ("etc/init/rpcbind.conf", "respawn\n");
        let stray = Process {
            id: 7,
            ..Process::default()
        };
        for (files, init, strays, words) in [
            (vec![], Init::Systemd, vec![], None),
            (vec![], Init::Systemd, vec![stray], Some("process 7")),
            (vec![], Init::Unknown, vec![], None),
            (
                vec![("sbin/rpcbind", "")],
                Init::Unknown,
                vec![],
                Some("nothing here keeps the next boot from starting it"),
            ),
            (
                vec![job, ("sbin/initctl", "")],
                Init::UpdateRcD,
                vec![],
                Some("upstart is not handled"),
            ),
            (
                vec![
                    job,
                    ("sbin/initctl", ""),
                    ("etc/init/rpcbind.override", "manual\n"),
                ],
                Init::UpdateRcD,
                vec![],
                None,
            ),
            (vec![job], Init::UpdateRcD, vec![], None),
            (
                vec![script, ("etc/rc3.d/S20my-portmap", "->x")],
                Init::UpdateRcD,
                vec![],
                Some("/etc/init.d/my-portmap"),
            ),
            (vec![script], Init::UpdateRcD, vec![], None),
        ] {
            let (_root, machine) = machine(&files);
            let said = not_assured(&machine, init, &strays);
            assert_eq!(said.len(), usize::from(words.is_some()), "{said:?}");
            assert!(
                said.concat().contains(words.unwrap_or_default()),
                "{said:?}"
            );
        }
    }
}
