//! rpcbind as an init script, whose links in the directories of the runlevels start and stop it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{machine::Machine, merge::Item, step::Step};

/// What the portmapper's scripts are called.
pub(super) const NAMES: [&str; 2] = ["rpcbind", "portmap"];

/// Runlevels, S being the one before all others.
const LEVELS: [char; 8] = ['S', '0', '1', '2', '3', '4', '5', '6'];

/// An init script of the portmapper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Its name in /etc/init.d.
    pub name: String,
    /// The runlevels that start it.
    pub levels: BTreeSet<char>,
    /// Whether its service runs.
    pub running: bool,
}

/// What makes the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    UpdateRcD,
    Chkconfig,
}

impl Script {
    /// Those that there are; `is_running` asks the script of a name.
    pub(crate) fn find(machine: &Machine, is_running: impl Fn(&str) -> bool) -> Vec<Self> {
        NAMES
            .into_iter()
            .filter(|name| machine.has(path(name)))
            .map(|name| Self {
                name: name.to_owned(),
                levels: levels_starting(machine, name),
                running: is_running(name),
            })
            .collect()
    }

    /// Whether it can be one that rpcguard has found.
    pub(super) fn is_known(&self) -> bool {
        NAMES.contains(&self.name.as_str())
            && self.levels.iter().all(|level| LEVELS.contains(level))
    }

    /// Stops the service, and has no runlevel start it any more.
    pub(super) fn disable(&self, tool: Tool) -> Vec<Step> {
        let Self { name, .. } = self;
        let mut steps = Vec::new();
        if self.running {
            steps.push(Step::Run(vec![format!("/{}", path(name)), "stop".into()]));
        }
        if !self.levels.is_empty() {
            steps.push(match tool {
                Tool::UpdateRcD => Step::run("update-rc.d", [name, "disable"]),
                // Without levels, it leaves those alone that nothing is usually started in.
                Tool::Chkconfig => Step::run(
                    "chkconfig --level",
                    [&levels_together(&self.levels), name, "off"],
                ),
            });
        }
        steps
    }

    /// What makes of this script what it was `before`.
    pub(super) fn restore(&self, before: &Self, tool: Tool) -> Vec<Step> {
        let Self { name, .. } = self;
        let mut steps = Vec::new();
        let lost: BTreeSet<char> = before.levels.difference(&self.levels).copied().collect();
        if !lost.is_empty() {
            steps.push(match tool {
                Tool::UpdateRcD => Step::run(
                    &format!("update-rc.d {name} enable"),
                    lost.iter().map(ToString::to_string),
                ),
                Tool::Chkconfig => {
                    Step::run("chkconfig --level", [&levels_together(&lost), name, "on"])
                }
            });
        }
        if before.running && !self.running {
            steps.push(Step::Run(vec![format!("/{}", path(name)), "start".into()]));
        }
        steps
    }
}

impl Item for Script {
    fn name(&self) -> &str {
        &self.name
    }

    fn setting(&self) -> String {
        let levels = if self.levels.is_empty() {
            "started in no runlevel".to_owned()
        } else {
            let levels: Vec<_> = self.levels.iter().map(char::to_string).collect();
            format!("started in the runlevels {}", levels.join(", "))
        };
        let running = if self.running {
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
        self.running && !was.running || !self.levels.is_subset(&was.levels)
    }
}

/// Where a script is, from the root directory.
pub(super) fn path(name: &str) -> String {
    format!("etc/init.d/{name}")
}

/// The runlevels in which a script is started.
pub(super) fn levels_starting(machine: &Machine, script: &str) -> BTreeSet<char> {
    // The links are called S20rpcbind; Red Hat has them under etc/rc.d.
    let is_start = |link: &String| {
        let number = link
            .strip_prefix('S')
            .and_then(|rest| rest.strip_suffix(script));
        number.is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    LEVELS
        .into_iter()
        .filter(|level| {
            ["etc", "etc/rc.d"].iter().any(|parent| {
                machine
                    .names(format!("{parent}/rc{level}.d"))
                    .iter()
                    .any(is_start)
            })
        })
        .collect()
}

fn levels_together(levels: &BTreeSet<char>) -> String {
    levels.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{super::machine::fixture::machine, Script, Tool};

    fn shown(steps: &[super::Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    fn script(levels: &str, running: bool) -> Script {
        Script {
            name: "rpcbind".to_owned(),
            levels: levels.chars().collect(),
            running,
        }
    }

    #[test]
    fn scripts_are_found_with_the_runlevels_that_start_them() {
        let link = "->../init.d/rpcbind";
        let (_root, machine) = machine(&[
            ("etc/init.d/rpcbind", "#!/bin/sh"),
            ("etc/init.d/rpcbind2", "#!/bin/sh"),
            ("etc/rcS.d/S08rpcbind", link),
            ("etc/rc.d/rc3.d/S13rpcbind", link),
            ("etc/rc0.d/K03rpcbind", link),
            ("etc/rc2.d/S01rpcbind2", link),
            ("etc/rc4.d/Srpcbind", link),
        ]);
        let found = Script::find(&machine, |name| name == "rpcbind");
        assert_eq!(found, [script("S3", true)]);
    }

    #[test]
    fn a_script_is_stopped_and_taken_out_of_the_runlevels() {
        assert_eq!(
            shown(&script("S", true).disable(Tool::UpdateRcD)),
            ["/etc/init.d/rpcbind stop", "update-rc.d rpcbind disable"]
        );
        assert_eq!(
            shown(&script("2345", false).disable(Tool::Chkconfig)),
            ["chkconfig --level 2345 rpcbind off"]
        );
        assert_eq!(shown(&script("", false).disable(Tool::UpdateRcD)), [""; 0]);
    }

    #[test]
    fn exactly_the_lost_runlevels_are_restored() {
        let before = script("35", true);
        let now = script("", false);
        assert_eq!(
            shown(&now.restore(&before, Tool::UpdateRcD)),
            [
                "update-rc.d rpcbind enable 3 5",
                "/etc/init.d/rpcbind start"
            ]
        );
        assert_eq!(
            shown(&now.restore(&before, Tool::Chkconfig)),
            [
                "chkconfig --level 35 rpcbind on",
                "/etc/init.d/rpcbind start"
            ]
        );
        let half = script("5", true);
        assert_eq!(
            shown(&half.restore(&before, Tool::UpdateRcD)),
            ["update-rc.d rpcbind enable 3"]
        );
        assert_eq!(shown(&before.restore(&before, Tool::Chkconfig)), [""; 0]);
    }
}
