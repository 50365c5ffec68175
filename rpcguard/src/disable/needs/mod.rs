//! Who needs the portmapper.

mod mounts;
mod nfs_server;
mod nis;
mod registered;

use std::fmt;

pub use nfs_server::{NfsServer, Version3};

use super::{Services, machine::Machine, openrc, process::Process};
use crate::portmapper::Registration;

/// Somebody who would miss the portmapper.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A file system of an NFSv3 server is mounted.
    Mounted {
        /// What.
        source: String,
        /// Where.
        target: String,
    },
    /// /etc/fstab has a file system that is, or may be, mounted with NFSv3.
    Fstab {
        /// What.
        source: String,
        /// Where.
        target: String,
        /// Whether version 3 is asked for, and not only what is fallen back to.
        certain: bool,
    },
    /// Directories are exported, and version 3 is not switched off.
    Exported {
        /// Which.
        directory: String,
        /// The file that says so.
        file: String,
    },
    /// A setting switches version 3 of the NFS server on.
    Version3(String),
    /// The NFS server serves version 3 now.
    Serving,
    /// NIS, by the name of a program that runs.
    Process {
        /// The program.
        name: String,
        /// Its number.
        id: i32,
    },
    /// NIS, by the name of a service that is started when the machine boots.
    Enabled(String),
    /// A program is registered.
    Registered {
        /// Its name, or else its number.
        program: String,
        /// Its versions, in order.
        versions: Vec<u32>,
    },
    /// A service that runs is stopped with the portmapper.
    Dependent(String),
    /// A service of an OpenRC runlevel starts the portmapper.
    Starter {
        /// The service.
        service: String,
        /// The runlevel.
        runlevel: String,
    },
}

impl Need {
    /// What sort of need it is, in one word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Mounted { .. } => "mounted",
            Self::Fstab { .. } => "fstab",
            Self::Exported { .. } => "exported",
            Self::Version3(_) => "nfs_conf",
            Self::Serving => "serving",
            Self::Process { .. } => "process",
            Self::Enabled(_) => "enabled",
            Self::Registered { .. } => "registered",
            Self::Dependent(_) => "dependent",
            Self::Starter { .. } => "starter",
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { source, target } => {
                write!(f, "{source} is mounted on {target} with NFSv3")
            }
            Self::Fstab {
                source,
                target,
                certain: true,
            } => write!(f, "/etc/fstab mounts {source} on {target} with NFSv3"),
            Self::Fstab { source, target, .. } => write!(
                f,
                "/etc/fstab mounts {source} on {target}, with NFSv3 if the server has nothing newer \
                 (vers=4.2 among its options rules that out)"
            ),
            Self::Exported { directory, file } => write!(
                f,
                "{file} exports {directory}, and NFSv3 is not switched off in /etc/nfs.conf"
            ),
            Self::Version3(setting) => write!(f, "{setting} switches NFSv3 on"),
            Self::Serving => {
                f.write_str("the NFS server serves NFSv3 now (/proc/fs/nfsd/versions)")
            }
            Self::Process { name, id } => write!(f, "{name} runs (process {id}): NIS"),
            Self::Enabled(service) => {
                write!(f, "{service} is started when the machine boots: NIS")
            }
            Self::Registered { program, versions } => {
                let versions: Vec<_> = versions.iter().map(ToString::to_string).collect();
                let s = if versions.len() == 1 { "" } else { "s" };
                write!(
                    f,
                    "{program} is registered with it, version{s} {}",
                    versions.join(", ")
                )
            }
            Self::Dependent(service) => {
                write!(f, "{service} runs and requires it: it is stopped too")
            }
            Self::Starter { service, runlevel } => write!(
                f,
                "{service} in the runlevel {runlevel} needs it, and would start it again"
            ),
        }
    }
}

/// All that need the portmapper of a machine, which starts these services and has registered these
/// programs.
pub(super) fn find(
    machine: &Machine,
    server: &NfsServer,
    services: &Services,
    registrations: &[Registration],
) -> Vec<Need> {
    let mut needs = mounts::find(machine);
    needs.extend(server.needs());
    needs.extend(nis::find(machine));
    needs.extend(registered::find(machine, registrations));
    let dependents = match services {
        Services::Systemd(units) => units.dependents.as_slice(),
        Services::OpenRc(services) => services.dependents.as_slice(),
        Services::UpdateRcD(_) | Services::Chkconfig(_) | Services::Unknown => &[],
    };
    needs.extend(dependents.iter().cloned().map(Need::Dependent));
    if matches!(services, Services::OpenRc(_)) {
        let starters = openrc::starters(machine).into_iter();
        needs.extend(starters.map(|(service, runlevel)| Need::Starter { service, runlevel }));
    }
    needs
}

/// Processes of these names, as needs.
fn running(machine: &Machine, names: &[&str]) -> impl Iterator<Item = Need> {
    let processes = Process::find(machine, names).into_iter();
    processes.map(|Process { name, id, .. }| Need::Process { name, id })
}
