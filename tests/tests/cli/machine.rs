//! A host with two interfaces, at whose shell the command is typed.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
};

use rpcguard::guard::{Entry, Registry};
use rpcguard_tests::{
    lab::{Finished, Host, Lab, PacketSocket, connect, rpcguard_binary},
    packet::Frame,
};
use serde_json::Value;

/// A host whose interfaces `eth0` and `eth1` lead to a neighbour, and nowhere else.
pub(crate) struct Machine {
    host: Host,
    neighbour: Host,
    files: tempfile::TempDir,
}

impl Machine {
    /// A new one; without root, `test` is skipped.
    pub(crate) fn or_skip(test: &str) -> Option<Self> {
        let lab = Lab::or_skip(test)?;
        let (host, neighbour) = (lab.host().unwrap(), lab.host().unwrap());
        for (interface, here, there) in [
            ("eth0", "192.0.2.1/24", "192.0.2.2/24"),
            ("eth1", "198.51.100.1/24", "198.51.100.2/24"),
        ] {
            connect(
                (&host, (interface, &[here])),
                (&neighbour, (interface, &[there])),
            )
            .unwrap();
        }
        Some(Self {
            host,
            neighbour,
            files: tempfile::tempdir().unwrap(),
        })
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// What is at the other end of its wires.
    pub(crate) fn neighbour(&self) -> &Host {
        &self.neighbour
    }

    /// Sends one datagram of `length` bytes from `source` to the portmapper, in through eth0.
    pub(crate) fn call_portmapper(&self, source: [u8; 4], length: usize) {
        let frame = Frame::ethernet()
            .to_mac(self.host.mac("eth0").unwrap())
            .ipv4(source.into())
            .to_v4([192, 0, 2, 1].into())
            .udp(111)
            .payload(&vec![0; length]);
        let wire = PacketSocket::open(&self.neighbour, "eth0").unwrap();
        wire.send(&frame.build()).unwrap();
    }

    /// `rpcguard` with arguments separated by blanks.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = self.host.command(rpcguard_binary());
        command.args(arguments.split_whitespace());
        command
    }

    /// Runs [`Machine::command`] to its end.
    pub(crate) fn rpcguard(&self, arguments: &str) -> Finished {
        Finished::wait_for(&mut self.command(arguments))
    }

    /// As [`Machine::rpcguard`], which must succeed.
    #[track_caller]
    pub(crate) fn does(&self, arguments: &str) -> Finished {
        self.rpcguard(arguments).succeeded()
    }

    /// The command run by `wrapper`, a program that takes a command line.
    pub(crate) fn wrapped(&self, wrapper: &[&str], arguments: &str) -> Command {
        let mut command = self.host.command(wrapper[0]);
        command
            .args(&wrapper[1..])
            .arg(rpcguard_binary())
            .args(arguments.split_whitespace());
        command
    }

    /// A file that lives as long as the machine.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.files.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Runs the command, which must fail and leave everything as it was.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &str) -> Refusal {
        self.refuses_command(&mut self.command(arguments))
    }

    /// As [`Machine::refuses`], with an argument that may contain blanks.
    #[track_caller]
    pub(crate) fn refuses_with(&self, arguments: &str, last: impl AsRef<OsStr>) -> Refusal {
        self.refuses_command(self.command(arguments).arg(last))
    }

    /// As [`Machine::refuses`], however the command is run.
    #[track_caller]
    pub(crate) fn refuses_command(&self, command: &mut Command) -> Refusal {
        let before = self.state();
        let finished = Finished::wait_for(command);
        assert_eq!(self.state(), before, "something changed: {finished}");
        Refusal::of(finished)
    }

    /// The XDP programs on the interfaces, as the kernel numbers them.
    pub(crate) fn programs(&self) -> BTreeMap<String, u64> {
        let links: Value = serde_json::from_str(&self.host.ip("-json link show").unwrap()).unwrap();
        let links = links.as_array().unwrap().iter();
        links
            .filter_map(|link| {
                let name = link["ifname"].as_str().unwrap().to_owned();
                Some((name, link["xdp"]["prog"]["id"].as_u64()?))
            })
            .collect()
    }

    /// Everything that a command could have changed.
    pub(crate) fn state(&self) -> State {
        let (pins, guards) = self.host.enter(|| {
            let bpffs = Path::new("/sys/fs/bpf");
            let entries = Registry::at(bpffs).unwrap().entries().unwrap();
            (paths_below(bpffs), entries.iter().map(describe).collect())
        });
        State {
            pins,
            programs: self.programs(),
            guards,
        }
    }
}

/// Addresses from 10.0.0.0 on, one a line.
pub(crate) fn addresses(count: u32) -> String {
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    (first..first + count)
        .map(|address| format!("{}\n", Ipv4Addr::from(address)))
        .collect()
}

/// What is attached, pinned and listed on a machine.
#[derive(Debug, PartialEq)]
pub(crate) struct State {
    pins: Vec<PathBuf>,
    programs: BTreeMap<String, u64>,
    guards: Vec<String>,
}

impl State {
    /// Whether nothing is attached or pinned.
    pub(crate) fn is_clean(&self) -> bool {
        // The kernel pins something of its own.
        let rpcguards = |path: &PathBuf| path.starts_with("/sys/fs/bpf/rpcguard");
        let is_pinned = self.pins.iter().any(rpcguards);
        !is_pinned && self.programs.is_empty() && self.guards.is_empty()
    }
}

fn describe(entry: &Entry) -> String {
    match entry {
        Entry::Guard(guard) => format!(
            "{} {} {} {:?} {:?}",
            guard.interface(),
            guard.program_id(),
            guard.link_id(),
            guard.policy().unwrap(),
            guard.prefixes().unwrap()
        ),
        Entry::Incompatible {
            interface, found, ..
        } => format!("{interface} of ABI version {found}"),
        Entry::Leftover(leftover) => format!("what is left of {}", leftover.interface),
    }
}

fn paths_below(directory: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            paths.extend(paths_below(&entry.path()));
        }
        paths.push(entry.path());
    }
    paths.sort();
    paths
}

/// What the command said when it refused to do something.
pub(crate) struct Refusal(Finished);

impl Refusal {
    /// Asserts what holds for all refusals.
    #[track_caller]
    pub(crate) fn of(finished: Finished) -> Self {
        assert_eq!(finished.stdout, "", "{finished}");
        let mut lines = finished.stderr.lines();
        let first = lines.find(|line| !line.starts_with("note: "));
        assert!(
            first.unwrap_or_default().starts_with("error: "),
            "{finished}"
        );
        assert!(!finished.stderr.contains('\x1b'), "{finished}");
        Self(finished)
    }

    /// The exit code: 1 if it failed, 2 if the command was wrong.
    #[track_caller]
    pub(crate) fn exited_with(self, code: i32) -> Self {
        Self(self.0.exited_with(code))
    }

    /// It said these words.
    #[track_caller]
    pub(crate) fn saying(self, words: &str) -> Self {
        assert!(self.0.stderr.contains(words), "no `{words}` in {}", self.0);
        self
    }

    /// Its hint has these words.
    #[track_caller]
    pub(crate) fn hinting(self, words: &str) -> Self {
        let mut hints = self
            .0
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("hint: "));
        let hint = hints.next().unwrap_or_default();
        assert!(hint.contains(words), "no hint `{words}` in {}", self.0);
        self
    }
}
