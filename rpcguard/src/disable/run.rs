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
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal},
};

use super::{DisableError, Machine, Process, Step, process::is_roots_alone, sysv};

/// How long a process has to heed SIGTERM, and to be gone after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a command that only asks may take.
const QUESTION: Duration = Duration::from_secs(10);

/// How long a command that does something may take: systemd gives a unit 90 seconds to stop, and
/// then kills it.
const DOING: Duration = Duration::from_secs(150);

/// No more is kept of what a command says, in bytes.
const MAX_SAID: u64 = 64 << 10;

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

/// Runs a command that only asks to its end.
pub(super) fn question(words: &[String]) -> io::Result<Ran> {
    command(words, QUESTION)
}

/// Runs a command to its end, or kills it with its children when it takes longer than that.
///
/// Its output goes to a file in memory, and not through a pipe: a daemon that it starts may keep
/// its end of a pipe open for as long as it runs.
fn command(words: &[String], patience: Duration) -> io::Result<Ran> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut said = File::from(memfd_create("rpcguard", MemfdFlags::CLOEXEC)?);
    let mut child = prepared(program)
        .args(arguments)
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?)
        .spawn()?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() >= patience {
            if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            // It is reaped if it ends; a process that the kernel holds is not waited for.
            thread::sleep(INTERVAL);
            let _ = child.try_wait();
            let why = format!("it does not end within {patience:?}, and was killed");
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        thread::sleep(Duration::from_millis(2));
    };
    said.rewind()?;
    let mut bytes = Vec::new();
    said.take(MAX_SAID).read_to_end(&mut bytes)?;
    Ok(Ran {
        status,
        said: String::from_utf8_lossy(&bytes).trim().to_owned(),
    })
}

/// The answer of a command that only asks.
pub(super) fn ask(words: &[String]) -> Result<String, DisableError> {
    let shown = || words.join(" ");
    let ran = question(words).map_err(|source| DisableError::Ask {
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

/// A command with nothing to read, that speaks English, and is with its children a group of its
/// own.
fn prepared(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .process_group(0)
        .env("PATH", path())
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// The absolute directories of `PATH`, and [`SBIN`] after them: in the working directory, anybody
/// may have put a command.
fn path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .chain(SBIN.map(PathBuf::from));
    // Only a directory with a colon in it cannot be joined, and none came from splitting.
    env::join_paths(directories).unwrap_or(path)
}

fn why(ran: &Ran) -> String {
    match ran.said.as_str() {
        "" => ran.status.to_string(),
        said => format!("{} ({said})", ran.status),
    }
}

/// Whether an init script is one that root alone can change.
pub(super) fn is_script(machine: &Machine, path: &str) -> bool {
    is_roots_alone(machine, path)
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
            let script = match &words[..] {
                [command, name, ..] if command == "rc-service" => {
                    Some(format!("/{}", sysv::path(name)))
                }
                [path, ..] if path.starts_with('/') => Some(path.clone()),
                _ => None,
            };
            if script.is_some_and(|script| !is_script(machine, &script)) {
                return Err("others than root can change the script".to_owned());
            }
            let ran = command(words, DOING).map_err(say)?;
            if ran.status.success() {
                Ok(())
            } else {
                Err(why(&ran))
            }
        }
        Step::Move { from, to } => move_aside(Path::new(from), Path::new(to)).map_err(say),
        Step::Link { target, .. } if !is_trusted_target(machine, target) => {
            Err(format!("others than root can change {target}"))
        }
        Step::Link { target, path } => match symlink(target, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(say(error)),
            _ => Ok(()),
        },
        Step::End(process) => end(machine, process),
    }
}

/// Whether a link may be made to a file again: nobody else can change it, or put one in its place.
fn is_trusted_target(machine: &Machine, target: &str) -> bool {
    let is_systems = ["/etc/", "/lib/", "/run/systemd/", "/usr/"]
        .iter()
        .any(|directory| target.starts_with(directory));
    is_roots_alone(machine, target) || is_systems && !Path::new(target).exists()
}

/// Whatever is not there needs not be moved.
fn move_aside(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Ends a process. What is signalled is a descriptor of it: its number may be another's at any
/// moment.
fn end(machine: &Machine, process: &Process) -> Result<(), String> {
    let id = Pid::from_raw(process.id).ok_or("it has no valid number")?;
    let descriptor = match pidfd_open(id, PidfdFlags::empty()) {
        Ok(descriptor) => descriptor,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    // As it was when it was found: with the same program, too.
    let runs = || {
        Process::read(machine, process.id)
            .is_some_and(|now| now.is(process) && now.program == process.program)
    };
    for signal in [Signal::TERM, Signal::KILL] {
        if !runs() {
            return Ok(());
        }
        match pidfd_send_signal(&descriptor, signal) {
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
        let step = Step::Run(words(&["nonexistent-command"]));
        let error = super::step(&Machine::new("/"), &step).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }

    #[test]
    fn a_daemon_that_keeps_its_output_open_is_not_waited_for() {
        let begun = Instant::now();
        let ran = question(&words(&["sh", "-c", "sleep 5 & echo started"])).unwrap();
        assert_eq!(ran.said, "started");
        assert!(begun.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_command_that_never_ends_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let alive = directory.path().join("alive");
        let script = format!("(sleep 1; touch {}) & sleep 60", alive.display());
        let begun = Instant::now();
        let ran = command(&words(&["sh", "-c", &script]), Duration::from_millis(200));
        assert_eq!(
            ran.err().map(|error| error.kind()),
            Some(io::ErrorKind::TimedOut)
        );
        assert!(begun.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(1200));
        assert!(!alive.exists());
    }

    #[test]
    fn a_script_that_others_can_change_is_not_run() {
        use std::os::unix::fs::PermissionsExt as _;

        let root = tempfile::tempdir().unwrap();
        let script = root.path().join("rpcbind");
        let ran = root.path().join("ran");
        fs::write(&script, format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o777)).unwrap();
        let step = Step::Run(words(&[&script.display().to_string(), "start"]));
        let error = super::step(&Machine::new("/"), &step).unwrap_err();
        assert!(error.to_string().contains("others than root"), "{error}");
        assert!(!ran.exists());
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
            target: "/etc/systemd/system/nonexistent".to_owned(),
            path: path("b"),
        };
        super::step(&machine, &link).unwrap();
        assert_eq!(fs::read_to_string(path("b")).unwrap(), "text");
        for target in ["/tmp/nonexistent", &path("b")] {
            let link = Step::Link {
                target: target.to_owned(),
                path: path("c"),
            };
            let error = super::step(&machine, &link).unwrap_err();
            assert!(error.to_string().contains("others than root"), "{error}");
        }
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
        let (process, status) = sleeper("echo; sleep 10; :");
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
