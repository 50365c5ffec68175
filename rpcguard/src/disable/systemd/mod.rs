//! rpcbind under systemd.
//!
//! rpcbind.socket listens, and starts rpcbind.service when somebody asks: to stop and disable the service
//! alone does nothing. And what is only disabled is started all the same by a unit that requires it, as
//! rpc-statd.service does. So both are stopped, disabled and masked, under all their names.

mod look;
mod steps;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{machine::Machine, merge::Item, place::is_unit_name, step::is_plain};

/// All names of the portmapper's units: what listens comes first. Debian's portmap.service is another
/// name of rpcbind.service.
const NAMES: [&str; 4] = [
    "rpcbind.socket",
    "portmap.socket",
    "rpcbind.service",
    "portmap.service",
];

/// What systemctl(1) is asked for about each.
const PROPERTIES: &str =
    "--property=Id,LoadState,ActiveState,UnitFileState,RequiredBy,BoundBy,ConsistsOf";

/// Properties that name units which are stopped with a unit.
const STOPPED_ALONG: [&str; 3] = ["RequiredBy", "BoundBy", "ConsistsOf"];

/// Where administrators' own units are, and links that `systemctl` makes, from the root directory.
const DIRECTORY: &str = "etc/systemd/system";

/// Where links are that go with the next boot.
const RUNTIME_DIRECTORY: &str = "run/systemd/system";

/// The state of a name that is not a unit's own.
const ALIAS: &str = "alias";

/// What is appended to the name of a file that is in the way of a mask.
const ASIDE: &str = ".before-rpcguard";

/// What `systemctl mask` makes links to.
const MASK: &str = "/dev/null";

/// The units, and who needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// Those of the portmapper that there are.
    pub units: Vec<Unit>,
    /// Others that run, and stop when these do.
    pub dependents: Vec<String>,
    /// Socket units that listen on port 111 and on others as well.
    #[serde(skip)]
    pub shared: Vec<String>,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The name that it was asked for by.
    pub name: String,
    /// Whether it is another name of a unit that has a name of its own.
    pub is_alias: bool,
    /// Whether it runs or listens, or is about to.
    pub active: bool,
    /// As `systemctl is-enabled` prints it; empty if it has no file.
    pub state: String,
    /// What is by its name in /etc/systemd/system, masks aside.
    pub file: Option<OwnFile>,
}

/// What an administrator has put in the place of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnFile {
    /// A file.
    Regular,
    /// A symbolic link to this.
    Link(String),
    /// A file that rpcguard has moved aside.
    Aside,
}

impl Item for Unit {
    fn name(&self) -> &str {
        &self.name
    }

    fn setting(&self) -> String {
        let active = if self.active { "active" } else { "not active" };
        let state = match self.state.as_str() {
            "" => "no unit file",
            state => state,
        };
        format!("{state}, {active}")
    }

    /// Masked is masked, by this name or by another.
    fn is_same(&self, other: &Self) -> bool {
        let is_set_alike = if self.is_masked() {
            other.is_masked()
        } else {
            self.state == other.state
        };
        is_set_alike && self.active == other.active && self.file == other.file
    }

    fn is_more_than(&self, was: &Self) -> bool {
        self.active && !was.active || self.is_enabled() && !was.is_enabled()
    }

    /// With a file that rpcguard has moved aside, unless another has taken its place.
    fn set_anew(&self, was: &Self) -> Self {
        let mut unit = self.clone();
        if unit.file == Some(OwnFile::Aside) {
            unit.file.clone_from(&was.file);
        }
        unit
    }
}

impl Unit {
    /// Whether it can be one that rpcguard has found.
    pub(super) fn is_known(&self) -> bool {
        let is_unit = |name: &str| {
            is_unit_name(name) && (name.ends_with(".service") || name.ends_with(".socket"))
        };
        is_unit(&self.name)
            && match &self.file {
                Some(OwnFile::Link(target)) => {
                    target.starts_with('/')
                        && is_plain(target)
                        && !target.split('/').any(|part| part == "..")
                        && target.rsplit('/').next().is_some_and(is_unit)
                }
                Some(OwnFile::Regular | OwnFile::Aside) | None => true,
            }
    }

