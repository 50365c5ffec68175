//! What starts the portmapper of this machine: systemd, scripts of System V init, or OpenRC.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What the portmapper is called, also where portmap's name is kept for it.
const SERVICES: [&str; 2] = ["rpcbind", "portmap"];

/// systemd's units of it.
const UNITS: [&str; 3] = ["rpcbind.socket", "rpcbind.service", "portmap.service"];

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

/// What starts the portmapper, as far as the machine whose root directory this is has it.
#[must_use]
pub fn units(root: &Path) -> Vec<Unit> {
    // sd_booted(3). Where systemd has a unit, it does not look at the scripts of the same name.
    if root.join("run/systemd/system").is_dir() {
        return systemctl().map(|text| parse(&text)).unwrap_or_default();
    }
    // OpenRC's scripts are where System V has its own.
    if root.join("etc/runlevels").is_dir() {
        open_rc(root)
    } else {
        system_v(root)
    }
}

/// What systemctl says about the units; `None` if it says nothing for three seconds.
fn systemctl() -> Option<String> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let mut child = Command::new("systemctl")
        .args([
            "show",
            "--no-pager",
            "--property=Id,LoadState,ActiveState,SubState,UnitFileState",
        ])
        .args(UNITS)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .inspect_err(|error| log::warn!("cannot run systemctl: {error}"))
        .ok()?;
    let deadline = Instant::now() + PATIENCE;
    // It prints less than a pipe holds.
    while child.try_wait().ok()?.is_none() {
        if Instant::now() >= deadline {
            log::warn!("systemctl does not end");
            child.kill().ok()?;
            child.wait().ok()?;
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Reads the properties of several units, with empty lines between them.
fn parse(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for block in text.split("\n\n") {
        let property = |name: &str| {
            block
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(key, _)| *key == name)
                .map_or("", |(_, value)| value)
        };
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

fn system_v(root: &Path) -> Vec<Unit> {
    SERVICES
        .into_iter()
        .filter(|name| {
            ["etc/init.d", "etc/rc.d/init.d"]
                .iter()
                .any(|directory| root.join(directory).join(name).exists())
        })
        .map(|name| {
            let levels = start_levels(root, name);
            Unit {
                init: InitSystem::SystemV,
                name: name.to_owned(),
                state: "script".to_owned(),
                boot: if levels.is_empty() {
                    "no runlevel".to_owned()
                } else {
                    format!("runlevels {}", levels.iter().collect::<String>())
                },
                starts: !levels.is_empty(),
            }
        })
        .collect()
}

/// The runlevels that start a service: those that have a link `S??name`. `S` is that of booting.
fn start_levels(root: &Path, service: &str) -> BTreeSet<char> {
    let mut levels = BTreeSet::new();
    for level in ['2', '3', '4', '5', 'S'] {
        for directory in [format!("etc/rc{level}.d"), format!("etc/rc.d/rc{level}.d")] {
            let Ok(entries) = fs::read_dir(root.join(directory)) else {
                continue;
            };
            let starts = entries.flatten().any(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.strip_prefix('S')
                    .and_then(|name| name.get(2..))
                    .is_some_and(|name| name == service)
            });
            if starts {
                levels.insert(level);
            }
        }
    }
    levels
}

fn open_rc(root: &Path) -> Vec<Unit> {
    let Ok(entries) = fs::read_dir(root.join("etc/runlevels")) else {
        return Vec::new();
    };
    let mut levels: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    levels.sort();
    SERVICES
        .into_iter()
        .filter(|name| root.join("etc/init.d").join(name).exists())
        .map(|name| {
            let levels: Vec<_> = levels
                .iter()
                .filter(|level| level.join(name).symlink_metadata().is_ok())
                .filter_map(|level| level.file_name()?.to_str())
                .collect();
            let started = root.join("run/openrc/started").join(name);
            Unit {
                init: InitSystem::OpenRc,
                name: name.to_owned(),
                state: if started.symlink_metadata().is_ok() {
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
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::{InitSystem, parse, units};

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
        assert_eq!(units(root.path()), []);
        script(root.path(), "rpcbind");
        let boot = |root: &Path| {
            let units = units(root);
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
        let found = units(root.path());
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
