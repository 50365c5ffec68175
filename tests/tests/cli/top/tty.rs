//! A terminal of its own for a command, whose other end is in the test's hands.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    pty::{OpenptyResult, Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::machine::Machine;

/// How long anything may take that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command on a terminal.
pub(super) struct Tty<'a> {
    machine: &'a Machine,
    /// Where keys are typed; the end of it is the end of the line.
    keyboard: File,
    device: OwnedFd,
    settings: String,
    shown: Arc<Shown>,
    child: Child,
}

/// What has been written to the terminal.
#[derive(Default)]
struct Shown {
    text: Mutex<Vec<u8>>,
    more: Condvar,
}

impl<'a> Tty<'a> {
    /// Runs `rpcguard` on a terminal of this many columns and rows.
    pub(super) fn run(machine: &'a Machine, arguments: &str, (columns, rows): (u16, u16)) -> Self {
        Self::with(machine, arguments, (columns, rows), |_| {})
    }

    /// As [`Self::run`], in an environment of its own.
    pub(super) fn with(
        machine: &'a Machine,
        arguments: &str,
        (columns, rows): (u16, u16),
        environment: impl FnOnce(&mut Command),
    ) -> Self {
        let size = Winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let settings = stty(machine, &slave, &["-g"]);
        let end = || slave.try_clone().unwrap();
        let mut command = machine.wrapped(&["setsid", "--ctty"], arguments);
        command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR");
        environment(&mut command);
        let child = command.spawn().unwrap();
        let keyboard = File::from(master);
        let shown = Arc::<Shown>::default();
        let (screen, log) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || log.keep(screen));
        Self {
            machine,
            keyboard,
            device: slave,
            settings,
            shown,
            child,
        }
    }

    /// How much has been written so far.
    pub(super) fn mark(&self) -> usize {
        self.shown.text.lock().unwrap().len()
    }

    /// Waits until these words are written after a mark, and returns all that is.
    #[track_caller]
    pub(super) fn wait_for(&self, mark: usize, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.shown.text.lock().unwrap();
        loop {
            let written = String::from_utf8_lossy(&text[mark..]).into_owned();
            if written.contains(words) {
                return written;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no `{words}` in {written:?}");
            text = self.shown.more.wait_timeout(text, left).unwrap().0;
        }
    }

    /// Types keys.
    pub(super) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Makes the terminal this large.
    pub(super) fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        stty(self.machine, &self.device, &["cols", &columns, "rows", &rows]);
    }

    /// Sends the command a signal.
    pub(super) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the command to end, and asserts that the terminal is as it was.
    #[track_caller]
    pub(super) fn ended(mut self) -> Ended {
        const LEAVE: &str = "\x1b[?1049l";
        const SHOW_CURSOR: &str = "\x1b[?25h";
        let status = self.child.wait().unwrap();
        let written = self.wait_for(0, LEAVE);
        let (_, after) = written.rsplit_once(LEAVE).unwrap();
        assert!(!after.contains("\x1b[?1049h"), "{after:?}");
        let shown = self.wait_for(written.len() - after.len(), SHOW_CURSOR);
        let settings = stty(self.machine, &self.device, &["-g"]);
        assert_eq!(settings, self.settings, "the terminal's settings");
        Ended {
            status,
            said: shown,
        }
    }

    /// Pulls the plug, and waits for the command to end.
    pub(super) fn hang_up(mut self) -> ExitStatus {
        // The thread that reads has the other descriptor, until there is nothing to read any more.
        drop(self.keyboard);
        self.shown.hang_up();
        self.child.wait().unwrap()
    }
}

/// A command that has given its terminal back.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// What was written to the terminal since.
    pub(super) said: String,
}

impl Shown {
    fn keep(&self, mut screen: File) {
        let mut buffer = [0; 4096];
        // An error is the end of the other side.
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            self.text.lock().unwrap().extend(&buffer[..length]);
            self.more.notify_all();
        }
    }
}

/// Runs stty on a terminal.
fn stty(machine: &Machine, device: &OwnedFd, arguments: &[&str]) -> String {
    let mut command = machine.host().command("stty");
    command.args(arguments).stdin(device.try_clone().unwrap());
    rpcguard_tests::lab::Finished::wait_for(&mut command)
        .succeeded()
        .stdout
}