    fn is_masked(&self) -> bool {
        self.state == "masked"
    }

    fn is_enabled(&self) -> bool {
        matches!(
            self.state.as_str(),
            "enabled" | "enabled-runtime" | "linked" | "linked-runtime" | "generated"
        )
    }

    /// Whether the state goes with the next boot.
    fn is_runtime(&self) -> bool {
        self.state.ends_with("-runtime")
    }
}

/// The question about units.
fn question<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let words = ["systemctl", "show", PROPERTIES, "--"];
    words
        .into_iter()
        .chain(names)
        .map(ToOwned::to_owned)
        .collect()
}

/// What systemctl says about some units, in the order of the question.
pub(crate) fn answers(output: &str) -> Vec<BTreeMap<&str, &str>> {
    output
        .split("\n\n")
        .map(|block| {
            let lines = block.lines();
            lines.filter_map(|line| line.split_once('=')).collect()
        })
        .collect()
}

/// Whether a unit of this ActiveState is, or is about to be, in operation.
pub(super) fn is_active(state: &str) -> bool {
    matches!(state, "active" | "activating" | "reloading")
}

impl Units {
    /// Whether systemd listens for one of these.
    pub(super) fn listens(&self) -> bool {
        let mut units = self.units.iter();
        units.any(|unit| unit.active && unit.name.ends_with(".socket"))
    }

    /// Reads the answer to [`question`] about these names; the dependents are those that may run.
    fn read(machine: &Machine, names: &[&str], output: &str) -> Self {
        let mut found = Self::default();
        for (name, properties) in names.iter().copied().zip(answers(output)) {
            let value = |key: &str| properties.get(key).copied().unwrap_or_default();
            let own = format!("{DIRECTORY}/{name}");
            let file = match machine.target(&own) {
                Some(_) if is_mask(machine, &own) => None,
                Some(target) => Some(OwnFile::Link(target)),
                None if machine.has(&own) && !is_mask(machine, &own) => Some(OwnFile::Regular),
                None => None,
            };
            let aside = machine.has(format!("{own}{ASIDE}"));
            let file = file.or_else(|| aside.then_some(OwnFile::Aside));
            if value("LoadState") == "not-found" && file.is_none() {
                continue;
            }
            found.add_dependents(names, &properties);
            // The other names of a masked unit are as masked as it is, and systemd does not say whose
            // names they are.
            let state = value("UnitFileState");
            let is_masked_by_name = [DIRECTORY, RUNTIME_DIRECTORY]
                .iter()
                .any(|directory| is_mask(machine, &format!("{directory}/{name}")));
            let by_another_name = state.starts_with("masked") && !is_masked_by_name;
            found.units.push(Unit {
                name: name.to_owned(),
                is_alias: by_another_name || value("Id") != name,
                active: is_active(value("ActiveState")),
                state: if by_another_name { ALIAS } else { state }.to_owned(),
                file,
            });
        }
        found
    }

    /// Adds the units that are stopped with one of these properties, unless they are among `names`.
    fn add_dependents(&mut self, names: &[&str], properties: &BTreeMap<&str, &str>) {
        let named = STOPPED_ALONG.iter().filter_map(|key| properties.get(key));
        for dependent in named.flat_map(|names| names.split_whitespace()) {
            if !names.contains(&dependent) && !self.dependents.iter().any(|name| name == dependent)
            {
                self.dependents.push(dependent.to_owned());
            }
        }
    }

