//! The processes that hold port 111, found by their sockets and not by their names.

use std::collections::BTreeMap;

use super::{
    DisableError, Listener, Machine, Process, place::Place, run, systemd::answers, verify,
};
use crate::{
    foreign_text::short,
    sockets::{Inventory, Kind},
};

/// The beginnings of the names of units and programs by which a machine is reached, or which do
/// much more than to hold a port: no command that stops them is named.
const LIFELINES: [&str; 12] = [
    "ssh",
    "dropbear",
    "systemd-",
    "getty",
    "serial-getty",
    "dbus",
    "cron",
    "NetworkManager",
    "network",
    "openvpn",
    "wg-quick",
    "tailscale",
];

/// Whether a unit or a program is one of these.
pub(super) fn is_lifeline(name: &str) -> bool {
    LIFELINES.iter().any(|prefix| name.starts_with(prefix))
}

/// A process that holds port 111, or root's socket of the portmapper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process; its arguments are read only of a portmapper.
    pub process: Process,
    /// Whether it is proven to be the portmapper: root's program, run by root or by rpcbind's
    /// account.
    pub is_portmapper: bool,
    /// Where it belongs, as far as its control group tells.
    pub place: Option<Place>,
    /// Whether it is the main process of the unit that it belongs to, as systemd says: any process
    /// that one starts is in its control group.
    pub is_main: bool,
    /// Its sockets on port 111.
    pub listeners: Vec<Listener>,
}

/// All of them, and the sockets whose processes cannot be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// In the order of their numbers.
    pub known: Vec<Holder>,
    /// Sockets on port 111 without a process that can be seen from here.
    pub unseen: Vec<Listener>,
}

impl Holder {
    /// The step that frees the port, for people; `shared` are socket units that have other ports as
    /// well.
    #[must_use]
    pub fn remedy(&self, shared: &[String]) -> String {
        let Self { process, place, .. } = self;
        if let Some(Place::Container { stop, runtime, .. }) = place {
            if *runtime == Place::UNKNOWN {
                return "end it by what runs it: `lsns --type pid` shows where it belongs"
                    .to_owned();
            }
            return format!("`{stop}`, or publish its port elsewhere");
        }
        match process.program_name() {
            "docker-proxy" => {
                return "`docker ps --filter publish=111` names the container: stop it (`docker stop`), or publish \
                        its port elsewhere"
                    .to_owned();
            }
            "rootlessport" | "conmon" | "netavark" | "slirp4netns" | "pasta" | "pasta.avx2"
            | "passt" => {
                return "`podman port --all` names the container: stop it (`podman stop`), or publish its port \
                        elsewhere"
                    .to_owned();
            }
            _ => {}
        }
        if let Some(Place::Unit(unit)) = place {
            if !self.is_main {
                return format!(
                    "have it listen elsewhere, or end it alone: it runs in {unit}, and is not its main process \
                     (`systemctl status {unit}` shows both)"
                );
            }
            if is_lifeline(unit) {
                return format!(
                    "have {unit} listen elsewhere (`systemctl cat {unit}` shows its configuration), and do not stop it: \
                     this machine may be reached by it"
                );
            }
            return format!(
                "have {unit} listen elsewhere (`systemctl cat {unit}` shows its configuration), or stop it: \
                 `systemctl disable --now {unit}`"
            );
        }
        match (process.id, shared) {
            (1, [unit, ..]) => format!(
                "{} has other ports as well: take port 111 out of it with `systemctl edit --full {}`",
                short(unit),
                short(unit)
            ),
            (1, []) => {
                "it is the first process, and cannot be ended from here: stop the container, or see its own \
                 configuration"
                    .to_owned()
            }
            _ if is_lifeline(process.program_name()) => {
                "take port 111 out of its configuration, or end the session that forwards it; do not stop the program: \
                 this machine may be reached by it"
                    .to_owned()
            }
            (id, _) => format!("have it listen elsewhere, or end it: `kill {id}`"),
        }
    }

