//! Asking systemd which units are the portmapper's.
//!
//! Besides those of the known names, that is a socket unit of any name that listens on port 111 and
//! nowhere else, a service whose main process is proven to be the portmapper, and one that runs the
//! portmapper's program when it is started.

use super::{NAMES, Units, is_active, question};
use crate::{
    disable::{DisableError, Holders, Machine, holders, place::Place, run},
    policy::PORTMAPPER_PORT,
    sockets::PORTMAPPERS,
};

/// Where files of units are, from the root directory.
const DIRECTORIES: [&str; 6] = [
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// Units are stopped by way of so many others at most.
const MAX_DEPTH: usize = 8;

/// The addresses that socket units listen on; it takes no list of names.
const SOCKETS: [&str; 5] = [
    "systemctl",
    "show",
    "--property=Id,Listen,ActiveState",
    "--",
    "*.socket",
];

/// A socket unit that listens on port 111.
#[derive(Debug, PartialEq, Eq)]
struct SocketUnit {
    name: String,
    /// Whether it has nothing else.
    is_portmappers: bool,
    /// Whether it listens now.
    is_active: bool,
}

impl Units {
    /// Looks at the units of the portmapper, and at those of another state.
    pub(in crate::disable) fn look(
        machine: &Machine,
        holders: &Holders,
        other: Option<&Self>,
    ) -> Result<Self, DisableError> {
        let words = SOCKETS.map(str::to_owned);
        let sockets = run::ask(&words).unwrap_or_else(|error| {
            log::warn!("{error}");
            String::new()
        });
        let (own, shared): (Vec<_>, Vec<_>) = sockets_on_port(&sockets)
            .into_iter()
            .partition(|socket| socket.is_portmappers);
        let mut more: Vec<String> = own.into_iter().map(|socket| socket.name).collect();
        more.extend(services(holders)?);
        more.extend(of_other_names(machine));
        let units = other.map_or(&[][..], |other| &other.units);
        more.extend(units.iter().map(|unit| unit.name.clone()));
        let mut names = NAMES.to_vec();
        for name in &more {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let answer = run::ask(&question(names.iter().copied()))?;
        let mut found = Self::read(machine, &names, &answer);
        // One that came in by what it does has to be nobody else's.
        found
            .units
            .retain(|unit| NAMES.contains(&unit.name.as_str()) || unit.is_known());
        let mut known = 0;
        for _ in 0..MAX_DEPTH {
            if found.dependents.len() == known {
                break;
            }
            let dependents = found.dependents[known..].iter().map(String::as_str);
            let answer = run::ask(&question(dependents))?;
            known = found.follow_dependents(&names, known, &answer);
        }
        let shared = shared.into_iter().filter(|socket| socket.is_active);
        found.shared = shared.map(|socket| socket.name).collect();
        Ok(found)
    }
}

/// Services whose main process is a portmapper: not one of which a process has only started it.
fn services(holders: &Holders) -> Result<Vec<String>, DisableError> {
    let mut services = Vec::new();
    for holder in holders.known.iter().filter(|holder| holder.is_portmapper) {
        let Some(Place::Unit(unit)) = &holder.place else {
            continue;
        };
        if NAMES.contains(&unit.as_str()) || !unit.ends_with(".service") {
            continue;
        }
        let main = holders::main_process(unit)?;
        if main.is_some_and(|main| main == holder.process.id.to_string()) {
            services.push(unit.clone());
        }
    }
    Ok(services)
}

/// Services of any name whose files run a portmapper in this network namespace: they may start it
/// at the next boot.
fn of_other_names(machine: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        for name in machine.names(directory) {
            let is_service = name.ends_with(".service") && !name.contains('@');
            if is_service && runs_portmapper(&machine.text(format!("{directory}/{name}"))) {
                found.push(name);
            }
        }
    }
    found
}

/// Whether the text of a unit has a portmapper started in no namespace of its own.
fn runs_portmapper(text: &str) -> bool {
    let is_apart = |line: &str| {
        [
            "PrivateNetwork=",
            "NetworkNamespacePath=",
            "JoinsNamespaceOf=",
        ]
        .iter()
        .any(|setting| line.starts_with(setting))
    };
    let starts = |line: &str| {
        let program = line.strip_prefix("ExecStart=").map_or("", str::trim_start);
        let program = program.trim_start_matches(['-', '@', ':', '+', '!', '|']);
        let program = program.split_whitespace().next().unwrap_or_default();
        PORTMAPPERS.contains(&program.rsplit('/').next().unwrap_or_default())
    };
    let mut lines = text.lines().map(str::trim);
    lines.clone().any(starts) && !lines.any(is_apart)
}

/// The socket units that listen on port 111, by what systemctl says of all: several lines of
/// `Listen` each.
fn sockets_on_port(output: &str) -> Vec<SocketUnit> {
    let blocks = output.split("\n\n").filter_map(|block| {
        let of = |key: &'static str| {
            let lines = block.lines();
            lines.filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='))
        };
        let name = of("Id").next()?.to_owned();
        let is_on_port = |listen: &str| {
            let address = listen.split(' ').next().unwrap_or_default();
            let port = address.rsplit(':').next().unwrap_or_default();
            port.parse() == Ok(PORTMAPPER_PORT)
        };
        let is_path = |listen: &str| {
            let path = listen.split(' ').next().unwrap_or_default();
            path == "/run/rpcbind.sock" || path == "/var/run/rpcbind.sock"
        };
        of("Listen").any(is_on_port).then(|| SocketUnit {
            name,
            is_portmappers: of("Listen").all(|listen| is_on_port(listen) || is_path(listen)),
            is_active: of("ActiveState").any(is_active),
        })
    });
    blocks.collect()
}

