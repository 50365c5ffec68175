//! A Debian system in namespaces of its own, which can be booted more than once.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::unistd::Uid;
use rpcguard_tests::lab::{Finished, find_tool, missing_tools, rpcguard_binary, skip};
use tempfile::TempDir;

/// Holds the file system: the tree below, and above it what is changed. Both this and [`BOOT`]
/// print the number that their process has outside, and end when the test does, since nobody else
/// has the other end of what they read.
const HOLD: &str = r#"
    set -e
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$2"
    mkdir "$2/upper" "$2/work" "$2/root"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
    mkdir -p "$2/root/usr/local/bin"
    cp "$3" "$2/root/usr/local/bin/rpcguard"
    # Of this machine's own tree, only what is on its root file system is seen: devices are not.
    [ -z "$4" ] || {
        mount --rbind /dev "$2/root/dev"
        rm -f "$2/root/sbin/rpcbind"
        cp "$4" "$2/root/sbin/rpcbind"
        rm -rf "$2/root/etc/init.d" "$2/root"/etc/rc?.d "$2/root/etc/service"
        echo '_rpc:x:123:65534::/run:/usr/sbin/nologin' >>"$2/root/etc/passwd"
    }
    read -r id rest </proc/self/stat
    echo "$id"
    exec cat
"#;

/// Becomes the first process of the system, whose orphans the kernel then reaps.
const BOOT: &str = r#"
    set -e
    read -r id rest </proc/self/stat
    mount -t proc proc "$1/root/proc"
    mount -t tmpfs -o mode=755 tmpfs "$1/root/run"
    ip link set lo up
    trap '' CHLD
    exec chroot "$1/root" sh -c 'echo "$0"; exec cat' "$id"
"#;

/// How long a portmapper may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A system, which goes with this value.
pub(crate) struct Container {
    init: Option<Process>,
    holder: Process,
    scratch: TempDir,
}

/// A process that prints its number and then waits for the end of its input.
struct Process {
    child: Child,
    id: String,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let mut id = String::new();
        let output = child.stdout.take().expect("it has an output");
        BufReader::new(output)
            .read_line(&mut id)
            .expect("its output can be read");
        let id = id.trim().to_owned();
        assert!(!id.is_empty(), "{command:?} has failed");
        Self { child, id }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Container {
    /// Makes one of the tree of this name, and boots it; says that `test` is skipped if that cannot
    /// be.
    pub(crate) fn boot_or_skip(tree: &str, test: &str) -> Option<Self> {
        if !Uid::effective().is_root() {
            skip(test, "needs root, for namespaces and mounts");
            return None;
        }
        let trees = env::var_os("RPCGUARD_TREES").map(PathBuf::from);
        let Some(tree) = trees.map(|trees| trees.join(tree)).filter(|t| t.is_dir()) else {
            let reason = format!("there is no Debian with {tree}; `cargo xtask test` makes it");
            skip(test, &reason);
            return None;
        };
        let container = Self::new(&tree, None);
        let version = container.run(&["rpcguard", "--version"]);
        if !version.is_success() {
            let reason = format!(
                "rpcguard does not run on Debian 12: {}",
                version.stderr.trim()
            );
            skip(test, &reason);
            return None;
        }
        Some(container)
    }

    /// Makes one of this machine's own files, with rpcbind and without an init system.
    pub(crate) fn plain_or_skip(test: &str) -> Option<Self> {
        if !Uid::effective().is_root() {
            skip(test, "needs root, for namespaces and mounts");
            return None;
        }
        let missing = missing_tools(&["rpcbind", "unshare", "nsenter", "perl", "setpriv"]);
        if !missing.is_empty() {
            skip(test, &format!("needs {}", missing.join(", ")));
            return None;
        }
        Some(Self::new(Path::new("/"), find_tool("rpcbind")))
    }

    fn new(tree: &Path, rpcbind: Option<PathBuf>) -> Self {
        let scratch = tempfile::tempdir().expect("a directory can be made");
        let mut hold = Command::new("unshare");
        hold.args(["--mount", "sh", "-c", HOLD, "hold"])
            .arg(tree)
            .arg(scratch.path())
            .arg(rpcguard_binary())
            .arg(rpcbind.unwrap_or_default());
        let holder = Process::start(&mut hold);
        let mut container = Self {
            init: None,
            holder,
            scratch,
        };
        container.boot();
        container
    }

    /// Ends every process of the system, forgets /run and the network, and starts anew with nothing
    /// but the first process.
    pub(crate) fn boot(&mut self) {
        self.init = None;
        let mut boot = Command::new("nsenter");
        boot.args(["--target", &self.holder.id, "--mount", "unshare"])
            .args(["--mount", "--net", "--pid", "--uts", "--ipc", "--fork"])
            .args(["--kill-child", "sh", "-c", BOOT, "boot"])
            .arg(self.scratch.path());
        self.init = Some(Process::start(&mut boot));
    }

    /// The number that its first process has outside.
    pub(crate) fn first_process(&self) -> &str {
        &self.init.as_ref().expect("it is booted").id
    }

    /// A command in the system.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                self.first_process(),
                "--mount",
                "--net",
                "--pid",
            ])
            .args(["--uts", "--ipc", "--root", "--wd"])
            .args(words)
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .stdin(Stdio::null());
        command
    }

    /// Runs a command in the system to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Finished {
        Finished::wait_for(&mut self.command(words))
    }

    /// Runs lines of shell in the system, which have to succeed.
    #[track_caller]
    pub(crate) fn shell(&self, script: &str) -> String {
        self.run(&["sh", "-ec", script]).succeeded().stdout
    }

    /// Starts a script in the background, as this user, and returns when it listens on port 111 or
    /// has ended its preparations: when it has made the file /tmp/ready.
    #[track_caller]
    pub(crate) fn start(&self, user: u32, command: &str) {
        self.shell(&format!(
            "rm -f /tmp/ready
             setsid setpriv --reuid={user} --regid={user} --clear-groups {command} \
                 </dev/null >/dev/null 2>&1 &
             i=0
             until [ -e /tmp/ready ]; do i=$((i + 1)); [ $i -lt 200 ]; sleep 0.05; done"
        ));
    }

    /// Whether something holds UDP port 111 there.
    pub(crate) fn listens(&self) -> bool {
        let table = self.shell("cat /proc/net/udp /proc/net/udp6");
        table.contains(":006F ")
    }

    /// Waits until this is so.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(begun.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a portmapper to answer in the system: what starts one in the background does not.
    #[track_caller]
    pub(crate) fn wait_for_answer(&self) {
        let begun = Instant::now();
        while !self.answers() {
            assert!(begun.elapsed() < PATIENCE, "no answer in {PATIENCE:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether a portmapper answers in the system.
    pub(crate) fn answers(&self) -> bool {
        self.run(&["rpcinfo", "-T", "udp", "127.0.0.1", "portmapper"])
            .is_success()
    }
}
