//! What starts the portmapper of this machine: systemd, scripts of System V init, or OpenRC.

use super::{Starter, starters, tool};
use crate::disable::{
    Init, Machine,
    openrc::{self, Services},
    systemd,
    sysv::Script,
};

/// systemd's units of it.
pub(super) const UNITS: [&str; 3] = ["rpcbind.socket", "rpcbind.service", "portmap.service"];

/// What starts services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitSystem {
    /// systemd(1).
    Systemd,
    /// Scripts in /etc/init.d, with links in /etc/rc?.d.
    SystemV,
    /// OpenRC, with links in /etc/runlevels.
    OpenRc,
}

impl InitSystem {
    /// Its name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::SystemV => "sysv",
            Self::OpenRc => "openrc",
        }
    }
}

/// A unit, script or service that starts the portmapper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// What it belongs to.
    pub init: InitSystem,
    /// Its name.
    pub name: String,
    /// Its present state, in the init system's words; for System V, which knows of none, `script`.
    pub state: String,
    /// Whether it is started at boot, in words: `enabled`, `masked`, `runlevels 2345`.
    pub boot: String,
    /// Whether the portmapper is there after a boot because of this.
    pub starts: bool,
}

/// What starts the portmapper of a machine.
#[must_use]
pub fn units(machine: &Machine) -> Vec<Unit> {
    match Init::of(machine) {
        // Where systemd has a unit, it does not look at the scripts of the same name.
        Init::Systemd => systemctl().map(|text| parse(&text)).unwrap_or_default(),
        Init::OpenRc => open_rc(machine),
        Init::UpdateRcD | Init::Chkconfig | Init::Unknown => system_v(machine),
    }
}

/// The units of systemd that start one of these that is not enabled itself.
pub(super) fn starters(machine: &Machine, units: &[Unit]) -> Vec<Starter> {
    if Init::of(machine) != Init::Systemd {
        return Vec::new();
    }
    let enabled = |name: &&str| units.iter().any(|unit| unit.name == *name && unit.starts);
    let disabled: Vec<&str> = UNITS.into_iter().filter(|name| !enabled(name)).collect();
    starters::starters(machine, &disabled)
}

/// The units of systemd that open port 111 for another service than a portmapper, unless a
/// portmapper's own does.
pub(super) fn other_sockets(machine: &Machine, units: &[Unit]) -> Vec<String> {
    let active = |unit: &Unit| unit.name.ends_with(".socket") && unit.state.starts_with("active");
    if Init::of(machine) != Init::Systemd || units.iter().any(active) {
        return Vec::new();
    }
    starters::other_sockets(machine, &[&UNITS[..], &["portmap.socket"]].concat())
}

/// The main process of a service of systemd; `None` if it has none, or systemd does not say.
#[must_use]
pub(crate) fn main_process(service: &str) -> Option<u32> {
    let program = tool::find(&["systemctl"])?;
    let arguments = ["show", "--property=MainPID", "--", service];
    let text = tool::run(&program, &arguments).ok()?;
    let pid = text.trim().strip_prefix("MainPID=")?.parse().ok()?;
    (pid != 0).then_some(pid)
}

/// The answer of systemctl about the units; `None` if it says nothing.
fn systemctl() -> Option<String> {
    let program = tool::find(&["systemctl"])?;
    let properties = "--property=Id,LoadState,ActiveState,SubState,UnitFileState";
    let arguments = ["show", "--no-pager", properties];
    tool::run(&program, &[&arguments[..], &UNITS].concat())
        .inspect_err(|why| log::warn!("{why}"))
        .ok()
}

/// Reads the properties of several units.
fn parse(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for properties in systemd::answers(text) {
        let property = |name: &str| properties.get(name).copied().unwrap_or_default();
        let name = property("Id");
        let known = units.iter().any(|unit| unit.name == name);
        if name.is_empty() || known || property("LoadState") == "not-found" {
            continue;
        }
        let boot = match property("UnitFileState") {
            "" => property("LoadState"),
            state => state,
        };
        units.push(Unit {
            init: InitSystem::Systemd,
            name: name.to_owned(),
            state: format!("{} ({})", property("ActiveState"), property("SubState")),
            boot: boot.to_owned(),
            starts: matches!(boot, "enabled" | "enabled-runtime" | "alias" | "generated"),
        });
    }
    units
}

