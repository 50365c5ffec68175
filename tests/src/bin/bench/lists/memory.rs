//! Memory of the kernel's.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya::maps::MapData;

use crate::guarded::{Guarded, pins};

/// Where the kernel keeps elements of sets and nodes of tries, and tables of them.
const KINDS: [&str; 3] = ["Slab:", "VmallocUsed:", "Percpu:"];

/// The kernel gives memory back some time after it was freed: all of it, once less than this changes...
const STEADY_MEBIBYTES: f64 = 0.5;
/// ...in this time.
const STEADY_TIME: Duration = Duration::from_millis(100);
/// On a busy machine, it may never be so.
const ATTEMPTS: usize = 30;

/// What is pinned with the maps of a guard.
const NO_MAPS: [&str; 2] = ["link", "program"];

/// What the kernel uses for structures of its own, in MiB, once that does not change any more. Whatever
/// else runs on the machine changes it too.
pub(super) fn of_kernel() -> Result<f64> {
    let mut last = of_kernel_now()?;
    for _ in 0..ATTEMPTS {
        thread::sleep(STEADY_TIME);
        let now = of_kernel_now()?;
        if (last - now).abs() < STEADY_MEBIBYTES {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}

fn of_kernel_now() -> Result<f64> {
    let meminfo = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let kib = meminfo
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            KINDS.contains(&words.next()?).then_some(())?;
            words.next()?.parse::<f64>().ok()
        })
        .sum::<f64>();
    Ok(kib / 1024.0)
}

/// What the kernel says that a guard's maps take, in MiB. Of a trie, it leaves out the nodes between
/// prefixes.
pub(super) fn of_maps(guarded: &Guarded) -> Result<f64> {
    guarded.host.enter(|| {
        let directory = pins()?;
        let mut bytes = 0;
        for entry in fs::read_dir(&directory)? {
            let pin = entry?;
            if !NO_MAPS.iter().any(|name| pin.file_name() == *name) {
                bytes += memlock(&MapData::from_pin(pin.path())?)?;
            }
        }
        Ok(bytes as f64 / f64::from(1 << 20))
    })
}

fn memlock(map: &MapData) -> Result<u64> {
    let fdinfo = fs::read_to_string(format!(
        "/proc/self/fdinfo/{}",
        map.fd().as_fd().as_raw_fd()
    ))?;
    let memlock = fdinfo
        .lines()
        .find_map(|line| line.strip_prefix("memlock:"));
    let memlock = memlock.context("the kernel does not tell the memory of a map")?;
    Ok(memlock.trim().parse()?)
}
