//! Runs the command one system call at a time, to interrupt it exactly where it hurts.
#![expect(
    unsafe_code,
    reason = "Command::pre_exec is unsafe to call, and ptrace's answer is a union"
)]

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use aya_obj::generated::bpf_cmd;
use nix::{
    errno::Errno,
    sys::{
        ptrace::{self, Options},
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// What to do instead of a system call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interference {
    /// End the process with `SIGKILL`; the call is not made.
    Kill,
    /// Do not make the call, and let it fail.
    Fail(Errno),
}

/// How a traced command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traced {
    /// How many calls of interest it came to, the one that was interfered with included.
    pub(crate) calls: usize,
    /// Its exit code; `None` if it was killed.
    pub(crate) code: Option<i32>,
}

/// Calls that change something outside the process, and the end.
const CALLS: [i64; 7] = [
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_exit_group,
];

/// bpf(2) commands that change something which others see.
const COMMANDS: [bpf_cmd; 8] = [
    bpf_cmd::BPF_MAP_UPDATE_ELEM,
    bpf_cmd::BPF_MAP_DELETE_ELEM,
    bpf_cmd::BPF_MAP_UPDATE_BATCH,
    bpf_cmd::BPF_MAP_DELETE_BATCH,
    bpf_cmd::BPF_OBJ_PIN,
    bpf_cmd::BPF_LINK_CREATE,
    bpf_cmd::BPF_LINK_UPDATE,
    bpf_cmd::BPF_LINK_DETACH,
];

/// Those that newer architectures do without.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: [i64; 4] = [
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: [i64; 0] = [];

/// Runs a command to its end, and interferes with the call of this number, from zero, if it comes
/// to that.
#[expect(clippy::zombie_processes, reason = "waitpid sees its end")]
pub(crate) fn run(command: &mut Command, at: Option<(usize, Interference)>) -> Traced {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: ptrace(2) is one system call.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let mut child = command.spawn().expect("the command can be run");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let stopped = waitpid(pid, None).expect("the command stops at its beginning");
    assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    ptrace::setoptions(
        pid,
        Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACESYSGOOD,
    )
    .expect("the command can be traced");

    let mut calls = 0;
    let mut signal = None;
    let mut failing = None;
    loop {
        ptrace::syscall(pid, signal.take()).expect("the command goes on");
        match waitpid(pid, None).expect("the command can be waited for") {
            WaitStatus::PtraceSyscall(_) => match at_call(pid) {
                Stop::Entry { number, first } if is_of_interest(number, first) => {
                    if let Some((at, interference)) = at
                        && at == calls
                    {
                        match interference {
                            Interference::Kill => {
                                child.kill().expect("the command can be killed");
                                child.wait().expect("the command can be waited for");
                                return Traced {
                                    calls: calls + 1,
                                    code: None,
                                };
                            }
                            Interference::Fail(errno) => {
                                registers::skip_call(pid);
                                failing = Some(errno);
                            }
                        }
                    }
                    calls += 1;
                }
                Stop::Exit => {
                    if let Some(errno) = failing.take() {
                        registers::set_result(pid, errno);
                    }
                }
                Stop::Entry { .. } => {}
            },
            WaitStatus::Stopped(_, other) => signal = Some(other),
            WaitStatus::Exited(_, code) => {
                return Traced {
                    calls,
                    code: Some(code),
                };
            }
            other => panic!("the command ended unexpectedly: {other:?}"),
        }
    }
}

/// Where a process stopped.
enum Stop {
    /// Before a system call of this number, with this first argument.
    Entry { number: i64, first: u64 },
    /// After one.
    Exit,
}

fn at_call(pid: Pid) -> Stop {
    let info = ptrace::syscall_info(pid).expect("the kernel tells the system call (Linux 5.3)");
    if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
        // SAFETY: `op` says that this is the part of the union in use.
        let entry = unsafe { info.u.entry };
        Stop::Entry {
            number: entry.nr as i64,
            first: entry.args[0],
        }
    } else {
        Stop::Exit
    }
}

fn is_of_interest(number: i64, first: u64) -> bool {
    if number == libc::SYS_bpf {
        return COMMANDS.iter().any(|command| *command as u64 == first);
    }
    CALLS.contains(&number) || OLD_CALLS.contains(&number)
}

/// Whether calls can be made to fail here.
pub(crate) const CAN_FAIL_CALLS: bool = cfg!(target_arch = "x86_64");

#[cfg(target_arch = "x86_64")]
mod registers {
    use super::{Errno, Pid, ptrace};

    /// Makes the kernel find no call to make.
    pub(super) fn skip_call(pid: Pid) {
        let mut registers = ptrace::getregs(pid).expect("registers");
        registers.orig_rax = u64::MAX;
        ptrace::setregs(pid, registers).expect("registers can be set");
    }

    /// Makes the call that was skipped return this error.
    pub(super) fn set_result(pid: Pid, errno: Errno) {
        let mut registers = ptrace::getregs(pid).expect("registers");
        registers.rax = (-i64::from(errno as i32)) as u64;
        ptrace::setregs(pid, registers).expect("registers can be set");
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod registers {
    use super::{Errno, Pid};

    pub(super) fn skip_call(_: Pid) {
        unreachable!("tests that let calls fail are skipped on this architecture");
    }

    pub(super) fn set_result(pid: Pid, _: Errno) {
        skip_call(pid);
    }
}