    /// Whether it is the portmapper of this machine: that of a container is ended with it.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        self.is_portmapper && !matches!(self.place, Some(Place::Container { .. }))
    }

    /// Says which process it is, and where it belongs.
    #[must_use]
    pub fn described(&self) -> String {
        let process = self.process.described();
        match &self.place {
            None => process,
            Some(place) => format!("{process} of {place}"),
        }
    }
}

impl Holders {
    /// Looks for them in this network namespace.
    ///
    /// # Errors
    ///
    /// If /proc cannot be read.
    pub fn find(machine: &Machine) -> Result<Self, DisableError> {
        let inventory =
            Inventory::read().map_err(|error| DisableError::Sockets(error.to_string()))?;
        let proven: Vec<u32> = inventory
            .portmapper_processes()
            .into_iter()
            .map(|process| process.pid)
            .collect();
        // In a container, all that is seen belongs to it.
        let own = Place::of(&machine.text("proc/self/cgroup"));
        let place = |group: &str| {
            let is_elsewhere = |place: &Place| {
                !(matches!(place, Place::Container { .. }) && own.as_ref() == Some(place))
            };
            Place::of(group).filter(is_elsewhere)
        };
        let namespace = machine.target("proc/self/ns/pid");
        // Where its control group tells nothing, a process namespace of its own tells a container.
        let is_apart = |id: u32| {
            let of = machine.target(format!("proc/{id}/ns/pid"));
            of.is_some() && namespace.is_some() && of != namespace
        };
        let network = machine.target("proc/self/ns/net");
        let is_here = |id: u32| machine.target(format!("proc/{id}/ns/net")) == network;
        let mut known: BTreeMap<u32, Option<Holder>> = BTreeMap::new();
        let mut unseen = Vec::new();
        for socket in inventory.portmapper() {
            let listener = verify::listener(socket.kind, &socket.address);
            if socket.processes.is_empty() && socket.kind != Kind::Unix {
                unseen.extend(listener);
            }
            for process in &socket.processes {
                // A socket of the file system may be another network namespace's.
                if socket.kind == Kind::Unix && !is_here(process.pid) {
                    continue;
                }
                let holder = known.entry(process.pid).or_insert_with(|| {
                    let read = Process::read(machine, process.pid.cast_signed())?;
                    let is_portmapper = proven.contains(&process.pid) && is_here(process.pid);
                    let group = process.control_group().unwrap_or_default();
                    // As of version 2 of control groups: what is before the path does not matter.
                    let place = place(&format!("0::{group}"))
                        .or_else(|| is_apart(process.pid).then(Place::apart));
                    // Those of a container may be on a file system of its own, and never come.
                    let is_ours = is_portmapper && !matches!(place, Some(Place::Container { .. }));
                    (read.started == process.started).then(|| Holder {
                        is_main: !is_portmapper && is_main(machine, place.as_ref(), process.pid),
                        place,
                        process: if is_ours {
                            read.with_arguments(machine)
                        } else {
                            read
                        },
                        is_portmapper,
                        listeners: Vec::new(),
                    })
                });
                if let Some(holder) = holder {
                    holder.listeners.extend(listener);
                }
            }
        }
        Ok(Self {
            known: known.into_values().flatten().collect(),
            unseen,
        })
    }

    /// Whether nothing holds the port.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.known.is_empty() && self.unseen.is_empty()
    }

    /// The processes that are proven to be the portmapper of this machine, and not of a container
    /// that shares its network.
    pub fn portmappers(&self) -> impl Iterator<Item = &Process> {
        let proven = self.known.iter().filter(|holder| holder.is_ours());
        proven.map(|holder| &holder.process)
    }

    /// Says of each which it is, what it holds and how the port is freed.
    #[must_use]
    pub fn described(&self, shared: &[String]) -> Vec<String> {
        let known = self.known.iter().map(|holder| {
            let listeners: Vec<_> = holder.listeners.iter().map(ToString::to_string).collect();
            let listeners = match listeners[..] {
                [] => "its socket in /run".to_owned(),
                _ => listeners.join(", "),
            };
            format!(
                "{listeners}: {}; {}",
                holder.described(),
                holder.remedy(shared)
            )
        });
        let unseen = self.unseen.iter().map(|listener| {
            format!(
                "{listener}: which process holds it could not be told (it takes root, and the host if this is a \
                 container); `ss -lptun sport = 111` there names it"
            )
        });
        known.chain(unseen).collect()
    }
}