fn system_v(machine: &Machine) -> Vec<Unit> {
    // Whether they run is seen by who listens: no script is run for it.
    Script::find(machine, |_| false)
        .into_iter()
        .map(|Script { name, levels, .. }| Unit {
            init: InitSystem::SystemV,
            name,
            state: "script".to_owned(),
            boot: if levels.is_empty() {
                "no runlevel".to_owned()
            } else {
                format!("runlevels {}", levels.iter().collect::<String>())
            },
            starts: !levels.is_empty(),
        })
        .collect()
}

fn open_rc(machine: &Machine) -> Vec<Unit> {
    Services::find(machine, |name| openrc::is_started(machine, name))
        .services
        .into_iter()
        .map(|service| {
            let levels: Vec<_> = service.runlevels.iter().map(String::as_str).collect();
            Unit {
                init: InitSystem::OpenRc,
                state: if service.started {
                    "started"
                } else {
                    "stopped"
                }
                .to_owned(),
                boot: if levels.is_empty() {
                    "no runlevel".to_owned()
                } else {
                    format!("runlevel {}", levels.join(", "))
                },
                starts: !levels.is_empty(),
                name: service.name,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::{InitSystem, Machine, parse, units};

    fn script(root: &Path, name: &str) {
        let directory = root.join("etc/init.d");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(name), "").unwrap();
    }

    fn link(root: &Path, link: &str) {
        let link = root.join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink("anywhere", link).unwrap();
    }

    /// As systemd 252 prints it.
    #[test]
    fn units_of_systemd_are_read() {
        let text = "Id=rpcbind.socket\nLoadState=loaded\nActiveState=active\nSubState=running\n\
                    UnitFileState=enabled\n\nId=rpcbind.service\nLoadState=masked\n\
                    ActiveState=inactive\nSubState=dead\nUnitFileState=masked\n\n\
                    Id=portmap.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n\
                    UnitFileState=\n";
        let units = parse(text);
        let read: Vec<_> = units
            .iter()
            .map(|unit| (&unit.name[..], &unit.state[..], &unit.boot[..], unit.starts))
            .collect();
        assert_eq!(
            read,
            [
                ("rpcbind.socket", "active (running)", "enabled", true),
                ("rpcbind.service", "inactive (dead)", "masked", false),
            ]
        );
        assert_eq!(parse(""), []);
        // An alias is the unit that it stands for.
        assert_eq!(parse(&format!("{text}\n{text}")).len(), 2);
    }

    #[test]
    fn scripts_and_their_runlevels_are_found() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(units(&Machine::new(root.path())), []);
        script(root.path(), "rpcbind");
        let boot = |root: &Path| {
            let units = units(&Machine::new(root));
            assert_eq!(units.len(), 1);
            assert_eq!(units[0].init, InitSystem::SystemV);
            (units[0].boot.clone(), units[0].starts)
        };
        assert_eq!(boot(root.path()), ("no runlevel".to_owned(), false));
        link(root.path(), "etc/rc3.d/K01rpcbind");
        link(root.path(), "etc/rc3.d/S01rpcbind2");
        assert_eq!(boot(root.path()), ("no runlevel".to_owned(), false));
        link(root.path(), "etc/rc3.d/S01rpcbind");
        link(root.path(), "etc/rc.d/rc5.d/S13rpcbind");
        assert_eq!(boot(root.path()), ("runlevels 35".to_owned(), true));
    }

    #[test]
    fn services_of_open_rc_are_found() {
        let root = tempfile::tempdir().unwrap();
        script(root.path(), "rpcbind");
        link(root.path(), "etc/runlevels/default/rpcbind");
        fs::create_dir_all(root.path().join("etc/runlevels/boot")).unwrap();
        link(root.path(), "run/openrc/started/rpcbind");
        let found = units(&Machine::new(root.path()));
        assert_eq!(found.len(), 1);
        let first = &found[0];
        assert_eq!(first.init, InitSystem::OpenRc);
        assert_eq!(
            (&first.state[..], &first.boot[..]),
            ("started", "runlevel default")
        );
        assert!(first.starts);
    }
}