#[cfg(test)]
mod tests {
    use super::{SocketUnit, of_other_names, sockets_on_port};
    use crate::disable::machine::fixture::machine;

    #[test]
    fn a_service_of_any_name_that_runs_the_portmapper_is_its_own() {
        let unit = "[Service]\nExecStart=-/sbin/rpcbind -w -f\n";
        let (_root, machine) = machine(&[
            ("etc/systemd/system/mine.service", unit),
            (
                "etc/systemd/system/apart.service",
                &format!("{unit}PrivateNetwork=yes\n"),
            ),
            ("etc/systemd/system/each@.service", unit),
            (
                "lib/systemd/system/other.service",
                "[Unit]\nAfter=rpcbind.service\n[Service]\nExecStart=/bin/true /sbin/rpcbind\n",
            ),
        ]);
        assert_eq!(of_other_names(&machine), ["mine.service"]);
    }

    /// As systemd 252 prints it.
    #[test]
    fn a_socket_unit_of_any_name_on_port_111_is_the_portmappers_unless_it_has_other_ports() {
        let output = "Id=rpcbind.socket\nListen=/run/rpcbind.sock (Stream)\nListen=0.0.0.0:111 (Stream)\n\
                      Listen=[::]:111 (Datagram)\nActiveState=active\n\n\
                      Id=ssh.socket\nListen=[::]:22 (Stream)\nActiveState=inactive\n\n\
                      Id=many.socket\nListen=[::]:53 (Datagram)\nListen=[::]:111 (Datagram)\n\
                      ActiveState=active\n\n\
                      Id=mine.socket\nListen=127.0.0.1:111 (Datagram)\nActiveState=inactive\n\n\
                      Id=far.socket\nListen=[::]:1111 (Datagram)\nActiveState=active\n";
        let expected = [
            ("rpcbind.socket", true, true),
            ("many.socket", false, true),
            ("mine.socket", true, false),
        ]
        .map(|(name, is_portmappers, is_active)| SocketUnit {
            name: name.to_owned(),
            is_portmappers,
            is_active,
        });
        assert_eq!(sockets_on_port(output), expected);
        assert_eq!(sockets_on_port(""), []);
    }
}
