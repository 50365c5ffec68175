//! Whether something starts the portmapper again.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    DisableError, Holder, Holders, Machine, Process, holders::is_lifeline, place::Place,
    step::is_plain, verify,
};
use crate::error::Result;

/// How long the port is watched after it was shut. runit and s6 wait for one second before they
/// start something again, systemd for a tenth of one unless told otherwise.
pub const WATCHED: Duration = Duration::from_secs(5);

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// Directories in which links tell runsvdir what to supervise.
const RUNIT: [&str; 4] = [
    "etc/service",
    "var/service",
    "service",
    "etc/runit/runsvdir/default",
];

/// Shells, whose loops start things again.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "busybox", "ksh", "zsh"];

/// Watches the port for as long as a supervisor may take, and names the one that was there.
pub(super) fn watch(machine: &Machine) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < WATCHED {
        thread::sleep(INTERVAL);
        if verify::listeners()?.is_empty() {
            continue;
        }
        let holders = Holders::find(machine)?;
        if let Some(holder) = holders.known.iter().find(|holder| holder.is_portmapper) {
            return Err(back(machine, holder).into());
        }
        if !holders.known.is_empty() {
            return Err(DisableError::StillOpen(holders.described(&[])).into());
        }
        // One that was gone at once comes again, and may be seen then.
        if begun.elapsed() + INTERVAL >= WATCHED && !holders.is_empty() {
            return Err(DisableError::StillOpen(holders.described(&[])).into());
        }
    }
    Ok(())
}

/// The error that names a portmapper that was started again, and what did it.
pub(super) fn back(machine: &Machine, holder: &Holder) -> DisableError {
    let process = &holder.process;
    let parent = Process::read(machine, process.parent);
    let by = match &parent {
        _ if process.id == 1 => "it is the first process".to_owned(),
        None => "what started it is outside this process namespace, or has ended".to_owned(),
        Some(parent) if parent.id == 1 => {
            let place = holder.place.as_ref();
            let place = place.map_or_else(String::new, |place| format!(", and belongs to {place}"));
            format!(
                "it has left what started it, or {} did{place}",
                parent.described()
            )
        }
        Some(parent) => {
            let place = parent_place(&parent.cgroup, holder.place.as_ref());
            format!("started by {}{place}", parent.described())
        }
    };
    DisableError::Restarted {
        process: holder.described(),
        by,
        remedy: remedy(machine, holder, parent.as_ref()),
    }
}

fn parent_place(cgroup: &str, own: Option<&Place>) -> String {
    match Place::of(cgroup) {
        Some(place @ Place::Unit(_)) if own != Some(&place) => format!(" of {place}"),
        _ => String::new(),
    }
}

/// The command that ends the supervision, as far as the parent tells.
fn remedy(machine: &Machine, holder: &Holder, parent: Option<&Process>) -> String {
    if let Some(Place::Container { runtime, id, stop }) = &holder.place {
        return match *runtime {
            Place::UNKNOWN => "end it by what runs the container, which is not known".to_owned(),
            "docker" | "podman" => {
                format!("`{runtime} update --restart=no {id}`, and then `{stop}`")
            }
            _ => format!("`{stop}`, and see its restart policy"),
        };
    }
    let Some(parent) = parent else {
        return "look for what starts it outside this container".to_owned();
    };
    // Scripts are told by their names, programs by their files.
    let is = |name: &str| parent.program_name() == name || parent.name == name;
    let directory = machine
        .target(format!("proc/{}/cwd", parent.id))
        .filter(|path| is_plain(path))
        .unwrap_or_else(|| "DIRECTORY".to_owned());
    if is("runsv") {
        return match link_to(machine, &directory) {
            Some(link) => format!("`sv down {directory} && rm {link}`"),
            None => format!("`sv down {directory}`, and remove its link in /etc/service"),
        };
    }
    if is("s6-supervise") {
        return format!("`s6-svc -d {directory}`, and take it out of the scan directory");
    }
    if is("supervise") {
        return format!("`svc -d {directory}`, and remove its link in /service");
    }
    if is("supervisord") {
        return "`supervisorctl status` names it: stop it, and take it out of the configuration"
            .to_owned();
    }
    if is("cron") || is("crond") {
        return "`grep -r rpcbind /etc/cron* /var/spool/cron` finds the job: remove it".to_owned();
    }
    match &holder.place {
        Some(Place::Unit(unit)) if parent.id == 1 => {
            format!(
                "`systemctl status {unit}` shows the processes that may have started it: end that one first"
            )
        }
        _ if parent.id == 1 => {
            "look for it in /etc/inittab, among timers, cron jobs and configuration management"
                .to_owned()
        }
        _ if SHELLS.iter().any(|name| parent.program_name() == *name) => format!(
            "end that script first (`kill {}`), and whatever starts it",
            parent.id
        ),
        _ if is_lifeline(parent.program_name()) => format!(
            "take the portmapper out of the configuration of process {}, by which this machine may be reached",
            parent.id
        ),
        _ => format!(
            "take the portmapper out of the configuration of process {}, or end it first: `kill {}`",
            parent.id, parent.id
        ),
    }
}

