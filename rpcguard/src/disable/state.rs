//! What starts the portmapper on a machine, and what of it runs.

use serde::{Deserialize, Serialize};

use crate::sockets;

use super::{
    DisableError, Init, Machine, Process, Step, openrc, run,
    systemd::{self, Units},
    sysv::{self, Script, Tool},
};

/// The portmapper's programs, as the kernel has their names.
pub(super) const PROGRAMS: [&str; 3] = sockets::PORTMAPPERS;

/// What starts a portmapper, and what of it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its services.
    pub services: Services,
    /// Processes of it that are none of these services', as far as can be told.
    pub strays: Vec<Process>,
}

/// The services of an init system that are the portmapper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "init", content = "services", rename_all = "kebab-case")]
pub enum Services {
    /// Units of systemd.
    Systemd(Units),
    /// Services of OpenRC.
    #[serde(rename = "openrc")]
    OpenRc(openrc::Services),
    /// Init scripts whose links update-rc.d makes.
    UpdateRcD(Vec<Script>),
    /// Init scripts whose links chkconfig makes.
    Chkconfig(Vec<Script>),
    /// None that are known here.
    Unknown,
}

impl Services {
    /// The init system.
    #[must_use]
    pub const fn init(&self) -> Init {
        match self {
            Self::Systemd(_) => Init::Systemd,
            Self::OpenRc(_) => Init::OpenRc,
            Self::UpdateRcD(_) => Init::UpdateRcD,
            Self::Chkconfig(_) => Init::Chkconfig,
            Self::Unknown => Init::Unknown,
        }
    }

    /// Each by its name, and how it is set.
    #[must_use]
    pub fn described(&self) -> Vec<(String, String)> {
        let running = |running: bool| if running { "running" } else { "not running" };
        match self {
            Self::Systemd(units) => units
                .units
                .iter()
                .map(|unit| {
                    let active = if unit.active { "active" } else { "not active" };
                    let state = match unit.state.as_str() {
                        "" => "no unit file",
                        state => state,
                    };
                    (unit.name.clone(), format!("{state}, {active}"))
                })
                .collect(),
            Self::OpenRc(services) => services
                .services
                .iter()
                .map(|service| {
                    let levels: Vec<_> = service.runlevels.iter().map(String::as_str).collect();
                    let levels = match levels[..] {
                        [] => "in no runlevel".to_owned(),
                        _ => format!("in the runlevels {}", levels.join(", ")),
                    };
                    (
                        service.name.clone(),
                        format!("{levels}, {}", running(service.started)),
                    )
                })
                .collect(),
            Self::UpdateRcD(scripts) | Self::Chkconfig(scripts) => scripts
                .iter()
                .map(|script| {
                    let levels = if script.levels.is_empty() {
                        "started in no runlevel".to_owned()
                    } else {
                        let levels: Vec<_> = script.levels.iter().map(char::to_string).collect();
                        format!("started in the runlevels {}", levels.join(", "))
                    };
                    (
                        sysv::path(&script.name),
                        format!("{levels}, {}", running(script.running)),
                    )
                })
                .map(|(path, text)| (format!("/{path}"), text))
                .collect(),
            Self::Unknown => Vec::new(),
        }
    }
}

impl State {
    /// Looks at the machine that this runs on.
    ///
    /// # Errors
    ///
    /// If systemd cannot be asked.
    pub fn look(machine: &Machine) -> Result<Self, DisableError> {
        let processes = Process::find(machine, &PROGRAMS);
        // Where nothing runs, that is known without asking.
        let says_it_runs = |command: &[&str]| {
            let words: Vec<_> = command.iter().map(|word| (*word).to_owned()).collect();
            !processes.is_empty() && run::command(&words).is_ok_and(|ran| ran.status.success())
        };
        let scripts = || {
            Script::find(machine, |name| {
                says_it_runs(&[&format!("/{}", sysv::path(name)), "status"])
            })
        };
        let openrc = || {
            openrc::Services::find(machine, |name| {
                says_it_runs(&["rc-service", name, "status"])
            })
        };
        let services = match Init::of(machine) {
            Init::Systemd => Services::Systemd(units(machine)?),
            Init::OpenRc => Services::OpenRc(openrc()),
            Init::UpdateRcD => Services::UpdateRcD(scripts()),
            Init::Chkconfig => Services::Chkconfig(scripts()),
            Init::Unknown => Services::Unknown,
        };
        Ok(Self::new(services, processes))
    }

