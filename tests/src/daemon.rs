//! A daemon in a host of the lab, and what it says to its service manager and its log.

use std::{
    fs::{self, File},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::lab::{Host, rpcguard_binary};

/// `rpcguard run`, which is killed when this goes.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
    notifications: Receiver<String>,
    patience: Duration,
}

impl Daemon {
    /// Starts it with a configuration and more variables in its environment. Its log, and the socket that it
    /// notifies its service manager at, are in `directory`. For anything that is expected of it, it is given
    /// `patience`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn spawn(
        host: &Host,
        config: &Path,
        directory: &Path,
        variables: &[(&str, &str)],
        patience: Duration,
    ) -> Result<Self> {
        let socket = directory.join("notify");
        let _ = fs::remove_file(&socket);
        let notifications = read_all(UnixDatagram::bind(&socket)?);
        let log = directory.join("log");
        let child = host
            .command(rpcguard_binary())
            .args(["run", "--config"])
            .arg(config)
            .env("NOTIFY_SOCKET", &socket)
            .envs(variables.iter().copied())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start the daemon")?;
        Ok(Self {
            child,
            log,
            notifications,
            patience,
        })
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string())
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).context("the daemon has ended")
    }

    /// Waits for the next notification of the service manager that has this line, and returns it.
    ///
    /// # Errors
    ///
    /// If none comes, with those that came, and what the daemon said.
    pub fn notified_of(&self, line: &str) -> Result<String> {
        let deadline = Instant::now() + self.patience;
        let mut seen = Vec::new();
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            let Some(notification) = self.notification(left) else {
                break;
            };
            if notification.lines().any(|found| found == line) {
                return Ok(notification);
            }
            seen.push(notification);
        }
        bail!("no {line} but {seen:?}; the daemon said:\n{}", self.log());
    }

    /// The next notification, if one comes within this time.
    #[must_use]
    pub fn notification(&self, within: Duration) -> Option<String> {
        self.notifications.recv_timeout(within).ok()
    }

    /// Waits until it has reloaded, or has refused to; returns what it said then.
    ///
    /// # Errors
    ///
    /// If it does neither.
    pub fn reloaded(&self) -> Result<String> {
        self.notified_of("RELOADING=1")?;
        self.notified_of("READY=1")
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// If it goes on.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("the daemon does not end; it said:\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(5));
        }
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
