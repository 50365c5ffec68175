//! A terminal of its own for a command, whose other end is in the test's hands.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    process::{Child, Command, ExitStatus},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::machine::Machine;

/// How long anything may take that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command on a terminal.
pub(crate) struct Tty<'a> {
    machine: &'a Machine,
    /// Where keys are typed.
    keyboard: File,
    device: File,
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
    pub(crate) fn run(machine: &'a Machine, arguments: &str, size: (u16, u16)) -> Self {
        Self::with(machine, arguments, size, |_| {})
    }

    /// As [`Self::run`], in an environment of its own.
    pub(crate) fn with(
        machine: &'a Machine,
        arguments: &str,
        size: (u16, u16),
        environment: impl FnOnce(&mut Command),
    ) -> Self {
        let (keyboard, device) = terminal().unwrap();
        set_size(machine, &device, size);
        let settings = stty(machine, &device, &["-g"]);
        let end = || device.try_clone().unwrap();
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
        let shown = Arc::<Shown>::default();
        let (screen, log) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        thread::spawn(move || log.keep(screen));
        Self {
            machine,
            keyboard,
            device,
            settings,
            shown,
            child,
        }
    }

    /// How much has been written so far.
    pub(crate) fn mark(&self) -> usize {
        self.shown.text.lock().unwrap().len()
    }

    /// Waits until these words are written after a mark, and returns all that is.
    #[track_caller]
    pub(crate) fn wait_for(&self, mark: usize, words: &str) -> String {
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
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Makes the terminal this large.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        stty(
            self.machine,
            &self.device,
            &["cols", &columns, "rows", &rows],
        );
    }

    /// Sends the command a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Whether the command has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the command to end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits for the command to end, and asserts that it left the terminal as it was before it said
    /// its last words.
    #[track_caller]
    pub(crate) fn ended_saying(mut self, words: &str) -> ExitStatus {
        const LEAVE: &str = "\x1b[?1049l";
        const SHOW_CURSOR: &str = "\x1b[?25h";
        let status = self.child.wait().unwrap();
        let written = self.wait_for(0, LEAVE);
        let mark = written.find(LEAVE).unwrap();
        let rest = self.wait_for(mark, words);
        assert!(rest.contains(SHOW_CURSOR), "{rest:?}");
        assert!(!rest.contains("\x1b[?1049h"), "{rest:?}");
        let settings = stty(self.machine, &self.device, &["-g"]);
        assert_eq!(settings, self.settings, "the terminal's settings");
        status
    }
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

/// A new terminal: the end in the test's hands, and the command's.
fn terminal() -> nix::Result<(File, File)> {
    // Not openpty, whose descriptors the commands of other tests would inherit.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let keyboard = posix_openpt(flags)?;
    grantpt(&keyboard)?;
    unlockpt(&keyboard)?;
    let device = File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(ptsname_r(&keyboard)?)
        .expect("the other end of a terminal");
    Ok((File::from(OwnedFd::from(keyboard)), device))
}

fn set_size(machine: &Machine, device: &File, (columns, rows): (u16, u16)) {
    let (columns, rows) = (columns.to_string(), rows.to_string());
    stty(machine, device, &["cols", &columns, "rows", &rows]);
}

/// Runs stty on a terminal.
fn stty(machine: &Machine, device: &File, arguments: &[&str]) -> String {
    let mut command = machine.host().command("stty");
    command.args(arguments).stdin(device.try_clone().unwrap());
    rpcguard_tests::lab::Finished::wait_for(&mut command)
        .succeeded()
        .stdout
}
