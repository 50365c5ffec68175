//! What is done by way of the processor's registers: letting a system call fail that was never made,
//! and stopping at a store to memory.

/// Whether calls can be made to fail here.
pub(crate) const CAN_FAIL_CALLS: bool = cfg!(target_arch = "x86_64");

/// Whether stores to memory can be watched here.
pub(crate) const CAN_WATCH: bool = cfg!(target_arch = "x86_64");

#[cfg(target_arch = "x86_64")]
mod implementation {
    use std::mem::offset_of;

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

    /// Stops the process after its next store to one of these words of four bytes, of which there are
    /// at most four.
    pub(crate) fn watch(pid: Pid, addresses: &[u64]) {
        // Intel's manual, volume 3, 18.2: breakpoint registers, and how each is used, in DR7.
        const CONTROL: usize = 7;
        const WRITES_OF_FOUR_BYTES: u64 = 0b1101;
        let set = |register: usize, value: u64| {
            let offset = offset_of!(libc::user, u_debugreg) + 8 * register;
            ptrace::write_user(pid, offset as *mut _, value as i64)
                .expect("a debug register can be set");
        };
        let mut control = 0;
        for (register, address) in addresses.iter().enumerate() {
            set(register, *address);
            control |= 1 << (2 * register) | WRITES_OF_FOUR_BYTES << (16 + 4 * register);
        }
        set(CONTROL, control);
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

    pub(crate) fn watch(_: Pid, _: &[u64]) {
        unreachable!("tests that watch stores are skipped on this architecture");
    }
}

pub(super) use implementation::{set_result, skip_call, watch};
