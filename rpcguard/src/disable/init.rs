//! What starts services on a machine.

use std::fmt;

use super::machine::Machine;

/// What starts services when the machine boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// systemd, by its units.
    Systemd,
    /// OpenRC, by its runlevels.
    OpenRc,
    /// Scripts in `/etc/init.d`, whose links Debian's update-rc.d makes.
    UpdateRcD,
    /// Scripts in `/etc/init.d`, whose links Red Hat's chkconfig makes.
    Chkconfig,
    /// Nothing that is known here.
    Unknown,
}

impl Init {
    /// Finds out.
    ///
    /// Of systemd, only whether it runs counts, as sd_booted(3) defines that: its files are there on
    /// many machines, and in many containers, that something else has started.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        if machine.has("run/systemd/system") {
            Self::Systemd
        } else if machine.has("run/openrc")
            || machine.has("etc/runlevels") && machine.has_command("openrc-run")
        {
            Self::OpenRc
        } else if !machine.has("etc/init.d") {
            Self::Unknown
        } else if machine.has_command("update-rc.d") {
            Self::UpdateRcD
        } else if machine.has_command("chkconfig") {
            Self::Chkconfig
        } else {
            Self::Unknown
        }
    }
}

impl Init {
    /// Its name for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::OpenRc => "openrc",
            Self::UpdateRcD => "update-rc.d",
            Self::Chkconfig => "chkconfig",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Systemd => "systemd",
            Self::OpenRc => "OpenRC",
            Self::UpdateRcD => "init scripts and update-rc.d",
            Self::Chkconfig => "init scripts and chkconfig",
            Self::Unknown => "nothing that rpcguard knows",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::machine::fixture::machine, Init};

    #[test]
    fn it_is_told_by_what_runs_and_then_by_what_is_installed() {
        let script = ("etc/init.d/rpcbind", "");
        let update = ("usr/sbin/update-rc.d", "");
        let openrc = ("sbin/openrc-run", "");
        for (files, expected) in [
            (
                vec![
                    script,
                    update,
                    openrc,
                    ("etc/runlevels/default/x", ""),
                    ("run/systemd/system/x", ""),
                ],
                Init::Systemd,
            ),
            // Installed, but something else was booted.
            (
                vec![script, update, ("lib/systemd/systemd", "")],
                Init::UpdateRcD,
            ),
            (
                vec![script, update, ("run/openrc/softlevel", "")],
                Init::OpenRc,
            ),
            (
                vec![script, update, openrc, ("etc/runlevels/boot/x", "")],
                Init::OpenRc,
            ),
            (vec![script, update, openrc], Init::UpdateRcD),
            (vec![script, ("sbin/chkconfig", "")], Init::Chkconfig),
            (vec![script], Init::Unknown),
            (vec![update], Init::Unknown),
            (vec![], Init::Unknown),
        ] {
            let (_root, machine) = machine(&files);
            assert_eq!(Init::of(&machine), expected, "{files:?}");
        }
    }
}