    fn new(services: Services, mut processes: Vec<Process>) -> Self {
        // Only one portmapper can have the port: where the service runs, it is that.
        match &services {
            Services::Systemd(units) => {
                let running: Vec<_> = units
                    .units
                    .iter()
                    .filter(|unit| unit.active && unit.name.ends_with(".service"))
                    .map(|unit| format!("/{}", unit.name))
                    .collect();
                processes.retain(|process| {
                    let mut groups = process.cgroup.lines();
                    !groups.any(|group| running.iter().any(|unit| group.ends_with(unit)))
                });
            }
            Services::OpenRc(services) => {
                if services.services.iter().any(|service| service.started) {
                    processes.clear();
                }
            }
            Services::UpdateRcD(scripts) | Services::Chkconfig(scripts) => {
                if scripts.iter().any(|script| script.running) {
                    processes.clear();
                }
            }
            Services::Unknown => {}
        }
        Self {
            services,
            strays: processes,
        }
    }

    /// What switches the portmapper off. Nothing, if it is off.
    #[must_use]
    pub fn disable(&self) -> Vec<Step> {
        let mut steps = match &self.services {
            Services::Systemd(units) => units.disable(),
            Services::OpenRc(services) => services.disable(),
            Services::UpdateRcD(scripts) => disable_scripts(scripts, Tool::UpdateRcD),
            Services::Chkconfig(scripts) => disable_scripts(scripts, Tool::Chkconfig),
            Services::Unknown => Vec::new(),
        };
        steps.extend(self.strays.iter().cloned().map(Step::End));
        steps
    }

    /// What makes of this state the one that was `before`, under the same init system; `None` under
    /// another.
    #[must_use]
    pub fn restore(&self, before: &Self) -> Option<Vec<Step>> {
        let mut steps = match (&self.services, &before.services) {
            (Services::Systemd(now), Services::Systemd(before)) => now.restore(before),
            (Services::OpenRc(now), Services::OpenRc(before)) => now.restore(before),
            (Services::UpdateRcD(now), Services::UpdateRcD(before)) => {
                restore_scripts(now, before, Tool::UpdateRcD)
            }
            (Services::Chkconfig(now), Services::Chkconfig(before)) => {
                restore_scripts(now, before, Tool::Chkconfig)
            }
            (Services::Unknown, Services::Unknown) => Vec::new(),
            _ => return None,
        };
        for stray in &before.strays {
            let runs = self.strays.iter().any(|now| now.name == stray.name);
            if !runs && !stray.program.is_empty() {
                steps.push(Step::Start {
                    program: stray.program.clone(),
                    arguments: stray.arguments.clone(),
                });
            }
        }
        Some(steps)
    }

    /// Adds what another state has that this one knows nothing of; `None` if that is under another init
    /// system.
    #[must_use]
    pub fn merged_with(mut self, later: &Self) -> Option<Self> {
        fn add<T: Clone>(to: &mut Vec<T>, from: &[T], same: impl Fn(&T, &T) -> bool) {
            for item in from {
                if !to.iter().any(|known| same(known, item)) {
                    to.push(item.clone());
                }
            }
        }
        match (&mut self.services, &later.services) {
            (Services::Systemd(known), Services::Systemd(later)) => {
                add(&mut known.units, &later.units, |a, b| a.name == b.name);
                add(&mut known.dependents, &later.dependents, |a, b| a == b);
            }
            (Services::OpenRc(known), Services::OpenRc(later)) => {
                add(&mut known.services, &later.services, |a, b| {
                    a.name == b.name
                });
                add(&mut known.dependents, &later.dependents, |a, b| a == b);
            }
            (Services::UpdateRcD(known), Services::UpdateRcD(later))
            | (Services::Chkconfig(known), Services::Chkconfig(later)) => {
                add(known, later, |a, b| a.name == b.name);
            }
            (Services::Unknown, Services::Unknown) => {}
            _ => return None,
        }
        add(&mut self.strays, &later.strays, |a, b| a.name == b.name);
        Some(self)
    }
}

