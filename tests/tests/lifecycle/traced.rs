//! Runs the command one system call at a time, to interrupt it exactly where it hurts.
//!
//! The command is the very one that is shipped: nothing is compiled in for this.
#![expect(
    unsafe_code,
    reason = "Command::pre_exec is unsafe to call, and ptrace's answer is a union"
)]

mod calls;
mod registers;

use std::{
    fs,
    io::{Read as _, Seek as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use nix::{
    errno::Errno,
    sys::{
        ptrace::{self, Options},
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use calls::NetlinkSockets;
pub(crate) use calls::{Call, Calls};
pub(crate) use registers::{CAN_FAIL_CALLS, CAN_WATCH};

/// What to do about a system call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interference {
    /// End the process with `SIGKILL`; the call is not made.
    KillBefore,
    /// End the process with `SIGKILL` when the call is done, before another instruction.
    KillAfter,
    /// When the call is done, let the process go on until it has stored something at this offset of a
    /// BPF map that it has mapped, and end it with `SIGKILL` before another instruction.
    KillAtStore(usize),
    /// Do not make the call, and let it fail.
    Fail(Errno),
}

/// How a traced command ended.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    /// The calls of interest that it came to, the one that was interfered with included.
    pub(crate) calls: Vec<Call>,
    /// Its exit code; `None` if it was killed.
    pub(crate) code: Option<i32>,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// Runs a command to its end, and interferes with the call of this number among those of interest,
/// from zero, if it comes to that.
pub(crate) fn run(
    command: &mut Command,
    interest: Calls,
    at: Option<(usize, Interference)>,
) -> Traced {
    let mut stderr = tempfile::tempfile().expect("a temporary file");
    let copy = stderr.try_clone().expect("a file descriptor");
    command.stdout(Stdio::null()).stderr(copy);
    let mut child = start(command);
    let mut calls = Vec::new();
    let code = follow(&mut child, interest, at, &mut calls);
    stderr.rewind().expect("a file can be read again");
    let mut said = Vec::new();
    stderr.read_to_end(&mut said).expect("what it said");
    Traced {
        calls,
        code,
        stderr: String::from_utf8_lossy(&said).into_owned(),
    }
}

/// Starts a command, which stops before its first instruction.
fn start(command: &mut Command) -> Child {
    // SAFETY: ptrace(2) is one system call.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let child = command.spawn().expect("the command can be run");
    let pid = pid(&child);
    let stopped = waitpid(pid, None).expect("the command stops at its beginning");
    assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    ptrace::setoptions(
        pid,
        Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACESYSGOOD,
    )
    .expect("the command can be traced");
    child
}

/// Lets it run from call to call; returns its exit code, or `None` if it was killed.
fn follow(
    child: &mut Child,
    interest: Calls,
    at: Option<(usize, Interference)>,
    calls: &mut Vec<Call>,
) -> Option<i32> {
    let pid = pid(child);
    let mut sockets = NetlinkSockets::default();
    let mut signal = None;
    // The call that the process is in, and what to do when it is done.
    let mut current = None;
    let mut afterwards = None;
    loop {
        ptrace::syscall(pid, signal.take()).expect("the command goes on");
        match waitpid(pid, None).expect("the command can be waited for") {
            WaitStatus::PtraceSyscall(_) => match at_call(pid) {
                Stop::Entry(call) => {
                    if interest.include(call, &sockets) {
                        let due = at.filter(|(number, _)| *number == calls.len());
                        afterwards = due.map(|(_, interference)| interference);
                        calls.push(call);
                    }
                    match afterwards {
                        Some(Interference::KillBefore) => {
                            kill(child);
                            return None;
                        }
                        Some(Interference::Fail(_)) => registers::skip_call(pid),
                        _ => {}
                    }
                    current = Some(call);
                }
                Stop::Exit { result } => {
                    if let Some(call) = current.take() {
                        sockets.note(call, result);
                    }
                    match afterwards.take() {
                        Some(Interference::Fail(errno)) => registers::set_result(pid, errno),
                        Some(Interference::KillAfter) => {
                            kill(child);
                            return None;
                        }
                        Some(Interference::KillAtStore(offset)) => {
                            run_to_store(pid, offset);
                            kill(child);
                            return None;
                        }
                        _ => {}
                    }
                }
            },
            WaitStatus::Stopped(_, other) => signal = Some(other),
            WaitStatus::Exited(_, code) => return Some(code),
            other => panic!("the command ended unexpectedly: {other:?}"),
        }
    }
}

fn run_to_store(pid: Pid, offset: usize) {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("its mappings");
    let addresses: Vec<u64> = maps
        .lines()
        .filter(|line| line.contains("bpf-map"))
        .filter_map(|line| u64::from_str_radix(line.split('-').next()?, 16).ok())
        .map(|start| start + offset as u64)
        .collect();
    registers::watch(pid, &addresses);
    ptrace::cont(pid, None).expect("the command goes on");
    let stopped = waitpid(pid, None).expect("the command can be waited for");
    assert!(
        matches!(stopped, WaitStatus::Stopped(_, Signal::SIGTRAP)),
        "it stores nothing there ({addresses:x?}): {stopped:?}"
    );
}

fn kill(child: &mut Child) {
    child.kill().expect("the command can be killed");
    child.wait().expect("the command can be waited for");
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id"))
}

/// Where a process stopped.
enum Stop {
    Entry(Call),
    Exit { result: i64 },
}

fn at_call(pid: Pid) -> Stop {
    let info = ptrace::syscall_info(pid).expect("the kernel tells the system call (Linux 5.3)");
    if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
        // SAFETY: `op` says that this is the part of the union in use.
        let entry = unsafe { info.u.entry };
        Stop::Entry(Call {
            number: entry.nr as i64,
            first: entry.args[0],
        })
    } else {
        // SAFETY: as above; a process that stops at system calls only stops at their two ends.
        let exit = unsafe { info.u.exit };
        Stop::Exit { result: exit.sval }
    }
}
