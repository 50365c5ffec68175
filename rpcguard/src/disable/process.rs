//! Processes that run on the machine, by the name of their program.

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub id: i32,
    /// The program's name, as the kernel has it: at most 15 bytes.
    pub name: String,
    /// The program's file, empty if that cannot be told.
    pub program: String,
    /// The arguments behind the program's name.
    pub arguments: Vec<String>,
    /// When it started, in clock ticks since the machine did (proc(5), `starttime`). No two processes have
    /// their number and this in common.
    pub started: u64,
    /// Its control groups, as proc(5) has them.
    #[serde(skip)]
    pub cgroup: String,
}

impl Process {
    /// Those of these names that are in this process's network namespace: other ones belong to containers,
    /// and serve others.
    #[must_use]
    pub fn find(machine: &Machine, names: &[&str]) -> Vec<Self> {
        let network = machine.target("proc/self/ns/net");
        machine
            .names("proc")
            .iter()
            .filter_map(|name| name.parse().ok())
            .filter_map(|id| Self::read(machine, id))
            .filter(|process| names.contains(&process.name.as_str()))
            .filter(|process| machine.target(format!("proc/{}/ns/net", process.id)) == network)
            .collect()
    }

    /// The process of this number, unless there is none, or it has ended.
    #[must_use]
    pub fn read(machine: &Machine, id: i32) -> Option<Self> {
        // The name is in parentheses, and may have any characters in it.
        let stat = machine.text(format!("proc/{id}/stat"));
        let (before, after) = stat.rsplit_once(')')?;
        let (_, name) = before.split_once('(')?;
        let mut fields = after.split_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        // Field 22, and the state was field 3.
        let started = fields.nth(18)?.parse().ok()?;
        let command_line = machine.text(format!("proc/{id}/cmdline"));
        let arguments = command_line.split_terminator('\0').skip(1);
        let program = machine.target(format!("proc/{id}/exe")).unwrap_or_default();
        Some(Self {
            id,
            name: name.to_owned(),
            program: program.trim_end_matches(" (deleted)").to_owned(),
            arguments: arguments.map(ToOwned::to_owned).collect(),
            started,
            cgroup: machine.text(format!("proc/{id}/cgroup")),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::machine::fixture::machine, Process};

    /// As Linux 6.1 writes it.
    pub(in crate::disable) const STAT: &str = "(rpcbind) S 1 412 412 0 -1 4194560 212 0 0 0 0 1 0 0 20 0 1 0 \
                                               8731 8294400 1024 18446744073709551615 1 1 0";

    #[test]
    fn processes_are_found_by_name_in_this_network_namespace() {
        let here = "->net:[4026531840]";
        let stat = |id: &str| format!("{id} {STAT}");
        let (_root, machine) = machine(&[
            ("proc/self/ns/net", here),
            ("proc/412/stat", &stat("412")),
            ("proc/412/cmdline", "/sbin/rpcbind\0-f\0-w\0"),
            ("proc/412/exe", "->/usr/sbin/rpcbind (deleted)"),
            ("proc/412/cgroup", "0::/system.slice/rpcbind.service\n"),
            ("proc/412/ns/net", here),
            // In a container, a zombie, and somebody with a name made to confuse.
            ("proc/413/stat", &stat("413")),
            ("proc/413/ns/net", "->net:[4026532000]"),
            ("proc/414/stat", &stat("414").replace(") S", ") Z")),
            ("proc/414/ns/net", here),
            (
                "proc/415/stat",
                &stat("415").replace("(rpcbind)", "(x) S (rpcbind)"),
            ),
            ("proc/415/ns/net", here),
            ("proc/416/stat", "nonsense"),
            ("proc/uptime", "1 2"),
        ]);
        let found = Process::find(&machine, &["rpcbind", "portmap"]);
        let expected = Process {
            id: 412,
            name: "rpcbind".to_owned(),
            program: "/usr/sbin/rpcbind".to_owned(),
            arguments: vec!["-f".to_owned(), "-w".to_owned()],
            started: 8731,
            cgroup: "0::/system.slice/rpcbind.service\n".to_owned(),
        };
        assert_eq!(found, [expected]);
    }
}
