//! Programs that ran to their end, above all rpcguard itself.

use std::{
    env, fmt, io,
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A program that has ended, and what it said.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The command line.
    pub command: String,
    /// The exit code; `None` after a signal, or if the time limit passed.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Runs a command, however long it takes.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn wait_for(command: &mut Command) -> Self {
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)));
        Self::new(command, &output)
    }

    /// Runs a command that prints no more than a pipe holds, and kills it after `limit`.
    ///
    /// # Panics
    ///
    /// If it cannot be started or waited for.
    #[must_use]
    pub fn wait_at_most(command: &mut Command, limit: Duration) -> Self {
        run_at_most(command, limit)
            .map(|output| Self::new(command, &output))
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", line(command)))
    }

    fn new(command: &Command, output: &Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            command: line(command),
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Whether it exited with zero.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// Asserts that it exited with zero.
    ///
    /// # Panics
    ///
    /// If it did not, with all that it said.
    #[track_caller]
    #[must_use]
    pub fn succeeded(self) -> Self {
        self.exited_with(0)
    }

    /// Asserts the exit code.
    ///
    /// # Panics
    ///
    /// If it is another, with all that the program said.
    #[track_caller]
    #[must_use]
    pub fn exited_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "unexpected exit code of {self}");
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}) from {self}"))
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            command,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "`{command}`\nexit code: {code:?}\nstdout: {stdout}\nstderr: {stderr}"
        )
    }
}

fn run_at_most(command: &mut Command, limit: Duration) -> io::Result<Output> {
    let deadline = Instant::now() + limit;
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    while child.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            child.kill()?;
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output()
}

fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where the rpcguard binary is: `RPCGUARD_BIN`, or beside the test that runs, in the target
/// directory of the same profile.
///
/// # Panics
///
/// If it is not built.
#[must_use]
pub fn rpcguard_binary() -> PathBuf {
    if let Some(path) = env::var_os("RPCGUARD_BIN") {
        return path.into();
    }
    let this = env::current_exe().expect("a process has an executable");
    // target/<profile>/demo, or target/<profile>/deps/<test>-<hash>.
    this.ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join("rpcguard"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no rpcguard binary near {}: run `cargo build -p rpcguard` with the same profile, \
                 or name one in RPCGUARD_BIN",
                this.display()
            )
        })
}
