//! Which process holds which socket, and what proves that it is the portmapper.
//!
//! An account without privileges chooses the name, the arguments and the control group of its
//! processes, so that none of them decides anything here.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt, fs,
    io::Read as _,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use procfs::process::{FDTarget, Process as Proc, all_processes};
use rustix::fs::OFlags;

use crate::error::{Doing as _, Result};

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name, `comm` of proc(5), of at most 15 bytes. The process chooses it: it is for display
    /// only.
    pub name: String,
    /// When it started, in clock ticks since the machine did (proc(5), `starttime`). No two
    /// processes have their id and this in common.
    pub started: u64,
    /// Its user; `None` if its real, effective, saved and file system ids differ, as in a program
    /// with the setuid bit.
    pub uid: Option<u32>,
    /// The file that it executes; `None` if that cannot be told. In a container, it is a path of
    /// the container.
    pub exe: Option<PathBuf>,
    /// Whether it executes rpcbind or portmap: a file that belongs to root and that only root can
    /// write, as root or as the account that rpcbind changes to, and in this network namespace.
    ///
    /// It is the portmapper of this network namespace if it holds the portmapper's sockets too:
    /// [`Inventory::portmapper_processes`](super::Inventory::portmapper_processes).
    pub runs_portmapper: bool,
}

/// The file names of portmapper programs.
pub(crate) const PORTMAPPERS: [&str; 3] = ["rpcbind", "portmap", "rpc.portmap"];

/// The accounts that they change to: those of Debian, of Red Hat, SUSE, Arch and Alpine, and of
/// portmap.
const ACCOUNTS: [&str; 4] = ["_rpc", "rpc", "daemon", "bin"];

impl Process {
    /// Whether it is the first process of the system, which opens sockets for services that it
    /// starts when somebody asks. In a container, the portmapper may be the first process itself.
    #[must_use]
    pub const fn is_init(&self) -> bool {
        self.pid == 1 && !self.runs_portmapper
    }

    /// The control group of the process, as `/system.slice/docker-0123.scope`: it names the unit or
    /// the container. `None` if it cannot be read, or if somebody else than root could have chosen
    /// the name.
    #[must_use]
    pub fn control_group(&self) -> Option<String> {
        let groups = fs::read(format!("/proc/{}/cgroup", self.pid)).ok()?;
        String::from_utf8_lossy(&groups).lines().find_map(|line| {
            // `0::/path` of version 2; `1:name=systemd:/path` and `4:pids:/path` of version 1.
            let mut fields = line.splitn(3, ':').skip(1);
            let (controller, path) = (fields.next()?, fields.next()?);
            let mounted = match controller {
                "" => "",
                "name=systemd" => "systemd",
                "pids" => "pids",
                _ => return None,
            };
            let directory = Path::new("/sys/fs/cgroup").join(mounted);
            let group = directory.join(path.trim_start_matches('/'));
            (path != "/" && !path.contains("..") && is_roots_alone(&group)).then(|| path.to_owned())
        })
    }

    /// Looks at a process; `None` if it has ended.
    fn read(process: &Proc, exe: Option<PathBuf>, proof: &Proof) -> Option<Self> {
        let name = text(process, "comm")?.trim_end_matches('\n').to_owned();
        // The name is in parentheses, and may have any characters in it.
        let stat = text(process, "stat")?;
        let (_, after) = stat.rsplit_once(')')?;
        // Field 22, and the state was field 3.
        let started = after.split_whitespace().nth(19)?.parse().ok()?;
        let uid = uid(&text(process, "status")?);
        // A file of somebody else's file system is not asked: it may never answer.
        let runs_portmapper = uid.is_some_and(|uid| proof.accounts.contains(&uid))
            && exe.as_deref().is_some_and(is_portmapper_name)
            && network_of(&process.pid.to_string()).is_some_and(|of| Some(of) == proof.network)
            && exe_is_roots(process);
        Some(Self {
            pid: process.pid.unsigned_abs(),
            name,
            started,
            uid,
            exe,
            runs_portmapper,
        })
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.name, self.pid)
    }
}

/// Whether the path, and every directory that leads to it, is root's, and only root can write it.
pub(super) fn is_roots_alone(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    path.ancestors().all(|path| {
        let is_roots = |found: fs::Metadata| {
            // Anybody may ask at a socket; that gives no way to put another in its place.
            let is_socket = found.file_type().is_socket();
            found.uid() == 0 && (is_socket || !others_can_write(&found))
        };
        fs::symlink_metadata(path).is_ok_and(is_roots)
    })
}

fn others_can_write(file: &fs::Metadata) -> bool {
    file.permissions().mode() & 0o022 != 0
}

