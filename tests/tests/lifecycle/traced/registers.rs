//! Letting a system call fail that was never made.

/// Whether calls can be made to fail here.
pub(crate) const CAN_FAIL_CALLS: bool = cfg!(target_arch = "x86_64");

#[cfg(target_arch = "x86_64")]
mod implementation {
    use nix::{errno::Errno, sys::ptrace, unistd::Pid};

    /// Makes the kernel find no call to make.
    pub(crate) fn skip_call(pid: Pid) {
        let mut registers = ptrace::getregs(pid).expect("registers");
        registers.orig_rax = u64::MAX;
        ptrace::setregs(pid, registers).expect("registers can be set");
    }

    /// Makes the call that was skipped return this error.
    pub(crate) fn set_result(pid: Pid, errno: Errno) {
        let mut registers = ptrace::getregs(pid).expect("registers");
        registers.rax = (-i64::from(errno as i32)) as u64;
        ptrace::setregs(pid, registers).expect("registers can be set");
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod implementation {
    use nix::{errno::Errno, unistd::Pid};

    pub(crate) fn skip_call(_: Pid) {
        unreachable!("tests that let calls fail are skipped on this architecture");
    }

    pub(crate) fn set_result(pid: Pid, _: Errno) {
        skip_call(pid);
    }
}

pub(super) use implementation::{set_result, skip_call};