    /// Follows the answer about the dependents from `first` on: leaves only those that run, and
    /// adds those that are stopped with one of them. Returns how many are known to run.
    fn follow_dependents(&mut self, names: &[&str], first: usize, output: &str) -> usize {
        let asked = self.dependents.split_off(first);
        let answers = answers(output);
        for (name, properties) in asked.into_iter().zip(&answers) {
            if properties
                .get("ActiveState")
                .copied()
                .is_some_and(is_active)
            {
                self.dependents.push(name);
            }
        }
        let known = self.dependents.len();
        for properties in &answers {
            // A unit that does not run stops nothing.
            if properties
                .get("ActiveState")
                .copied()
                .is_some_and(is_active)
            {
                self.add_dependents(names, properties);
            }
        }
        known
    }
}

/// Whether a file masks the unit of its name: systemd takes an empty one for that, too.
fn is_mask(machine: &Machine, path: &str) -> bool {
    machine.target(path).is_some_and(|target| target == MASK)
        || machine.path(path).is_file() && machine.text(path).is_empty()
}

#[cfg(test)]
mod tests {
    use super::{super::machine::fixture::machine, NAMES, OwnFile, Unit, Units};

    pub(super) fn unit(name: &str, state: &str, active: bool) -> Unit {
        Unit {
            name: name.to_owned(),
            is_alias: name.starts_with("portmap"),
            active,
            state: state.to_owned(),
            file: None,
        }
    }

    #[test]
    fn what_systemctl_says_is_read_in_the_order_of_the_question() {
        // As systemd 252 prints it; portmap.service is masked by its other name.
        let output = "Id=rpcbind.socket\nRequiredBy=rpc-statd.service rpcbind.service\nBoundBy=\n\
                      LoadState=loaded\nActiveState=active\nUnitFileState=masked\n\n\
                      Id=portmap.socket\nLoadState=not-found\nActiveState=inactive\n\
                      UnitFileState=\n\n\
                      Id=rpcbind.service\nRequiredBy=\nLoadState=loaded\nActiveState=activating\n\
                      UnitFileState=disabled\n\n\
                      Id=portmap.service\nRequiredBy=\nLoadState=error\nActiveState=activating\n\
                      UnitFileState=masked-runtime\n";
        let (_root, machine) = machine(&[
            ("etc/systemd/system/rpcbind.socket", "->/dev/null"),
            (
                "etc/systemd/system/portmap.service",
                "->/lib/systemd/system/rpcbind.service",
            ),
            ("etc/systemd/system/rpcbind.service", "[Service]"),
        ]);
        let mut found = Units::read(&machine, &NAMES, output);
        assert_eq!(found.dependents, ["rpc-statd.service"]);
        let [socket, service, alias] = &found.units[..] else {
            panic!("{found:?}");
        };
        assert_eq!(socket, &unit("rpcbind.socket", "masked", true));
        assert_eq!(service.file, Some(OwnFile::Regular));
        assert!(service.active);
        assert!(alias.is_alias && !service.is_alias);
        let target = "/lib/systemd/system/rpcbind.service".to_owned();
        assert_eq!(alias.file, Some(OwnFile::Link(target)));
        assert_eq!(alias.state, "alias");
        // Those that are stopped along with what is stopped along.
        let answer = "Id=rpc-statd.service\nActiveState=active\nRequiredBy=srv.mount rpcbind.service\n\
                      ConsistsOf=more.service\n";
        let mut more = found.clone();
        more.follow_dependents(&NAMES, 0, answer);
        let expected = ["rpc-statd.service", "srv.mount", "more.service"];
        assert_eq!(more.dependents, expected);
        more.follow_dependents(
            &NAMES,
            1,
            "Id=srv.mount\nActiveState=active\n\nId=more.service\nActiveState=inactive\n",
        );
        assert_eq!(more.dependents, expected[..2]);
        found.follow_dependents(&NAMES, 0, "Id=rpc-statd.service\nActiveState=inactive\n");
        assert_eq!(found.dependents, [""; 0]);
    }
}