fn units(machine: &Machine) -> Result<Units, DisableError> {
    let answer = run::ask(&systemd::question(systemd::NAMES))?;
    let mut units = Units::read(machine, &answer);
    if !units.dependents.is_empty() {
        let dependents = units.dependents.iter().map(String::as_str);
        let answer = run::ask(&systemd::question(dependents))?;
        units.keep_active_dependents(&answer);
    }
    Ok(units)
}

fn disable_scripts(scripts: &[Script], tool: Tool) -> Vec<Step> {
    let steps = scripts.iter().map(|script| script.disable(tool));
    steps.flatten().collect()
}

fn restore_scripts(now: &[Script], before: &[Script], tool: Tool) -> Vec<Step> {
    let pairs = before.iter().filter_map(|was| {
        let is = now.iter().find(|script| script.name == was.name)?;
        Some(is.restore(was, tool))
    });
    pairs.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(cgroup: &str) -> Process {
        Process {
            id: 412,
            name: "rpcbind".to_owned(),
            program: "/usr/sbin/rpcbind".to_owned(),
            arguments: vec!["-w".to_owned()],
            started: 1,
            cgroup: cgroup.to_owned(),
        }
    }

    fn systemd(active: bool) -> Services {
        Services::Systemd(Units {
            units: vec![systemd::Unit {
                name: "rpcbind.service".to_owned(),
                is_alias: false,
                active,
                state: "masked".to_owned(),
                file: None,
            }],
            dependents: Vec::new(),
        })
    }

    fn shown(steps: &[Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn processes_of_the_service_are_left_to_it_and_others_ended() {
        let of_unit = process("0::/system.slice/rpcbind.service\n");
        let by_hand = process("0::/user.slice/user-0.slice/session-1.scope\n");
        let state = |active, process: &Process| State::new(systemd(active), vec![process.clone()]);
        assert_eq!(state(true, &of_unit).strays, []);
        assert_eq!(state(true, &by_hand).strays, std::slice::from_ref(&by_hand));
        // What the service left behind when it was stopped.
        assert_eq!(state(false, &of_unit).strays, [of_unit]);
        assert_eq!(shown(&state(false, &by_hand).disable()), ["kill 412"]);
        let alone = State::new(Services::Unknown, vec![by_hand]);
        assert_eq!(shown(&alone.disable()), ["kill 412"]);
        let gone = State::new(Services::Unknown, Vec::new());
        assert_eq!(
            shown(&gone.restore(&alone).unwrap()),
            ["/usr/sbin/rpcbind -w &"]
        );
        assert_eq!(alone.restore(&alone), Some(Vec::new()));
        assert_eq!(gone.disable(), []);
    }

    #[test]
    fn what_is_known_first_is_kept_and_the_rest_is_added() {
        let script = |name: &str, running| Script {
            name: name.to_owned(),
            levels: ['2'].into(),
            running,
        };
        let state = |scripts: &[Script]| State {
            services: Services::UpdateRcD(scripts.to_vec()),
            strays: Vec::new(),
        };
        let first = state(&[script("rpcbind", true)]);
        let later = state(&[script("rpcbind", false), script("portmap", true)]);
        assert_eq!(
            first.clone().merged_with(&later),
            Some(state(&[script("rpcbind", true), script("portmap", true)]))
        );
        let other = State::new(Services::Unknown, Vec::new());
        assert_eq!(first.clone().merged_with(&other), None);
        assert_eq!(other.restore(&first), None);
    }
}
