//! What disables units, and what makes one state of them into another.

use super::{ASIDE, DIRECTORY, OwnFile, Unit, Units};
use crate::disable::Step;

impl Units {
    /// Stops, disables and masks what is not so already.
    pub(in crate::disable) fn disable(&self) -> Vec<Step> {
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
    pub(in crate::disable) fn restore(&self, before: &Self) -> Vec<Step> {
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

fn own_path(name: &str) -> String {
    format!("/{DIRECTORY}/{name}")
}

#[cfg(test)]
mod tests {
    use super::super::{OwnFile, Unit, Units, tests::unit};

    fn units(units: &[Unit]) -> Units {
        Units {
            units: units.to_vec(),
            ..Units::default()
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
}
