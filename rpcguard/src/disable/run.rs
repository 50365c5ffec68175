//! Doing steps, and asking commands.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _, Seek as _},
    os::unix::{fs::symlink, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{Pid, Signal, kill_process},
};

use super::{DisableError, Machine, Process, Step};

/// How long a process has to heed SIGTERM, and to be gone after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often to look whether it has.
const INTERVAL: Duration = Duration::from_millis(20);

/// Where administrators' commands are, which `PATH` may lack.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// A command that has ended, and what it said.
pub(super) struct Ran {
    pub(super) status: ExitStatus,
    /// Standard output and standard error, as they came.
    pub(super) said: String,
}

/// Runs a command to its end.
///
/// What it says goes to a file in memory, and not through a pipe: a daemon that it starts may keep its end
/// of a pipe open for as long as it runs.
pub(super) fn command(words: &[String]) -> io::Result<Ran> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut said = File::from(memfd_create("rpcguard", MemfdFlags::CLOEXEC)?);
    let status = prepared(program)
        .args(arguments)
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?)
        .status()?;
    said.rewind()?;
    let mut bytes = Vec::new();
    said.read_to_end(&mut bytes)?;
    Ok(Ran {
        status,
        said: String::from_utf8_lossy(&bytes).trim().to_owned(),
    })
}

/// The answer of a command that only asks.
pub(super) fn ask(words: &[String]) -> Result<String, DisableError> {
    let shown = || words.join(" ");
    let ran = command(words).map_err(|source| DisableError::Ask {
        command: shown(),
        source,
    })?;
    if ran.status.success() {
        Ok(ran.said)
    } else {
        Err(DisableError::Answer {
            command: shown(),
            why: why(&ran),
        })
    }
}

/// A command with nothing to read, that speaks English.
fn prepared(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("PATH", path())
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// `PATH`, and [`SBIN`] after it.
fn path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(SBIN.map(PathBuf::from));
    // Only a directory with a colon in it cannot be joined, and none came from splitting.
    env::join_paths(directories).unwrap_or(path)
}

fn why(ran: &Ran) -> String {
    match ran.said.as_str() {
        "" => ran.status.to_string(),
        said => format!("{} ({said})", ran.status),
    }
}

/// Does a step.
pub(super) fn step(machine: &Machine, step: &Step) -> Result<(), DisableError> {
    try_step(machine, step).map_err(|why| DisableError::Step {
        step: Box::new(step.clone()),
        why,
    })
}

fn try_step(machine: &Machine, step: &Step) -> Result<(), String> {
    let say = |error: io::Error| error.to_string();
    match step {
        Step::Run(words) => {
            let ran = command(words).map_err(say)?;
            if ran.status.success() {
                Ok(())
            } else {
                Err(why(&ran))
            }
        }
        Step::Move { from, to } => move_aside(Path::new(from), Path::new(to)).map_err(say),
        Step::Link { target, path } => match symlink(target, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(say(error)),
            _ => Ok(()),
        },
        Step::End(process) => end(machine, process),
        Step::Start { program, arguments } => prepared(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is not for it.
            .process_group(0)
            .current_dir("/")
            .spawn()
            .map(drop)
            .map_err(say),
    }
}

/// Whatever is not there needs not be moved.
fn move_aside(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn end(machine: &Machine, process: &Process) -> Result<(), String> {
    let runs =
        || Process::read(machine, process.id).is_some_and(|now| now.started == process.started);
    let id = Pid::from_raw(process.id).ok_or("it has no valid number")?;
    for signal in [Signal::TERM, Signal::KILL] {
        if !runs() {
            return Ok(());
        }
        match kill_process(id, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.to_string()),
        }
        let begun = Instant::now();
        while runs() && begun.elapsed() < PATIENCE {
            thread::sleep(INTERVAL);
        }
    }
    if runs() {
        Err("it does not end, not even by SIGKILL".to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Child;

    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_a_failing_command_said_is_passed_on() {
        let step = Step::Run(words(&["sh", "-c", "echo out; echo err >&2; exit 3"]));
        let error = super::step(&Machine::new("/"), &step).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3 (out\nerr)"), "{text}");
        let step = Step::Run(words(&["/nonexistent/command"]));
        let error = super::step(&Machine::new("/"), &step).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }

    #[test]
    fn a_daemon_that_keeps_its_output_open_is_not_waited_for() {
        let begun = Instant::now();
        let ran = command(&words(&["sh", "-c", "sleep 5 & echo started"])).unwrap();
        assert_eq!(ran.said, "started");
        assert!(begun.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_file_that_is_not_there_needs_not_be_moved_and_none_is_linked_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let machine = Machine::new("/");
        let aside = Step::Move {
            from: path("a"),
            to: path("b"),
        };
        super::step(&machine, &aside).unwrap();
        fs::write(path("a"), "text").unwrap();
        super::step(&machine, &aside).unwrap();
        assert_eq!(fs::read_to_string(path("b")).unwrap(), "text");
        let link = Step::Link {
            target: "x".to_owned(),
            path: path("b"),
        };
        super::step(&machine, &link).unwrap();
        assert_eq!(fs::read_to_string(path("b")).unwrap(), "text");
    }

    /// A process that is reaped as soon as it has ended, as one is that is not this program's own.
    fn sleeper(script: &str) -> (Process, thread::JoinHandle<ExitStatus>) {
        let mut child: Child = prepared("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0];
        child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        let process = Process::read(&Machine::new("/"), child.id() as i32).unwrap();
        (process, thread::spawn(move || child.wait().unwrap()))
    }

    #[test]
    fn a_process_ends_by_the_mildest_means() {
        use std::os::unix::process::ExitStatusExt as _;

        let machine = Machine::new("/");
        let (process, status) = sleeper("echo; exec sleep 60");
        let reborn = Process {
            started: process.started + 1,
            ..process.clone()
        };
        end(&machine, &reborn).unwrap();
        assert!(
            Process::read(&machine, process.id).is_some(),
            "its number went to another"
        );
        end(&machine, &process).unwrap();
        assert_eq!(status.join().unwrap().signal(), Some(15));
        end(&machine, &process).unwrap();
    }
}
