//! A daemon in a site's host, and what it says.

use std::{
    fs::{self, File},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpcguard_tests::{
    lab::rpcguard_binary,
    site::{PATIENCE, Site},
};
use tempfile::TempDir;

/// The directory of a configuration, and the host that it is for.
pub(crate) struct Scene {
    pub(crate) site: Site,
    pub(crate) directory: TempDir,
}

impl Scene {
    pub(crate) fn or_skip(test: &str) -> Option<Self> {
        Some(Self {
            site: Site::or_skip(test)?,
            directory: tempfile::tempdir().unwrap(),
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("rpcguard.toml")
    }

    /// Puts a file in the place of the one of this name, as editors do.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let next = self.path("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.path(name)).unwrap();
    }

    /// Starts the daemon with this configuration, and waits until it is ready.
    pub(crate) fn start(&self, config: &str) -> Daemon {
        self.write("rpcguard.toml", config);
        self.start_again()
    }

    /// Starts the daemon with the configuration that is there.
    pub(crate) fn start_again(&self) -> Daemon {
        let daemon = self.spawn(&[]);
        daemon.await_notification("READY=1");
        daemon
    }

    /// Starts the daemon with more variables in its environment, and does not wait.
    pub(crate) fn spawn(&self, variables: &[(&str, &str)]) -> Daemon {
        let socket = self.path("notify");
        let _ = fs::remove_file(&socket);
        let notifications = read_all(UnixDatagram::bind(&socket).unwrap());
        let log = self.path("log");
        let child = self
            .site
            .host
            .command(rpcguard_binary())
            .args(["run", "--config"])
            .arg(self.config())
            .env("NOTIFY_SOCKET", &socket)
            .envs(variables.iter().copied())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Daemon {
            child,
            log,
            notifications,
        }
    }

    /// What `status` says about an interface, as JSON; null if it is not guarded.
    pub(crate) fn status(&self, interface: &str) -> serde_json::Value {
        let status = self
            .site
            .host
            .rpcguard(["status", "--json"])
            .succeeded()
            .json();
        let mut interfaces = status["interfaces"].as_array().unwrap().iter();
        let found = interfaces.find(|status| status["name"] == interface);
        found.cloned().unwrap_or_default()
    }

    /// The interfaces that are guarded, and what is left of guards.
    pub(crate) fn guarded(&self) -> Vec<String> {
        let status = self
            .site
            .host
            .rpcguard(["status", "--json"])
            .succeeded()
            .json();
        let interfaces = status["interfaces"].as_array().unwrap().iter();
        let name = |status: &serde_json::Value| status["name"].as_str().unwrap().to_owned();
        interfaces.map(name).collect()
    }

    /// The allow list of an interface.
    pub(crate) fn allowed(&self, interface: &str) -> Vec<String> {
        let list = ["allow", "list", "-i", interface, "--json"];
        let list = self.site.host.rpcguard(list).succeeded().json();
        let prefixes = list["interfaces"][0]["prefixes"].as_array().unwrap().iter();
        let prefix = |prefix: &serde_json::Value| prefix["prefix"].as_str().unwrap().to_owned();
        prefixes.map(prefix).collect()
    }

    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "not {what}; the daemon said:\n{}",
                log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn detach_all(&self) {
        self.site.rpcguard("detach --all");
    }
}

/// A daemon that runs; it is killed if nobody has waited for its end.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    notifications: Receiver<String>,
}

impl Daemon {
    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the next notification of the service manager that has this line, and returns it.
    #[track_caller]
    pub(crate) fn await_notification(&self, line: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            let Some(notification) = self.notification(left) else {
                break;
            };
            if notification.lines().any(|found| found == line) {
                return notification;
            }
            seen.push(notification);
        }
        panic!("no {line} but {seen:?}; the daemon said:\n{}", self.log());
    }

    /// The next notification, if one comes within this time.
    pub(crate) fn notification(&self, within: Duration) -> Option<String> {
        self.notifications.recv_timeout(within).ok()
    }

    /// Has it reload, and waits until it has.
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.signal(Signal::SIGHUP);
        self.await_reload();
    }

    /// Waits until it has reloaded, or has refused to.
    #[track_caller]
    pub(crate) fn await_reload(&self) {
        self.await_notification("RELOADING=1");
        self.await_notification("READY=1");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it, and expects it to end well.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        assert!(status.success(), "{status}:\n{}", self.log());
        self.log()
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what comes, as service managers do: whoever notifies waits for that.
fn read_all(socket: UnixDatagram) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A table for these interfaces that allows these prefixes.
pub(crate) fn table(interfaces: &str, allow: &str) -> String {
    format!("[[guard]]\ninterfaces = [{interfaces}]\nallow = [{allow}]\n")
}

/// A path as it is written in a configuration.
pub(crate) fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