/// A file of a process, whatever bytes are in it.
fn text(process: &Proc, file: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut file = process.open_relative(file).ok()?;
    file.read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The user in `status` of proc(5), where the kernel escapes the name.
fn uid(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let mut ids = ids.split_whitespace();
    let first = ids.next()?;
    ids.all(|id| id == first).then(|| first.parse().ok())?
}

/// Whether a process executes a file that is root's, whatever it is called. The file is that of the
/// process's own mount namespace, even if it is deleted.
fn exe_is_roots(process: &Proc) -> bool {
    let file = process.open_relative_flags("exe", OFlags::PATH | OFlags::CLOEXEC);
    let Ok(Ok(found)) = file.map(|file| file.metadata()) else {
        return false;
    };
    found.is_file() && found.uid() == 0 && !others_can_write(&found)
}

/// Leaves out children of the first process that are about to execute another program: until then,
/// they have its sockets, and close them with that.
fn leave_out_forks_of_init(processes: &mut Vec<Process>) {
    let init = processes.iter().find(|process| process.is_init());
    if let Some(exe) = init.and_then(|init| init.exe.clone()) {
        processes.retain(|process| process.is_init() || process.exe.as_ref() != Some(&exe));
    }
}

/// Whether a program of this path is called as a portmapper is.
fn is_portmapper_name(exe: &Path) -> bool {
    let name = exe.file_name().unwrap_or_default().to_string_lossy();
    // An upgrade has replaced it.
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name);
    PORTMAPPERS.contains(&name)
}

/// The users that a portmapper may run as: root, and those that rpcbind changes to.
fn portmapper_accounts(passwd: &str) -> BTreeSet<u32> {
    let accounts = passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let known = ACCOUNTS.contains(&fields.next()?);
        known.then(|| fields.nth(1)?.parse().ok())?
    });
    accounts.chain([0]).collect()
}

/// The measure of a process.
struct Proof {
    /// The users that a portmapper may run as.
    accounts: BTreeSet<u32>,
    /// The network namespace of the calling thread.
    network: Option<PathBuf>,
}

impl Proof {
    fn new() -> Self {
        Self {
            // Without the file, root alone.
            accounts: portmapper_accounts(&fs::read_to_string("/etc/passwd").unwrap_or_default()),
            network: network_of("thread-self"),
        }
    }
}

/// The network namespace of a process.
fn network_of(process: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/net")).ok()
}

/// The processes of each socket, by its inode number.
#[derive(Debug, Default)]
pub(super) struct Holders {
    pub(super) of: HashMap<u64, Vec<Process>>,
    /// Whether every process could be looked into. It takes root, or CAP_SYS_PTRACE, no container,
    /// and not too many of them.
    pub(super) complete: bool,
}

/// Whether this is the first process namespace of the system: from any other one, outer processes
/// are not seen.
fn sees_every_process() -> bool {
    /// `PROC_PID_INIT_INO` of linux/proc_ns.h.
    const FIRST: &str = "pid:[4026531836]";
    fs::read_link("/proc/self/ns/pid").is_ok_and(|namespace| namespace == Path::new(FIRST))
}

/// Which processes to look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    /// Those that execute a portmapper's program.
    Portmappers,
}

/// How long processes are looked into that are not proven to run a portmapper: any account can have
/// many of them, with many descriptors each.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many processes of one socket are kept, besides those that run a portmapper.
const MAX_HOLDERS: usize = 16;

impl Holders {
    /// Looks for the processes of these sockets.
    pub(super) fn read(which: Which, wanted: &HashSet<u64>) -> Result<Self> {
        Self::read_within(PATIENCE, which, wanted)
    }

    fn read_within(patience: Duration, which: Which, wanted: &HashSet<u64>) -> Result<Self> {
        let mut holders = Self {
            of: HashMap::new(),
            complete: sees_every_process(),
        };
        let proof = Proof::new();
        // A process may end at any moment.
        let processes = all_processes().doing("list the processes in /proc")?;
        let mut others = Vec::new();
        for process in processes.flatten() {
            let exe = process.exe().ok();
            let is_called_so = exe.as_deref().is_some_and(is_portmapper_name);
            let found = is_called_so.then(|| Process::read(&process, exe, &proof));
            match found.flatten().filter(|found| found.runs_portmapper) {
                Some(found) => holders.look(&process, Some(found), wanted, &proof, None),
                None => others.push(process.pid),
            }
        }
        if which == Which::All {
            let deadline = Instant::now() + patience;
            // The first process of the system comes first.
            others.sort_unstable();
            for pid in others {
                if Instant::now() >= deadline {
                    holders.complete = false;
                    break;
                }
                if let Ok(process) = Proc::new(pid) {
                    holders.look(&process, None, wanted, &proof, Some(deadline));
                }
            }
        }
        for processes in holders.of.values_mut() {
            processes.sort();
            leave_out_forks_of_init(processes);
        }
        Ok(holders)
    }