/// The link that has runsvdir supervise a directory.
fn link_to(machine: &Machine, directory: &str) -> Option<String> {
    RUNIT.iter().find_map(|services| {
        let mut names = machine.names(services).into_iter();
        let found = names.find(|name| {
            let target = machine.target(format!("{services}/{name}"));
            target.is_some_and(|target| target.trim_end_matches('/') == directory)
        })?;
        let link = format!("/{services}/{found}");
        is_plain(&link).then_some(link)
    })
}

#[cfg(test)]
mod tests {
    use super::{super::machine::fixture::machine, Holder, Place, Process, back};

    #[test]
    fn each_supervisor_is_named_with_what_ends_its_supervision() {
        let id = "0123456789abcdef".repeat(4);
        for (parent, program, cgroup, words) in [
            (
                "runsv",
                "/usr/bin/runsv",
                "",
                "`sv down /etc/sv/rpcbind && rm /etc/service/portmapper`",
            ),
            (
                "s6-supervise",
                "/bin/s6-supervise",
                "",
                "`s6-svc -d /etc/sv/rpcbind`",
            ),
            (
                "supervise",
                "/bin/supervise",
                "",
                "`svc -d /etc/sv/rpcbind`",
            ),
            ("loop.sh", "/bin/dash", "", "`kill 88`"),
            ("crond", "/sbin/crond", "", "/etc/cron"),
            ("monit", "/bin/monit", "", "`kill 88`"),
            (
                "loop.sh",
                "/bin/dash",
                "0::/system.slice/cron.service",
                "`kill 88`",
            ),
            (
                "containerd-shim",
                "/bin/containerd-shim-runc-v2",
                &format!("0::/docker/{id}"),
                "`docker update --restart=no 0123456789ab`",
            ),
        ] {
            let (_root, machine) = machine(&[
                (
                    "proc/88/stat",
                    &format!(
                        "88 ({parent}) S 1 8 8 0 -1 4194560 2 0 0 0 0 1 0 0 20 0 1 0 8731 8 1 1 1"
                    ),
                ),
                ("proc/88/exe", &format!("->{program}")),
                ("proc/88/cwd", "->/etc/sv/rpcbind"),
                ("etc/service/ssh", "->/etc/sv/ssh"),
                ("etc/service/portmapper", "->/etc/sv/rpcbind"),
            ]);
            let holder = Holder {
                process: Process {
                    id: 99,
                    parent: 88,
                    ..Process::default()
                },
                is_portmapper: true,
                place: Place::of(cgroup),
                is_main: false,
                listeners: Vec::new(),
            };
            let error = back(&machine, &holder);
            let text = error.to_string();
            assert!(
                text.contains(&format!("process 88 ({parent}, {program})")),
                "{text}"
            );
            let hint = error.hint().unwrap();
            assert!(hint.contains(words), "{hint}");
        }
    }
}
