//! Waiting for packets that are under way.
#![expect(unsafe_code, reason = "membarrier(2)")]

use std::{thread, time::Duration};

/// Longer than any packet is looked at.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

/// Waits until every packet that BPF programs are looking at now is decided about.
///
/// Programs run inside read-side sections of RCU, and the global memory barrier waits for all of
/// those: some 20 ms.
pub(crate) fn wait_for_those_under_way() {
    let (command, flags, cpu) = (libc::MEMBARRIER_CMD_GLOBAL, 0, 0);
    // SAFETY: this command only takes time.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, command, flags, cpu) };
    if result != 0 {
        // Refused where CPUs run without a timer tick (nohz_full).
        thread::sleep(LONG_ENOUGH);
    }
}
