//! rpcbind under systemd.
//!
//! rpcbind.socket listens, and starts rpcbind.service when somebody asks: to stop and disable the service
//! alone does nothing. And what is only disabled is started all the same by a unit that requires it, as
//! rpc-statd.service does. So both are stopped, disabled and masked, under all their names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{machine::Machine, step::Step};

/// All names of the portmapper's units: what listens comes first. Debian's portmap.service is another
/// name of rpcbind.service.
pub(super) const NAMES: [&str; 4] = [
    "rpcbind.socket",
    "portmap.socket",
    "rpcbind.service",
    "portmap.service",
];

/// What systemctl(1) is asked for about each.
const PROPERTIES: &str = "--property=Id,LoadState,ActiveState,UnitFileState,RequiredBy,BoundBy";

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

impl Unit {
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
pub(super) fn question<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
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
    /// Reads the answer to [`question`] about [`NAMES`]; the dependents are those that may run.
    pub(super) fn read(machine: &Machine, output: &str) -> Self {
        let mut found = Self::default();
        for (name, properties) in NAMES.into_iter().zip(answers(output)) {
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
            for dependent in ["RequiredBy", "BoundBy"].map(value).join(" ").split(' ') {
                let dependent = dependent.to_owned();
                if !(dependent.is_empty()
                    || NAMES.contains(&dependent.as_str())
                    || found.dependents.contains(&dependent))
                {
                    found.dependents.push(dependent);
                }
            }
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

    /// Leaves only those dependents that run, according to an answer about them.
    pub(super) fn keep_active_dependents(&mut self, output: &str) {
        let mut answers = answers(output).into_iter();
        self.dependents.retain(|_| {
            let state = answers.next().and_then(|of| of.get("ActiveState").copied());
            state.is_some_and(is_active)
        });
    }

    /// Stops, disables and masks what is not so already.
    pub(super) fn disable(&self) -> Vec<Step> {
        let named = |choose: &dyn Fn(&Unit) -> bool| -> Vec<&str> {
            let chosen = self.units.iter().filter(|unit| choose(unit));
            chosen.map(|unit| unit.name.as_str()).collect()
        };
        let mut steps = Vec::new();
        let mut run = |words: &str, names: Vec<&str>| {
            if !names.is_empty() {
                steps.push(Step::run(words, names));
            }
        };
        // What is done to a unit is done under its other names.
        let own = |unit: &Unit| !unit.is_alias;
        run(
            "systemctl disable --now",
            named(&|unit| own(unit) && unit.is_enabled() && !unit.is_runtime()),
        );
        run(
            "systemctl disable --runtime --now",
            named(&|unit| own(unit) && unit.is_enabled() && unit.is_runtime()),
        );
        run(
            "systemctl stop",
            named(&|unit| own(unit) && unit.active && !unit.is_enabled()),
        );
        // `disable` takes the links of what is enabled away, those of its other names included.
        let any_enabled = self.units.iter().any(Unit::is_enabled);
        let in_the_way = self.units.iter().filter(|unit| match unit.file {
            Some(OwnFile::Regular) => !unit.is_masked(),
            Some(OwnFile::Link(_)) => {
                !(unit.is_masked() || unit.is_enabled() || unit.is_alias && any_enabled)
            }
            Some(OwnFile::Aside) | None => false,
        });
        for unit in in_the_way {
            let from = own_path(&unit.name);
            let to = format!("{from}{ASIDE}");
            steps.push(Step::Move { from, to });
        }
        let to_mask = named(&|unit| !unit.is_masked());
        if !to_mask.is_empty() {
            steps.push(Step::run("systemctl mask", to_mask));
        }
        steps
    }

    /// What makes of these units those that they were `before`.
    pub(super) fn restore(&self, before: &Self) -> Vec<Step> {
        let pairs: Vec<_> = before
            .units
            .iter()
            .filter_map(|was| {
                let is = self.units.iter().find(|unit| unit.name == was.name)?;
                Some((was, is))
            })
            .collect();
        let named = |choose: &dyn Fn(&Unit, &Unit) -> bool| -> Vec<&str> {
            let chosen = pairs.iter().filter(|(was, is)| choose(was, is));
            chosen.map(|(was, _)| was.name.as_str()).collect()
        };
        let mut steps = Vec::new();
        // What ran though it was masked cannot be started as long as it is.
        let ran_masked = |was: &Unit, is: &Unit| was.is_masked() && was.active && !is.active;
        let unmasked =
            named(&|was, is| is.is_masked() && (!was.is_masked() || ran_masked(was, is)));
        if !unmasked.is_empty() {
            steps.push(Step::run("systemctl unmask", unmasked));
        }
        // A mask until the next boot may be below the other.
        let below = named(&|was, is| was.state == "masked-runtime" && was.active && !is.active);
        if !below.is_empty() {
            steps.push(Step::run("systemctl unmask --runtime", below));
        }
        let mut reload = false;
        for (was, is) in &pairs {
            let path = own_path(&was.name);
            let aside = format!("{path}{ASIDE}");
            match &was.file {
                Some(OwnFile::Regular | OwnFile::Link(_)) if is.file == Some(OwnFile::Aside) => {
                    steps.push(Step::Move {
                        from: aside,
                        to: path,
                    });
                }
                // Of the links of aliases, those to an enabled unit come with it.
                Some(OwnFile::Link(target)) if is.file.is_none() => steps.push(Step::Link {
                    target: target.clone(),
                    path,
                }),
                _ => continue,
            }
            reload = true;
        }
        if reload {
            steps.push(Step::run("systemctl daemon-reload", [""; 0]));
        }
        let mut run = |words: &str, names: Vec<&str>| {
            if !names.is_empty() {
                steps.push(Step::run(words, names));
            }
        };
        let lost = |was: &Unit, is: &Unit| !was.is_alias && was.state != is.state;
        run(
            "systemctl enable",
            named(&|was, is| {
                lost(was, is) && matches!(was.state.as_str(), "enabled" | "generated")
            }),
        );
        run(
            "systemctl enable --runtime",
            named(&|was, is| lost(was, is) && was.state == "enabled-runtime"),
        );
        let mut stopped = named(&|was, is| !was.is_alias && was.active && !is.active);
        let dependents = before.dependents.iter().map(String::as_str);
        stopped.extend(
            dependents.filter(|name| !self.dependents.iter().any(|running| running == name)),
        );
        run("systemctl start", stopped);
        run(
            "systemctl mask",
            named(&|was, is| was.is_masked() && (!is.is_masked() || ran_masked(was, is))),
        );
        run(
            "systemctl mask --runtime",
            named(&|was, is| was.state == "masked-runtime" && is.state != was.state),
        );
        steps
    }
}

/// Whether a file masks the unit of its name: systemd takes an empty one for that, too.
fn is_mask(machine: &Machine, path: &str) -> bool {
    machine.target(path).is_some_and(|target| target == MASK)
        || machine.path(path).is_file() && machine.text(path).is_empty()
}

fn own_path(name: &str) -> String {
    format!("/{DIRECTORY}/{name}")
}

#[cfg(test)]
mod tests {
    use super::{super::machine::fixture::machine, OwnFile, Unit, Units};

    fn unit(name: &str, state: &str, active: bool) -> Unit {
        Unit {
            name: name.to_owned(),
            is_alias: name.starts_with("portmap"),
            active,
            state: state.to_owned(),
            file: None,
        }
    }

    fn units(units: &[Unit]) -> Units {
        Units {
            units: units.to_vec(),
            dependents: Vec::new(),
        }
    }

    fn disable(before: &Units) -> Vec<String> {
        before.disable().iter().map(ToString::to_string).collect()
    }

    fn restore(before: &Units, now: &Units) -> Vec<String> {
        let steps = now.restore(before);
        steps.iter().map(ToString::to_string).collect()
    }

    /// As Debian 12 has them after its installation.
    fn debian() -> Units {
        units(&[
            unit("rpcbind.socket", "enabled", true),
            unit("rpcbind.service", "enabled", true),
            unit("portmap.service", "alias", true),
        ])
    }

    fn disabled() -> Units {
        units(&[
            unit("rpcbind.socket", "masked", false),
            unit("rpcbind.service", "masked", false),
            Unit {
                is_alias: false,
                ..unit("portmap.service", "masked", false)
            },
        ])
    }

    #[test]
    fn the_socket_is_stopped_and_masked_with_the_service() {
        assert_eq!(
            disable(&debian()),
            [
                "systemctl disable --now rpcbind.socket rpcbind.service",
                "systemctl mask rpcbind.socket rpcbind.service portmap.service",
            ]
        );
        assert_eq!(disable(&disabled()), [""; 0]);
    }

    #[test]
    fn what_was_is_restored_from_wherever_the_disabling_stopped() {
        let before = debian();
        assert_eq!(
            restore(&before, &disabled()),
            [
                "systemctl unmask rpcbind.socket rpcbind.service portmap.service",
                "systemctl enable rpcbind.socket rpcbind.service",
                "systemctl start rpcbind.socket rpcbind.service",
            ]
        );
        // Stopped and disabled, and not yet masked.
        let halfway = units(&[
            unit("rpcbind.socket", "disabled", false),
            unit("rpcbind.service", "disabled", false),
            unit("portmap.service", "alias", false),
        ]);
        assert_eq!(
            restore(&before, &halfway),
            [
                "systemctl enable rpcbind.socket rpcbind.service",
                "systemctl start rpcbind.socket rpcbind.service",
            ]
        );
        assert_eq!(restore(&before, &before), [""; 0]);
    }

    #[test]
    fn only_what_is_missing_is_done_and_undone() {
        // Started by hand, or by a unit that requires it: static units, one masked while it ran.
        let before = units(&[
            unit("rpcbind.socket", "static", true),
            unit("rpcbind.service", "masked", true),
        ]);
        assert_eq!(
            disable(&before),
            [
                "systemctl stop rpcbind.socket rpcbind.service",
                "systemctl mask rpcbind.socket",
            ]
        );
        let now = units(&[
            unit("rpcbind.socket", "masked", false),
            unit("rpcbind.service", "masked", false),
        ]);
        assert_eq!(
            restore(&before, &now),
            [
                "systemctl unmask rpcbind.socket rpcbind.service",
                "systemctl start rpcbind.socket rpcbind.service",
                "systemctl mask rpcbind.service",
            ]
        );
    }

    #[test]
    fn what_lasts_until_the_next_boot_is_restored_as_that() {
        let before = units(&[
            unit("rpcbind.socket", "enabled-runtime", true),
            unit("rpcbind.service", "masked-runtime", true),
        ]);
        assert_eq!(
            disable(&before),
            [
                "systemctl disable --runtime --now rpcbind.socket",
                "systemctl stop rpcbind.service",
                "systemctl mask rpcbind.socket rpcbind.service",
            ]
        );
        assert_eq!(
            restore(&before, &disabled()),
            [
                "systemctl unmask rpcbind.socket rpcbind.service",
                "systemctl unmask --runtime rpcbind.service",
                "systemctl enable --runtime rpcbind.socket",
                "systemctl start rpcbind.socket rpcbind.service",
                "systemctl mask --runtime rpcbind.service",
            ]
        );
    }

    #[test]
    fn a_unit_of_the_administrators_own_is_moved_aside_and_back() {
        let with = |file: Option<OwnFile>, state: &str, active| {
            units(&[Unit {
                file,
                ..unit("rpcbind.service", state, active)
            }])
        };
        let before = with(Some(OwnFile::Regular), "disabled", true);
        assert_eq!(
            disable(&before),
            [
                "systemctl stop rpcbind.service",
                "mv /etc/systemd/system/rpcbind.service \
                 /etc/systemd/system/rpcbind.service.before-rpcguard",
                "systemctl mask rpcbind.service",
            ]
        );
        assert_eq!(
            restore(&before, &with(Some(OwnFile::Aside), "masked", false)),
            [
                "systemctl unmask rpcbind.service",
                "mv /etc/systemd/system/rpcbind.service.before-rpcguard \
                 /etc/systemd/system/rpcbind.service",
                "systemctl daemon-reload",
                "systemctl start rpcbind.service",
            ]
        );
        let linked = with(
            Some(OwnFile::Link("/opt/rpcbind.service".to_owned())),
            "linked",
            false,
        );
        assert_eq!(
            restore(&linked, &with(None, "masked", false)),
            [
                "systemctl unmask rpcbind.service",
                "ln -s /opt/rpcbind.service /etc/systemd/system/rpcbind.service",
                "systemctl daemon-reload",
            ]
        );
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
        let mut found = Units::read(&machine, output);
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
        found.keep_active_dependents("Id=rpc-statd.service\nActiveState=inactive\n");
        assert_eq!(found.dependents, [""; 0]);
    }
}
