//! Units of systemd that start a portmapper which is not enabled itself: those that want or require
//! it.
//!
//! The files are read, as systemd reads them, from directories that only root can write.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use super::init::UNITS;
use crate::{disable::Machine, policy::PORTMAPPER_PORT, sockets::PORTMAPPERS};

/// Where systemd looks for units (systemd.unit(5)), the first of a name being the one that counts.
const DIRECTORIES: [&str; 13] = [
    "etc/systemd/system.control",
    "run/systemd/system.control",
    "run/systemd/transient",
    "run/systemd/generator.early",
    "etc/systemd/system",
    "etc/systemd/system.attached",
    "run/systemd/system",
    "run/systemd/system.attached",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/generator.late",
];

/// Units that systemd always starts.
const BASIC: [&str; 6] = [
    "default.target",
    "sysinit.target",
    "basic.target",
    "sockets.target",
    "timers.target",
    "paths.target",
];

/// Settings that have another unit started.
const PULLS: [&str; 7] = [
    "Wants", "Requires", "BindsTo", "Upholds", "Sockets", "Service", "Unit",
];

/// Kinds of unit that start the service of their name.
const TRIGGERS: [&str; 3] = [".socket", ".timer", ".path"];

/// Settings whose commands are run when a unit starts.
const RUNS: [&str; 3] = ["ExecStart", "ExecStartPre", "ExecStartPost"];

/// The words of a command are between these, and those of a shell's in it.
const SEPARATORS: [char; 7] = [' ', '\t', '"', '\'', ';', '&', '|'];

/// The characters that may stand before the path of a program (systemd.service(5)).
const MARKS: [char; 5] = ['@', '-', ':', '+', '!'];

/// A unit that starts one of the portmapper's, or its program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Starter {
    /// Whether something has it started at boot: if not, it does so when somebody starts it.
    pub at_boot: bool,
    /// Which unit it is.
    pub by: String,
    /// The portmapper's unit, or the path of its program where that is run itself.
    pub unit: String,
}

/// Directories of files that have units started when a message or a device comes, the setting, and
/// what they are.
const EVENTS: [(&str, &str, &str); 7] = [
    ("etc/udev/rules.d", "SYSTEMD_WANTS", "udev rules"),
    ("run/udev/rules.d", "SYSTEMD_WANTS", "udev rules"),
    ("usr/lib/udev/rules.d", "SYSTEMD_WANTS", "udev rules"),
    ("lib/udev/rules.d", "SYSTEMD_WANTS", "udev rules"),
    (
        "etc/dbus-1/system-services",
        "SystemdService",
        "D-Bus service",
    ),
    (
        "usr/local/share/dbus-1/system-services",
        "SystemdService",
        "D-Bus service",
    ),
    (
        "usr/share/dbus-1/system-services",
        "SystemdService",
        "D-Bus service",
    ),
];

/// The units that open port 111 and are none of these, for another service than the portmapper.
pub(super) fn other_sockets(machine: &Machine, portmappers: &[&str]) -> Vec<String> {
    let units = Units::read(machine);
    let listens = units.listens.iter();
    listens
        .filter(|name| units.is_there(name) && !portmappers.contains(&units.resolve(name)))
        .cloned()
        .collect()
}

/// The units that want or require one of `portmappers` that is there and not masked; those of the
/// boot first.
pub(super) fn starters(machine: &Machine, portmappers: &[&str]) -> Vec<Starter> {
    let units = Units::read(machine);
    let at_boot = units.started_from(&BASIC);
    let wanted: HashSet<&str> = portmappers
        .iter()
        .copied()
        .filter(|name| units.is_there(name))
        .collect();
    let mut starters = BTreeSet::new();
    for by in units.pulls.keys().filter(|by| units.is_there(by)) {
        if portmappers.contains(&units.resolve(by)) {
            continue;
        }
        for unit in units.pulled_by(by).filter(|unit| wanted.contains(unit)) {
            starters.insert(Starter {
                at_boot: at_boot.contains(by.as_str()),
                by: by.clone(),
                unit: unit.to_owned(),
            });
        }
    }
    for (directory, setting, what) in EVENTS {
        for name in machine.names(directory) {
            let text = machine.text(format!("{directory}/{name}"));
            let lines = text.lines().map(str::trim_start);
            let settings: Vec<_> = lines
                .filter(|line| !line.starts_with('#') && line.contains(setting))
                .flat_map(|line| line.split(['"', '=', ' ', ',']))
                .collect();
            let named = wanted.iter().filter(|unit| settings.contains(unit));
            starters.extend(named.map(|unit| Starter {
                at_boot: false,
                by: format!("{what} {name}"),
                unit: (*unit).to_owned(),
            }));
        }
    }
    starters.extend(units.runners(&at_boot));
    let mut starters: Vec<_> = starters.into_iter().collect();
    starters.sort_by_key(|starter| !starter.at_boot);
    starters
}

#[derive(Default)]
struct Units {
    /// Whether there is a unit of this name that is not masked.
    there: HashMap<String, bool>,
    aliases: HashMap<String, String>,
    pulls: HashMap<String, BTreeSet<String>>,
    /// Units that listen on port 111.
    listens: BTreeSet<String>,
    /// Units that run a portmapper's program, with what it is called.
    runs: HashMap<String, String>,
}

