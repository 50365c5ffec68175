//! A daemon in a site's host, and what it says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rpcguard_tests::site::{PATIENCE, Site};
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
        let (host, directory) = (&self.site.host, self.directory.path());
        let config = self.config();
        let daemon =
            rpcguard_tests::daemon::Daemon::spawn(host, &config, directory, variables, PATIENCE);
        Daemon(daemon.unwrap())
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

/// A daemon from which everything is expected that its tests say.
pub(crate) struct Daemon(rpcguard_tests::daemon::Daemon);

impl Daemon {
    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        self.0.log()
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.0.signal(signal).unwrap();
    }

    /// Waits for the next notification of the service manager that has this line, and returns it.
    #[track_caller]
    pub(crate) fn await_notification(&self, line: &str) -> String {
        self.0.notified_of(line).unwrap()
    }

    /// The next notification, if one comes within this time.
    pub(crate) fn notification(&self, within: Duration) -> Option<String> {
        self.0.notification(within)
    }

    /// Has it reload, and waits until it has, or has refused to.
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.signal(Signal::SIGHUP);
        self.0.reloaded().unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.0.ended().unwrap()
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

/// A table for these interfaces that allows these prefixes.
pub(crate) fn table(interfaces: &str, allow: &str) -> String {
    format!("[[guard]]\ninterfaces = [{interfaces}]\nallow = [{allow}]\n")
}

/// A path as it is written in a configuration.
pub(crate) fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