    /// Looks into a process, which may be known already.
    fn look(
        &mut self,
        process: &Proc,
        known: Option<Process>,
        wanted: &HashSet<u64>,
        proof: &Proof,
        deadline: Option<Instant>,
    ) {
        let Ok(descriptors) = process.fd() else {
            self.complete &= !process.is_alive();
            return;
        };
        let mut sockets = BTreeSet::new();
        for descriptor in descriptors {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.complete = false;
                break;
            }
            let target = descriptor.map(|descriptor| descriptor.target);
            if let Ok(FDTarget::Socket(inode)) = target
                && wanted.contains(&inode)
            {
                sockets.insert(inode);
            }
        }
        if sockets.is_empty() {
            return;
        }
        let read = || Process::read(process, process.exe().ok(), proof);
        let Some(found) = known.or_else(read) else {
            return;
        };
        for inode in sockets {
            let holders = self.of.entry(inode).or_default();
            if found.runs_portmapper || holders.len() < MAX_HOLDERS {
                holders.push(found.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        Process, is_portmapper_name, is_roots_alone, leave_out_forks_of_init, portmapper_accounts,
        uid,
    };

    #[test]
    fn children_of_init_that_execute_nothing_yet_hold_no_sockets_of_its_own() {
        let process = |pid, exe: &str| Process {
            pid,
            exe: Some(exe.into()),
            ..Process::default()
        };
        let pids_left = |mut processes: Vec<Process>| -> Vec<u32> {
            leave_out_forks_of_init(&mut processes);
            processes.iter().map(|process| process.pid).collect()
        };
        let [init, fork] = [1, 217].map(|pid| process(pid, "/usr/lib/systemd/systemd"));
        let other = process(50, "/usr/sbin/rpcbind");
        assert_eq!(pids_left(vec![init, other.clone(), fork.clone()]), [1, 50]);
        // It has the socket from elsewhere.
        assert_eq!(pids_left(vec![other, fork]), [50, 217]);
    }

    #[test]
    fn accounts_of_a_portmapper_are_root_and_those_it_changes_to() {
        let passwd = "root:x:0:0::/:/bin/sh\nrpc:x:32:32::/:/bin/false\nrpcx:x:33:33::/:/bin/sh\n\
                      nobody:x:65534:65534::/:/bin/false\n_rpc:x:101:1::/:/bin/false\nbin\nbin:x:y\n";
        let accounts: Vec<_> = portmapper_accounts(passwd).into_iter().collect();
        assert_eq!(accounts, [0, 32, 101]);
        assert_eq!(Vec::from_iter(portmapper_accounts("")), [0]);
    }

    #[test]
    fn a_user_is_one_whose_ids_are_all_the_same() {
        let status =
            |ids| format!("Name:\trpcbind\\nUid:\t0\t0\t0\t0\nUmask:\t0022\nUid:\t{ids}\n");
        assert_eq!(uid(&status("101\t101\t101\t101")), Some(101));
        // su(1) of a stranger.
        assert_eq!(uid(&status("1000\t0\t0\t0")), None);
        assert_eq!(uid("Name:\tx\n"), None);
        assert_eq!(uid("Uid:\n"), None);
    }

    #[test]
    fn a_portmappers_program_is_called_as_one() {
        for (exe, is) in [
            ("/usr/sbin/rpcbind", true),
            ("/usr/sbin/rpcbind (deleted)", true),
            ("/sbin/portmap", true),
            ("/usr/sbin/rpc.portmap", true),
            ("/usr/bin/docker-proxy", false),
            ("/usr/sbin/rpcbind/x", false),
            ("/tmp/rpcbind (deleted) (deleted)", false),
            ("/", false),
        ] {
            assert_eq!(is_portmapper_name(Path::new(exe)), is, "{exe}");
        }
    }

    #[test]
    fn a_path_that_others_could_have_made_is_not_roots() {
        use std::os::unix::{
            fs::{PermissionsExt as _, symlink},
            net::UnixListener,
        };
        assert!(
            is_roots_alone(Path::new("/proc/self/status")) || !rustix::process::geteuid().is_root()
        );
        // It is in a directory that everybody can write, and then not.
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rpcbind.sock");
        assert!(!is_roots_alone(&path));
        let _listener = UnixListener::bind(&path).unwrap();
        let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666));
        let link = directory.path().join("link");
        symlink("/proc/version", &link).unwrap();
        assert!(!is_roots_alone(&path), "/tmp is everybody's");
        // A link is as good as where it leads.
        assert!(is_roots_alone(&link));
    }

    #[test]
    fn processes_that_take_too_long_are_given_up_and_only_sockets_that_wait_are_kept() {
        use std::{
            collections::HashSet,
            net::UdpSocket,
            os::{fd::AsRawFd as _, unix::net::UnixStream},
            time::Duration,
        };

        use super::{Holders, Which};

        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let _others = UnixStream::pair().unwrap();
        let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        let inode = link
            .to_str()
            .unwrap()
            .trim_matches(|c: char| !c.is_ascii_digit());
        let wanted = HashSet::from([inode.parse().unwrap()]);
        let found = Holders::read(Which::All, &wanted).unwrap();
        assert_eq!(
            found.of.keys().collect::<Vec<_>>(),
            wanted.iter().collect::<Vec<_>>()
        );
        let found = Holders::read_within(Duration::ZERO, Which::All, &wanted).unwrap();
        assert!(found.of.is_empty() && !found.complete);
    }
}
