//! rpcbind under OpenRC, which starts what is linked into a runlevel, and what that needs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    machine::Machine,
    merge::Item,
    openrc_needs::{Pull, dependents},
    step::{Step, is_plain},
    sysv::{NAMES, path},
};

/// Where OpenRC has links to what it has started.
const STARTED: &str = "run/openrc/started";

/// Where it has runlevels.
const RUNLEVELS: &str = "etc/runlevels";

/// Whether OpenRC has started a service.
pub(crate) fn is_started(machine: &Machine, name: &str) -> bool {
    machine.has(format!("{STARTED}/{name}"))
}

/// The services of the portmapper, and who needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Services {
    /// Those that there are.
    pub services: Vec<Service>,
    /// Others that run and need one of them: they are stopped with it.
    pub dependents: Vec<String>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name in /etc/init.d.
    pub name: String,
    /// The runlevels that it is in.
    pub runlevels: BTreeSet<String>,
    /// Whether it runs.
    pub started: bool,
}

impl Services {
    /// Those that there are; `is_running` asks the service of a name: scripts that are not made for
    /// OpenRC are run by it as they are, and what it thinks of them is then not always true.
    pub(crate) fn find(machine: &Machine, is_running: impl Fn(&str) -> bool) -> Self {
        let services = NAMES
            .into_iter()
            .filter(|name| machine.has(path(name)))
            .map(|name| Service {
                name: name.to_owned(),
                runlevels: runlevels(machine, name),
                started: is_running(name),
            })
            .collect();
        let dependents = dependents(machine, Pull::Needs)
            .into_iter()
            .filter(|name| is_started(machine, name))
            .collect();
        Self {
            services,
            dependents,
        }
    }

    /// Stops them, and takes them out of their runlevels.
    pub(super) fn disable(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for Service {
            name,
            runlevels,
            started,
        } in &self.services
        {
            if *started {
                steps.push(Step::run("rc-service", [name, "stop"]));
            }
            if !runlevels.is_empty() {
                steps.push(Step::run(&format!("rc-update delete {name}"), runlevels));
            }
        }
        steps
    }

    /// What makes of these services what they were `before`.
    pub(super) fn restore(&self, before: &Self) -> Vec<Step> {
        let mut steps = Vec::new();
        for was in &before.services {
            let Some(is) = self.services.iter().find(|is| is.name == was.name) else {
                continue;
            };
            let lost: Vec<_> = was.runlevels.difference(&is.runlevels).collect();
            if !lost.is_empty() {
                steps.push(Step::run(&format!("rc-update add {}", was.name), lost));
            }
            if was.started && !is.started {
                steps.push(Step::run("rc-service", [&was.name, "start"]));
            }
        }
        for name in &before.dependents {
            if !self.dependents.contains(name) {
                steps.push(Step::run("rc-service", [name, "start"]));
            }
        }
        steps
    }
}

impl Service {
    /// Whether it can be one that rpcguard has found.
    pub(super) fn is_known(&self) -> bool {
        let is_level = |level: &String| {
            is_plain(level) && !level.starts_with(['-', '.']) && !level.contains('/')
        };
        NAMES.contains(&self.name.as_str()) && self.runlevels.iter().all(is_level)
    }
}

impl Item for Service {
    fn name(&self) -> &str {
        &self.name
    }

    fn setting(&self) -> String {
        let levels: Vec<_> = self.runlevels.iter().map(String::as_str).collect();
        let levels = match levels[..] {
            [] => "in no runlevel".to_owned(),
            _ => format!("in the runlevels {}", levels.join(", ")),
        };
        let running = if self.started {
            "running"
        } else {
            "not running"
        };
        format!("{levels}, {running}")
    }

    fn is_same(&self, other: &Self) -> bool {
        self == other
    }

    fn is_more_than(&self, was: &Self) -> bool {
        self.started && !was.started || !self.runlevels.is_subset(&was.runlevels)
    }
}

fn runlevels(machine: &Machine, service: &str) -> BTreeSet<String> {
    let levels = machine.names(RUNLEVELS).into_iter();
    levels
        .filter(|level| machine.has(format!("{RUNLEVELS}/{level}/{service}")))
        .collect()
}

/// The services in a runlevel that would start the portmapper again, each with the runlevel.
pub(super) fn starters(machine: &Machine) -> Vec<(String, String)> {
    let dependents = dependents(machine, Pull::NeedsOrWants);
    let levels = machine.names(RUNLEVELS).into_iter();
    levels
        .flat_map(|level| {
            let names = machine.names(format!("{RUNLEVELS}/{level}")).into_iter();
            names.map(move |name| (name, level.clone()))
        })
        .filter(|(name, _)| dependents.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::machine::fixture::machine, Services, starters};

    const STATD: (&str, &str) = (
        "etc/init.d/rpc.statd",
        "#!/sbin/openrc-run\ndepend() {\n\tneed net portmap\n}\n",
    );

    fn shown(steps: &[super::Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_service_is_stopped_and_taken_out_of_its_runlevels_and_restored() {
        let (_root, before) = machine(&[
            ("etc/init.d/rpcbind", ""),
            STATD,
            ("etc/init.d/cron", "depend() {\n\tuse portmap\n}\n"),
            ("etc/runlevels/boot/rpcbind", "->/etc/init.d/rpcbind"),
            ("etc/runlevels/default/rpcbind", "->/etc/init.d/rpcbind"),
            ("run/openrc/started/rpc.statd", "->/etc/init.d/rpc.statd"),
            ("run/openrc/started/cron", "->/etc/init.d/cron"),
        ]);
        let before = Services::find(&before, |_| true);
        assert_eq!(
            shown(&before.disable()),
            [
                "rc-service rpcbind stop",
                "rc-update delete rpcbind boot default"
            ]
        );
        let (_root, now) = machine(&[
            ("etc/init.d/rpcbind", ""),
            ("etc/runlevels/boot/other", ""),
            ("etc/runlevels/default/rpcbind", "->/etc/init.d/rpcbind"),
        ]);
        assert_eq!(
            shown(&Services::find(&now, |_| false).restore(&before)),
            [
                "rc-update add rpcbind boot",
                "rc-service rpcbind start",
                "rc-service rpc.statd start"
            ]
        );
        assert_eq!(shown(&before.restore(&before)), [""; 0]);
    }

    #[test]
    fn what_would_start_it_again_is_found() {
        let (_root, machine) = machine(&[
            STATD,
            (
                "etc/init.d/nfs-common",
                "### BEGIN INIT INFO\n# Required-Start:    $portmap $time\n",
            ),
            ("etc/init.d/cron", "# need portmapper\n"),
            ("etc/init.d/nfsmount", "depend() {\n\tneed rpc.statd\n}\n"),
            ("etc/runlevels/default/nfsmount", ""),
            ("etc/runlevels/default/rpc.statd", ""),
            ("etc/runlevels/default/cron", ""),
            ("etc/runlevels/sysinit/nfs-common", ""),
        ]);
        let found = starters(&machine);
        let found: Vec<_> = found
            .iter()
            .map(|(name, level)| format!("{name} in {level}"))
            .collect();
        assert_eq!(
            found,
            [
                "nfsmount in default",
                "rpc.statd in default",
                "nfs-common in sysinit"
            ]
        );
    }
}
