//! What starts the portmapper on a machine, and what of it runs.

use serde::{Deserialize, Serialize};

use super::{
    DisableError, Holder, Holders, Init, Machine, Process, Services, Step,
    merge::{keep_untouched, merge},
    openrc, run,
    systemd::Units,
    sysv::{self, Script, Tool},
};

/// What starts a portmapper, and what of it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its services.
    pub services: Services,
    /// Processes that are proven to be a portmapper, and none of these services', as far as can be
    /// told.
    pub strays: Vec<Process>,
    /// All processes that hold its port.
    #[serde(skip)]
    pub holders: Holders,
}

impl State {
    /// Looks at the machine that this runs on.
    ///
    /// # Errors
    ///
    /// If systemd cannot be asked.
    pub fn look(machine: &Machine) -> Result<Self, DisableError> {
        Self::look_also(machine, None)
    }

    /// As [`Self::look`], also at the services of another state.
    pub(super) fn look_also(machine: &Machine, other: Option<&Self>) -> Result<Self, DisableError> {
        let holders = Holders::find(machine)?;
        // Where nothing runs, that is known without asking.
        let says_it_runs = |command: &[&str]| {
            let words: Vec<_> = command.iter().map(|word| (*word).to_owned()).collect();
            !holders.is_empty() && run::question(&words).is_ok_and(|ran| ran.status.success())
        };
        let scripts = || {
            Script::find(machine, |name| {
                let path = format!("/{}", sysv::path(name));
                run::is_script(machine, &path) && says_it_runs(&[&path, "status"])
            })
        };
        let openrc = || {
            openrc::Services::find(machine, |name| {
                run::is_script(machine, &format!("/{}", sysv::path(name)))
                    && says_it_runs(&["rc-service", name, "status"])
            })
        };
        let services = match Init::of(machine) {
            Init::Systemd => {
                let other = other.and_then(|other| match &other.services {
                    Services::Systemd(units) => Some(units),
                    _ => None,
                });
                Services::Systemd(Units::look(machine, &holders, other)?)
            }
            Init::OpenRc => Services::OpenRc(openrc()),
            Init::UpdateRcD => Services::UpdateRcD(scripts()),
            Init::Chkconfig => Services::Chkconfig(scripts()),
            Init::Unknown => Services::Unknown,
        };
        let processes = holders.portmappers().cloned().collect();
        Ok(Self {
            holders,
            ..Self::new(services, processes)
        })
    }