/// Whether a process is the main one of the service that it belongs to.
fn is_main(machine: &Machine, place: Option<&Place>, id: u32) -> bool {
    let Some(Place::Unit(unit)) = place else {
        return false;
    };
    machine.has("run/systemd/system")
        && main_process(unit).is_ok_and(|main| main == Some(id.to_string()))
}

/// The number of the main process of a unit.
pub(super) fn main_process(unit: &str) -> Result<Option<String>, DisableError> {
    let words = ["systemctl", "show", "--property=MainPID", "--", unit];
    let answer = run::ask(&words.map(str::to_owned))?;
    let answers = answers(&answer);
    let main = answers.first().and_then(|of| of.get("MainPID"));
    Ok(main.map(|main| (*main).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Holder, Holders, Place, Process};

    fn holder(id: i32, program: &str, cgroup: &str) -> Holder {
        Holder {
            process: Process {
                id,
                name: "\x1b[2J".to_owned(),
                program: program.to_owned(),
                ..Process::default()
            },
            is_portmapper: false,
            place: Place::of(cgroup),
            is_main: true,
            listeners: Vec::new(),
        }
    }

    #[test]
    fn a_hint_stops_a_unit_only_for_its_main_process_and_never_ssh() {
        let stops = |holder: &Holder| {
            let remedy = holder.remedy(&[]);
            ["--now", "kill", "systemctl stop"]
                .iter()
                .any(|words| remedy.contains(words))
        };
        let nginx = holder(7, "/sbin/nginx", "0::/system.slice/nginx.service");
        assert!(stops(&nginx));
        let by_nginx = Holder {
            is_main: false,
            ..nginx
        };
        assert!(!stops(&by_nginx), "{}", by_nginx.remedy(&[]));
        for (program, cgroup) in [
            ("/usr/bin/python3", "0::/system.slice/ssh.service"),
            ("/usr/sbin/sshd", "0::/system.slice/sshd.service"),
            ("/usr/sbin/sshd", ""),
            ("/usr/lib/openssh/sshd-session", ""),
            ("/usr/bin/python3", "0::/system.slice/cron.service"),
        ] {
            for is_main in [true, false] {
                let holder = Holder {
                    is_main,
                    ..holder(7, program, cgroup)
                };
                assert!(!stops(&holder), "{}", holder.remedy(&[]));
            }
        }
        let apart = Holder {
            place: Some(Place::apart()),
            ..holder(7, "/sbin/rpcbind", "")
        };
        assert!(!stops(&apart) && !apart.is_ours());
    }

    #[test]
    fn each_holder_of_the_port_is_named_with_the_step_that_frees_it() {
        let id = "0123456789abcdef".repeat(4);
        for (holder, expected) in [
            (
                holder(
                    7,
                    "/usr/bin/docker-proxy",
                    "0::/system.slice/docker.service",
                ),
                "`docker ps --filter publish=111`",
            ),
            (
                holder(7, "/sbin/rpcbind", &format!("0::/docker/{id}")),
                "`docker stop 0123456789ab`",
            ),
            (
                holder(7, "/sbin/nginx", "0::/system.slice/nginx.service"),
                "`systemctl disable --now nginx.service`",
            ),
            (
                holder(1, "/lib/systemd/systemd", ""),
                "`systemctl edit --full two.socket`",
            ),
            (holder(7, "/usr/bin/socat", ""), "`kill 7`"),
        ] {
            let remedy = holder.remedy(&["two.socket".to_owned()]);
            assert!(remedy.contains(expected), "{remedy}");
            let holders = Holders {
                known: vec![holder],
                unseen: Vec::new(),
            };
            let text = holders.described(&[]).concat();
            assert!(
                text.contains("\\u{1b}[2J") && !text.contains('\x1b'),
                "{text}"
            );
        }
    }
}
