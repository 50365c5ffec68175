//! A machine on which everything that can be named has a name that a terminal would obey.

use std::{
    cell::RefCell,
    ffi::{OsStr, OsString},
    fs::{self, Permissions},
    net::{TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    thread,
    time::Duration,
};

use nix::mount::{MsFlags, mount};
use rpcguard_tests::{
    lab::{PacketSocket, rpcguard_binary},
    packet::Frame,
};

use super::portmapper;
use crate::machine::Machine;

/// The interface that is guarded.
pub(super) const GUARDED: &str = "\x1b[2J\u{9b}1m\u{202e}";

/// One that is not.
pub(super) const OTHER: &str = "\x07\x7f\u{2066}";

/// A name of a file, with a line end, which interfaces cannot have.
const FILE: &str = "\x1b[31m\u{9b}\u{202e}\nforged";

/// How long a command that goes on until it is interrupted may do so.
const PATIENCE: &str = "3";

/// See the module.
pub(super) struct Scene {
    pub(super) machine: Machine,
    /// List files, good and bad.
    pub(super) lists: Vec<PathBuf>,
    /// Configurations, good and bad.
    pub(super) configurations: Vec<PathBuf>,
    /// A directory that is not there.
    pub(super) missing: PathBuf,
    processes: RefCell<Vec<Child>>,
}

impl Scene {
    pub(super) fn or_skip(test: &str) -> Option<Self> {
        let machine = Machine::or_skip(test)?;
        let host = machine.host();
        for (from, to) in [("eth0", GUARDED), ("eth1", OTHER)] {
            host.ip(&format!("link set {from} down name {to}")).unwrap();
            host.ip(&format!("link set {to} up")).unwrap();
        }
        let directory = machine.file("marker", "").with_file_name(FILE);
        fs::create_dir(&directory).unwrap();
        let lists = lists(&directory);
        let configurations = configurations(&directory, &lists);
        let scene = Self {
            missing: directory.join("missing\x1b[1m"),
            machine,
            lists,
            configurations,
            processes: RefCell::default(),
        };
        scene.replace_files(&directory);
        Some(scene)
    }

    /// Has the interface guarded, whatever a command has made of it.
    pub(super) fn guard(&self) {
        let rate = "--rate 5/s --allow 192.0.2.0/24 --observe";
        let _ = self.machine.rpcguard(&format!("attach {GUARDED} {rate}"));
    }

    /// Runs `body` while processes hold port 111 whose names, arguments and answers are hostile.
    pub(super) fn with_portmapper(&self, body: impl FnOnce()) {
        let host = self.machine.host();
        let udp = host.enter(|| UdpSocket::bind("0.0.0.0:111")).unwrap();
        let tcp = host.enter(|| TcpListener::bind("0.0.0.0:111")).unwrap();
        let directory = self.lists[0].parent().unwrap();
        self.hold(&directory.join("rpcbind"), udp.try_clone().unwrap().into());
        let program = directory.join("x\x1b[1m\x07\n");
        self.hold(&program, tcp.try_clone().unwrap().into());
        portmapper::serve(&udp, &tcp, body);
    }

    /// A process of this program that has the socket.
    fn hold(&self, program: &Path, socket: OwnedFd) {
        fs::copy(which("sleep"), program).unwrap();
        let mut command = self.machine.host().command(program);
        command
            .arg0("rpcbind \x1b]0;x\x07\nforged\u{9b}")
            .arg("1000");
        let child = command.stdin(socket).spawn().unwrap();
        self.processes.borrow_mut().push(child);
    }

    /// Files of the machine that commands read, as this host sees them.
    fn replace_files(&self, directory: &Path) {
        let state = directory.join("state");
        fs::create_dir_all(state.join("rpcguard")).unwrap();
        for name in ["disabled.json", "disable.json", "record.json"] {
            fs::write(state.join("rpcguard").join(name), "{\"\x1b[2J\u{9b}\": 1}").unwrap();
        }
        let fstab = directory.join("fstab");
        let line = "server\x1b[2J:/\u{9b}\u{202e} /mnt\x1b[31m nfs vers=3 0 0\n";
        fs::write(&fstab, line).unwrap();
        let rpc = directory.join("rpc");
        fs::write(&rpc, "\x1b[2J\u{9b} 100000 \x1b[1m\n").unwrap();
        self.machine.host().enter(|| {
            for (from, to) in [
                (&state, "/var/lib"),
                (&fstab, "/etc/fstab"),
                (&rpc, "/etc/rpc"),
            ] {
                if !Path::new(to).exists() {
                    continue;
                }
                let bind = mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>);
                bind.unwrap();
            }
        });
    }

    /// Makes the machine look like one of systemd, all of whose units have hostile names and
    /// states.
    pub(super) fn boot_systemd(&self) {
        const SYSTEMCTL: &str = "/usr/bin/systemctl";
        let unit = |name: &str| {
            format!(
                "Id={name}\nLoadState=loaded\nActiveState=active\nSubState=\x1b[2J\u{9b}\n\
                 UnitFileState=enabled\x1b[1m\nRequiredBy=x\x1b[2J\u{202e}.service\nBoundBy=\x07.service\n"
            )
        };
        let names = [
            "rpcbind.socket",
            "\x1b[2J.socket",
            "rpcbind.service",
            "\x07",
        ];
        let units = names.map(unit).join("\n");
        let script = self
            .machine
            .file("systemctl", format!("#!/bin/sh\ncat <<'END'\n{units}END\n"));
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        self.machine.host().enter(|| {
            fs::create_dir_all("/run/systemd/system").unwrap();
            if Path::new(SYSTEMCTL).exists() {
                let (flags, none) = (MsFlags::MS_BIND, None::<&str>);
                mount(Some(&script), SYSTEMCTL, none, flags, none).unwrap();
            }
        });
    }

    /// Runs the command, and says what is wrong with what it prints.
    pub(super) fn fault(&self, call: &[OsString]) -> Option<String> {
        let mut command = self.machine.host().command("timeout");
        command
            .args(["--signal=INT", "--kill-after=20", PATIENCE])
            .arg(rpcguard_binary())
            .args(call);
        let Output { stdout, stderr, .. } = self.while_packets_come(&mut command);
        let faults: Vec<_> = [("stdout", stdout), ("stderr", stderr)]
            .iter()
            .filter_map(|(name, bytes)| Some(format!("{name}: {}", fault(bytes)?)))
            .collect();
        (!faults.is_empty()).then(|| format!("{call:?}: {}", faults.join("; ")))
    }

    fn while_packets_come(&self, command: &mut Command) -> Output {
        let mac = self.machine.host().mac(GUARDED).unwrap();
        let frame = Frame::ethernet()
            .to_mac(mac)
            .ipv4([203, 0, 113, 1].into())
            .to_v4([192, 0, 2, 1].into())
            .udp(111)
            .payload(&[0; 40])
            .build();
        let wire = PacketSocket::open(self.machine.neighbour(), "eth0").unwrap();
        thread::scope(|scope| {
            let running = scope.spawn(|| command.output().unwrap());
            while !running.is_finished() {
                wire.send(&frame).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
            running.join().unwrap()
        })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for child in self.processes.borrow_mut().iter_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Text that a terminal would obey, or that looks like a line of ours.
fn fault(bytes: &[u8]) -> Option<String> {
    let Ok(text) = str::from_utf8(bytes) else {
        return Some(format!("not UTF-8: {}", bytes.escape_ascii()));
    };
    let obeyed = |letter: char| {
        letter.is_control() && letter != '\n'
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    };
    text.lines()
        .find(|line| line.contains(obeyed) || line.trim_start().starts_with("forged"))
        .map(|line| format!("{line:?}"))
}

fn lists(directory: &Path) -> Vec<PathBuf> {
    let contents: [&[u8]; 5] = [
        b"10.0.0.1\n\x1b[2J\xc2\x9b\xe2\x80\xae\n",
        b"10.0.0.1/8\n192.0.2.0/\x1b[2J\n",
        b"\xff\x1b\n",
        b"create \x1b[2J hash:net\nadd \x1b[2J 10.0.0.1/8\ncreate \xc2\x9b hash:net\nadd \xc2\x9b 10.1.0.0/16\n",
        b"set \x1b[2J { type ipv4_addr; elements = { 10.0.0.1, \x07 } }\n",
    ];
    let mut paths = Vec::new();
    for (index, content) in contents.iter().enumerate() {
        let path = directory.join(format!("list{index}\x1b[1m"));
        fs::write(&path, content).unwrap();
        paths.push(path);
    }
    paths.push(directory.join("no\x1b[2Jlist"));
    paths
}

fn configurations(directory: &Path, lists: &[PathBuf]) -> Vec<PathBuf> {
    let guard = "[[guard]]\ninterfaces = [\"\\u001b[2J\"]\n";
    let list = |path: &Path| {
        let quoted = format!("{:?}", path.file_name().unwrap());
        quoted.replace("\\u{1b}", "\\u001b")
    };
    let [good, bad, missing] = [&lists[3], &lists[0], &lists[5]].map(|path| list(path));
    let contents = [
        // Good ones: what is written about, and what is logged.
        format!(
            "[[guard]]\ninterfaces = [\"[\\u001b][[]2J\\u009b1m\\u202e\", \"\\u001b*\"]\n\
             allow_files = [{good}]\n"
        ),
        format!("{guard}allow = [\"\\u001b[2J\\nforged\"]\n"),
        format!("{guard}allow_files = [{bad}, {missing}, \"\\u009b\\nforged\"]\n"),
        format!("{guard}\"\\u001b[2J\\nforged\" = 1\n"),
        format!("{guard}mode = \"\\u001b[2J\\u202e\\nforged\"\n"),
        format!("{guard}rate = \"\\u001b[2J\\nforged\"\n"),
        "metrics_listen = \"\\u001b[2J\\nforged\"\n".to_owned(),
        "[[guard]]\ninterfaces = [\"a\\nforged\"]\n".to_owned(),
        "\x1b[2J\u{202e} = \"\u{9b}\"\n".to_owned(),
        "[[guard]]\ninterfaces = [\"\x1b[2J\"]\n".to_owned(),
    ];
    let write = |(index, content): (usize, &String)| {
        let path = directory.join(format!("config{index}\x1b[1m.toml"));
        fs::write(&path, content).unwrap();
        path
    };
    contents.iter().enumerate().map(write).collect()
}

fn which(program: &str) -> PathBuf {
    let mut directories = ["/usr/bin", "/bin"].iter().map(Path::new);
    let found = directories.find_map(|directory| {
        let path = directory.join(OsStr::from_bytes(program.as_bytes()));
        path.is_file().then_some(path)
    });
    found.unwrap()
}