    /// Of processes that are proven to be a portmapper.
    pub(super) fn new(services: Services, mut processes: Vec<Process>) -> Self {
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
            holders: Holders::default(),
        }
    }

    /// A name in what is to be restored that cannot be one that rpcguard has written.
    pub(super) fn unknown_name(&self) -> Option<&str> {
        self.services.unknown_name()
    }

    /// Those that hold the port and that these steps do not end: they are no portmapper, or the
    /// first process.
    #[must_use]
    pub fn in_the_way(&self, steps: &[Step]) -> Holders {
        let listens = match &self.services {
            Services::Systemd(units) => units.listens(),
            _ => false,
        };
        let is_in_the_way = |holder: &&Holder| match holder.process.id {
            1 if listens => false,
            1 => true,
            _ => !holder.is_ours(),
        };
        let known = self.holders.known.iter().filter(is_in_the_way).cloned();
        Holders {
            known: known.collect(),
            // Without privileges, the processes of services cannot be seen either.
            unseen: if steps.is_empty() {
                self.holders.unseen.clone()
            } else {
                Vec::new()
            },
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
        // A signal to the first process is for those outside to send.
        let strays = self.strays.iter().filter(|stray| stray.id != 1);
        steps.extend(strays.cloned().map(Step::End));
        steps
    }

    /// What makes of this state the one that was `before`, under the same init system; `None` under
    /// another. Services only: a process that none has started is not started again.
    #[must_use]
    pub fn restore(&self, before: &Self) -> Option<Vec<Step>> {
        Some(match (&self.services, &before.services) {
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
        })
    }

    /// Adds what is found `now` to what is recorded, where `left` is how rpcguard has left the
    /// machine; `None` if that is under another init system.
    #[must_use]
    pub fn merged_with(mut self, left: Option<&Self>, now: &Self) -> Option<Self> {
        fn add(to: &mut Vec<String>, from: &[String]) {
            for name in from {
                if !to.contains(name) {
                    to.push(name.clone());
                }
            }
        }
        let left = left.map(|left| &left.services);
        match (&mut self.services, &now.services) {
            (Services::Systemd(known), Services::Systemd(now)) => {
                let left = left.and_then(Services::units);
                merge(&mut known.units, left, &now.units);
                add(&mut known.dependents, &now.dependents);
            }
            (Services::OpenRc(known), Services::OpenRc(now)) => {
                let left = left.and_then(Services::openrc);
                merge(&mut known.services, left, &now.services);
                add(&mut known.dependents, &now.dependents);
            }
            (Services::UpdateRcD(known), Services::UpdateRcD(now))
            | (Services::Chkconfig(known), Services::Chkconfig(now)) => {
                merge(known, left.and_then(Services::scripts), now);
            }
            (Services::Unknown, Services::Unknown) => {}
            _ => return None,
        }
        for stray in &now.strays {
            if !self.strays.iter().any(|known| known.is(stray)) {
                self.strays.push(stray.clone());
            }
        }
        Some(self)
    }

    /// Takes out of this state, which is to be restored, what somebody has set anew since rpcguard
    /// has `left` the machine, and says what that is.
    pub(super) fn keep_untouched(&mut self, left: &Self, now: &Self) -> Vec<String> {
        // Without it, those that need it are not started either.
        let settle = |mut differs: Vec<String>, dependents: &mut Vec<String>| {
            if !differs.is_empty() {
                let dependents = dependents.drain(..);
                differs.extend(dependents.map(|name| format!("{name} is not started again")));
            }
            differs
        };
        let left = &left.services;
        match (&mut self.services, &now.services) {
            (Services::Systemd(before), Services::Systemd(now)) => {
                let left = left.units().unwrap_or_default();
                let differs = keep_untouched(&mut before.units, left, &now.units);
                settle(differs, &mut before.dependents)
            }
            (Services::OpenRc(before), Services::OpenRc(now)) => {
                let left = left.openrc().unwrap_or_default();
                let differs = keep_untouched(&mut before.services, left, &now.services);
                settle(differs, &mut before.dependents)
            }
            (Services::UpdateRcD(before), Services::UpdateRcD(now))
            | (Services::Chkconfig(before), Services::Chkconfig(now)) => {
                keep_untouched(before, left.scripts().unwrap_or_default(), now)
            }
            _ => Vec::new(),
        }
    }
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
    use super::{
        super::{Place, systemd::Unit},
        *,
    };

    fn process(cgroup: &str) -> Process {
        Process {
            id: 412,
            name: "rpcbind".to_owned(),
            program: "/usr/sbin/rpcbind".to_owned(),
            arguments: vec!["-w".to_owned()],
            started: 1,
            parent: 1,
            cgroup: cgroup.to_owned(),
        }
    }

    fn systemd(active: bool) -> Services {
        Services::Systemd(Units {
            units: vec![Unit {
                name: "rpcbind.service".to_owned(),
                is_alias: false,
                active,
                state: "masked".to_owned(),
                file: None,
            }],
            ..Units::default()
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
        // Undoing starts services, and no command line.
        assert_eq!(gone.restore(&alone), Some(Vec::new()));
        assert_eq!(alone.restore(&alone), Some(Vec::new()));
        assert_eq!(gone.disable(), []);
    }

    #[test]
    fn a_container_another_program_and_the_first_process_are_in_the_way_and_not_ended() {
        let holder = |id, is_portmapper, cgroup: &str| Holder {
            process: Process { id, ..process("") },
            is_portmapper,
            place: Place::of(cgroup),
            is_main: false,
            listeners: Vec::new(),
        };
        let of = |services, holder: Holder| {
            let holders = Holders {
                known: vec![holder],
                unseen: Vec::new(),
            };
            let strays = holders.portmappers().cloned().collect();
            State {
                holders,
                ..State::new(services, strays)
            }
        };
        let ours = of(Services::Unknown, holder(412, true, ""));
        assert_eq!(shown(&ours.disable()), ["kill 412"]);
        assert!(ours.in_the_way(&ours.disable()).is_empty());
        for holder in [
            holder(412, true, "0::/docker/0123456789abcdef"),
            holder(412, false, ""),
            holder(1, false, ""),
            holder(1, true, ""),
        ] {
            let state = of(Services::Unknown, holder.clone());
            assert_eq!(state.disable(), []);
            assert_eq!(state.in_the_way(&[]).known, [holder]);
        }
    }

    #[test]
    fn what_is_known_first_is_kept_and_the_rest_is_added() {
        let script = |name: &str, running| Script {
            name: name.to_owned(),
            levels: ['2'].into(),
            running,
        };
        let state =
            |scripts: &[Script]| State::new(Services::UpdateRcD(scripts.to_vec()), Vec::new());
        let first = state(&[script("rpcbind", true)]);
        let later = state(&[script("rpcbind", false), script("portmap", true)]);
        assert_eq!(
            first.clone().merged_with(None, &later),
            Some(state(&[script("rpcbind", true), script("portmap", true)]))
        );
        let other = State::new(Services::Unknown, Vec::new());
        assert_eq!(first.clone().merged_with(None, &other), None);
        assert_eq!(other.restore(&first), None);
    }
}
