//! Switching this machine's portmapper off, for good, and on again.
//!
//! A [`State`] is what starts the portmapper here, and what of it runs. From one follow the
//! [`Step`]s that disable it; from two of them, those that make the one into the other: so an undo
//! needs no more than the state that was recorded before, and works from wherever an interrupted
//! command has left the machine.

mod apply;
mod assurance;
mod error;
mod holders;
mod init;
mod machine;
mod merge;
mod needs;
pub(crate) mod openrc;
mod openrc_needs;
mod place;
mod process;
mod record;
mod run;
mod services;
mod state;
mod step;
mod store;
pub(crate) mod systemd;
pub(crate) mod sysv;
mod verify;
mod watch;

pub use apply::{Applied, Undone, apply, undo};
pub use assurance::not_assured;
pub use error::DisableError;
pub use holders::{Holder, Holders};
pub use init::Init;
pub use machine::Machine;
pub(crate) use needs::servers;
pub use needs::{Need, NfsServer, Version3};
pub use place::Place;
pub use process::Process;
pub use record::Record;
pub use services::Services;
pub use state::State;
pub use step::Step;
pub use verify::{Answer, Listener, Probe, listeners, probe};
pub use watch::WATCHED;

use std::{sync::mpsc, thread, time::Duration};

use crate::{
    portmapper::{self, Registration},
    sockets::Inventory,
};

/// How long the portmapper may take to say what is registered.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known about a machine's portmapper.
#[derive(Debug)]
pub struct Survey {
    /// What starts it, and what of it runs.
    pub state: State,
    /// The NFS server.
    pub nfs_server: NfsServer,
    /// Who needs it.
    pub needs: Vec<Need>,
}

impl Survey {
    /// Looks at the machine that this runs on, and asks its portmapper what is registered if it
    /// runs.
    ///
    /// # Errors
    ///
    /// If the init system cannot be asked.
    pub fn of(machine: &Machine) -> Result<Self, DisableError> {
        let state = State::look(machine)?;
        // Where systemd listens, a question would start it.
        let runs = state.holders.portmappers().next().is_some();
        let registrations = if runs {
            registrations().unwrap_or_else(|error| {
                log::warn!("cannot ask the portmapper what is registered: {error}");
                Vec::new()
            })
        } else {
            Vec::new()
        };
        let (nfs_server, needs) = needs::find(machine, &state.services, &registrations);
        Ok(Self {
            state,
            nfs_server,
            needs,
        })
    }
}

/// The registrations with the portmapper of this network namespace. It may never answer, and is
/// asked on a thread that is left behind then.
fn registrations() -> anyhow::Result<Vec<Registration>> {
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || {
        let asked = || -> anyhow::Result<Vec<Registration>> {
            let table = portmapper::table(&Inventory::of_portmappers()?)?;
            Ok(table.map_or_else(Vec::new, |table| table.registrations.entries))
        };
        let _ = answer.send(asked());
    });
    answered.recv_timeout(PATIENCE)?
}

/// How the portmapper's package is removed, where there is one.
#[must_use]
pub fn removal(machine: &Machine) -> Option<&'static str> {
    if machine.has("var/lib/dpkg/info/rpcbind.list") {
        Some("apt-get purge rpcbind")
    } else if machine.has("usr/bin/rpm") && machine.has_command("rpcbind") {
        Some(if machine.has_command("dnf") {
            "dnf remove rpcbind"
        } else {
            "yum remove rpcbind"
        })
    } else if machine.has("etc/apk/world") && machine.has_command("rpcbind") {
        Some("apk del rpcbind")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{machine::fixture::machine, removal};

    #[test]
    fn the_package_is_removed_by_what_has_installed_it() {
        let rpcbind = ("usr/sbin/rpcbind", "");
        for (files, expected) in [
            (
                vec![rpcbind, ("var/lib/dpkg/info/rpcbind.list", "")],
                Some("apt-get purge rpcbind"),
            ),
            (
                vec![rpcbind, ("usr/bin/rpm", ""), ("usr/bin/dnf", "")],
                Some("dnf remove rpcbind"),
            ),
            (
                vec![rpcbind, ("usr/bin/rpm", "")],
                Some("yum remove rpcbind"),
            ),
            (
                vec![rpcbind, ("etc/apk/world", "")],
                Some("apk del rpcbind"),
            ),
            (vec![("usr/bin/rpm", "")], None),
            (vec![rpcbind], None),
        ] {
            let (_root, machine) = machine(&files);
            assert_eq!(removal(&machine), expected);
        }
    }
}