impl Units {
    fn read(machine: &Machine) -> Self {
        let mut units = Self::default();
        let root = fs::metadata(machine.path("")).map_or(0, |root| root.uid());
        let is_roots = |path: &str| {
            let found = fs::metadata(machine.path(path));
            found.is_ok_and(|found| found.uid() == root && found.mode() & 0o022 == 0)
        };
        for directory in DIRECTORIES.into_iter().filter(|path| is_roots(path)) {
            for name in machine.names(directory) {
                let path = format!("{directory}/{name}");
                let target = machine.target(&path);
                if target.as_deref() != Some("/dev/null") && !is_roots(&path) && target.is_none() {
                    continue;
                }
                let Some((stem, kind)) = name.rsplit_once('.') else {
                    continue;
                };
                match kind {
                    "wants" | "requires" | "upholds" => {
                        for unit in machine.names(&path) {
                            let link = machine.target(format!("{path}/{unit}"));
                            if link.as_deref() != Some("/dev/null") {
                                units.pull(stem, &unit);
                            }
                        }
                    }
                    "d" => {
                        for file in machine.names(&path) {
                            let file = format!("{path}/{file}");
                            if file.ends_with(".conf") && is_roots(&file) {
                                units.settings(stem, &machine.text(&file));
                            }
                        }
                    }
                    _ if !units.there.contains_key(&name) => {
                        units.unit(&name, target.as_deref(), &machine.text(&path));
                    }
                    _ => {}
                }
            }
        }
        units
    }

    fn unit(&mut self, name: &str, target: Option<&str>, text: &str) {
        let of = target.and_then(|target| Path::new(target).file_name()?.to_str());
        let alias = of.filter(|of| *of != name && *of != "null");
        self.there
            .insert(name.to_owned(), alias.is_some() || !text.trim().is_empty());
        match alias {
            Some(of) => {
                self.aliases.insert(name.to_owned(), of.to_owned());
            }
            None => self.settings(name, text),
        }
    }

    fn settings(&mut self, unit: &str, text: &str) {
        let text = text.replace("\\\n", " ");
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.starts_with(['#', ';']));
        for (key, value) in lines.filter_map(|line| line.split_once('=')) {
            if matches!(key.trim(), "ListenStream" | "ListenDatagram") {
                let value = value.trim();
                let port = value.rsplit(':').next().filter(|_| !value.starts_with('/'));
                if port.is_some_and(|port| port.parse() == Ok(PORTMAPPER_PORT)) {
                    self.listens.insert(unit.to_owned());
                }
            }
            if RUNS.contains(&key.trim())
                && let Some(program) = value
                    .split(SEPARATORS)
                    .map(|word| word.trim_start_matches(MARKS))
                    .find(|word| is_portmapper(word))
            {
                self.runs.insert(unit.to_owned(), program.to_owned());
            }
            if PULLS.contains(&key.trim()) {
                for name in value.split_whitespace() {
                    self.pull(unit, name.trim_matches(['"', '\'']));
                }
            }
        }
    }

    fn pull(&mut self, unit: &str, other: &str) {
        let pulled = self.pulls.entry(unit.to_owned()).or_default();
        pulled.insert(other.to_owned());
    }

    /// The unit that an alias stands for.
    fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        let mut name = name;
        for _ in 0..8 {
            match self.aliases.get(name) {
                Some(of) => name = of,
                None => break,
            }
        }
        name
    }

    /// Whether systemd has this unit, or a template of it, and would start it.
    fn is_there(&self, name: &str) -> bool {
        let name = self.resolve(name);
        let there = self.there.get(name);
        let there = there.or_else(|| self.there.get(&template(name)?));
        there.copied().unwrap_or(false)
    }

    /// The units that a unit has started, by their own names.
    fn pulled_by<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let name = self.resolve(name);
        let of_template = template(name).and_then(|template| self.pulls.get(&template));
        let listed = self.pulls.get(name).into_iter().chain(of_template);
        let trigger = TRIGGERS.iter().find_map(|kind| name.strip_suffix(kind));
        let service = trigger.map(|stem| format!("{stem}.service"));
        let service = service
            .and_then(|service| self.there.get_key_value(&service))
            .map(|(name, _)| name.as_str());
        listed
            .flatten()
            .map(String::as_str)
            .chain(service)
            .map(|name| self.resolve(name))
    }

    /// The units among these that run a portmapper without being one of its own units.
    fn runners<'a>(&'a self, started: &HashSet<&'a str>) -> impl Iterator<Item = Starter> {
        let others = |name: &&&str| !UNITS.contains(*name) && self.is_there(name);
        started.iter().filter(others).filter_map(|name| {
            let of_template = || self.runs.get(&template(name)?);
            let program = self.runs.get(*name).or_else(of_template)?;
            Some(Starter {
                at_boot: true,
                by: (*name).to_owned(),
                unit: program.clone(),
            })
        })
    }

    /// All units that these have started, and they themselves.
    fn started_from<'a>(&'a self, roots: &[&'a str]) -> HashSet<&'a str> {
        let mut started = HashSet::new();
        let mut left: Vec<&str> = roots.to_vec();
        while let Some(name) = left.pop() {
            let name = self.resolve(name);
            // A target is there even if it has no file of its own here.
            let masked = self.there.get(name) == Some(&false);
            if !masked && started.insert(name) {
                left.extend(self.pulled_by(name));
            }
        }
        started
    }
}

/// Whether a word of a command is a path of a portmapper's program.
fn is_portmapper(word: &str) -> bool {
    let name = word.starts_with('/').then(|| word.rsplit('/').next());
    name.flatten()
        .is_some_and(|name| PORTMAPPERS.contains(&name))
}

/// `foo@.service` of `foo@bar.service`.
fn template(name: &str) -> Option<String> {
    let (stem, rest) = name.split_once('@')?;
    let (instance, kind) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{stem}@.{kind}"))
}

#[cfg(test)]
mod tests;
