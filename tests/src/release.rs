//! What can be expected of the kernel that runs.

use std::fs;

/// Of a kernel, the first two numbers of its version.
pub type Version = (u32, u32);

/// The first with XDP programs for frames in several buffers, which veth runs from then on, and with
/// live frames, of which floods are made.
pub const FRAGS: Version = (5, 18);

/// The running kernel's.
///
/// # Panics
///
/// If /proc is not there.
#[must_use]
pub fn kernel_version() -> Version {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("procfs");
    let mut numbers = release.split(['.', '-']).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        _ => panic!("`{release}` is no version"),
    }
}
