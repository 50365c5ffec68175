//! Processes that run on the machine.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use serde::{Deserialize, Serialize};

use super::{machine::Machine, step::is_plain};
use crate::{
    foreign_text::short,
    sockets::{PORTMAPPERS, command_line},
};

/// Other users may write a file that has one of these bits.
pub(super) const OTHERS_WRITE: u32 = 0o022;

/// A running process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub id: i32,
    /// Its name as the kernel has it, of at most 15 bytes. The process itself can choose any.
    pub name: String,
    /// The program's file, empty if that cannot be told.
    #[serde(default)]
    pub program: String,
    /// The arguments behind the program's name: only to be shown, and never run.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// When it started, in clock ticks since the machine did (proc(5), `starttime`). No two
    /// processes have their number and this in common.
    #[serde(default)]
    pub started: u64,
    /// The number of the process that started it, or that adopted it.
    #[serde(skip)]
    pub parent: i32,
    /// Its control groups, as proc(5) has them.
    #[serde(skip)]
    pub cgroup: String,
}

impl Process {
    /// Those of these names that are in this process's network namespace: other ones belong to
    /// containers, and serve others.
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

    /// The process of this number, without its arguments, unless there is none, or it has ended.
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
        let parent = fields.next()?.parse().ok()?;
        // Field 22, and the parent was field 4.
        let started = fields.nth(17)?.parse().ok()?;
        let program = machine.target(format!("proc/{id}/exe")).unwrap_or_default();
        Some(Self {
            id,
            name: name.to_owned(),
            program: program.trim_end_matches(" (deleted)").to_owned(),
            arguments: Vec::new(),
            started,
            parent,
            cgroup: machine.text(format!("proc/{id}/cgroup")),
        })
    }

    /// With its arguments, which it can change at any time.
    #[must_use]
    pub(super) fn with_arguments(self, machine: &Machine) -> Self {
        let words = command_line(machine.path(format!("proc/{}/cmdline", self.id)));
        Self {
            arguments: words.into_iter().skip(1).collect(),
            ..self
        }
    }

    /// Whether this is the same process as another, and not one that got its number later.
    #[must_use]
    pub(super) const fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.started == other.started
    }

    /// The last part of its program's path, or else its name.
    #[must_use]
    pub(super) fn program_name(&self) -> &str {
        match self.program.rsplit('/').next() {
            None | Some("") => &self.name,
            Some(name) => name,
        }
    }

    /// Says which process it is, for people.
    #[must_use]
    pub fn described(&self) -> String {
        let name = short(&self.name);
        match self.program.as_str() {
            "" => format!("process {} ({name})", self.id),
            program => format!("process {} ({name}, {})", self.id, short(program)),
        }
    }

    /// The command that starts it again by hand. `None` unless its program is a portmapper that
    /// root alone can change, and its arguments mean the same to every shell.
    #[must_use]
    pub fn by_hand(&self, machine: &Machine) -> Option<String> {
        let is_known = PORTMAPPERS.contains(&self.program_name())
            && is_plain(&self.program)
            && self.arguments.iter().all(|argument| is_plain(argument))
            && is_roots_alone(machine, &self.program);
        is_known.then(|| {
            let words = [std::slice::from_ref(&self.program), &self.arguments].concat();
            words.join(" ")
        })
    }
}

/// Whether an absolute path names a file that root alone can change or replace.
pub(super) fn is_roots_alone(machine: &Machine, path: &str) -> bool {
    let Some(relative) = path.strip_prefix('/') else {
        return false;
    };
    let Ok(file) = fs::canonicalize(machine.path(relative)) else {
        return false;
    };
    let is_roots = |path: &Path| {
        path.symlink_metadata()
            .is_ok_and(|of| of.uid() == 0 && of.mode() & OTHERS_WRITE == 0)
    };
    let root = fs::canonicalize(machine.path("")).unwrap_or_default();
    file.is_file()
        && file
            .ancestors()
            .take_while(|path| path.starts_with(&root))
            .all(is_roots)
}

#[cfg(test)]
pub(super) mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

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
        let mut found = Process::find(&machine, &["rpcbind", "portmap"]);
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = Process {
            id: 412,
            name: "rpcbind".to_owned(),
            program: "/usr/sbin/rpcbind".to_owned(),
            arguments: vec!["-f".to_owned(), "-w".to_owned()],
            started: 8731,
            parent: 1,
            cgroup: "0::/system.slice/rpcbind.service\n".to_owned(),
        };
        assert_eq!(found.remove(0).with_arguments(&machine), expected);
    }

    #[test]
    fn only_roots_own_portmapper_is_proposed_to_be_started_by_hand() {
        let (root, machine) = machine(&[
            ("sbin/rpcbind", ""),
            ("sbin/other", ""),
            ("tmp/rpcbind", ""),
        ]);
        let mode = |path: &str, mode| {
            let path = root.path().join(path);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let by_hand = |program: &str, arguments: &[&str]| {
            let process = Process {
                program: program.to_owned(),
                arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
                ..Process::default()
            };
            process.by_hand(&machine)
        };
        if !rustix::process::geteuid().is_root() {
            assert_eq!(by_hand("/sbin/rpcbind", &[]), None);
            return;
        }
        assert_eq!(
            by_hand("/sbin/rpcbind", &["-w", "-i"]).as_deref(),
            Some("/sbin/rpcbind -w -i")
        );
        for (program, arguments) in [
            ("/sbin/other", &[][..]),
            ("/sbin/gone/rpcbind", &[]),
            ("sbin/rpcbind", &[]),
            ("", &[]),
            ("/sbin/rpcbind", &["-h", "$(reboot)"]),
            ("/sbin/rpcbind", &["\x1b[2J"]),
        ] {
            assert_eq!(by_hand(program, arguments), None, "{program} {arguments:?}");
        }
        mode("tmp", 0o1777);
        assert_eq!(by_hand("/tmp/rpcbind", &[]), None);
        mode("sbin/rpcbind", 0o775);
        assert_eq!(by_hand("/sbin/rpcbind", &[]), None);
    }
}
