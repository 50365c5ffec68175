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

/// What is given back is given back a little later.
const SETTLED: Duration = Duration::from_millis(100);

/// What the kernel uses for structures of its own, in MiB. Whatever else runs on the machine changes it too.
pub(super) fn of_kernel() -> Result<f64> {
    thread::sleep(SETTLED);
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
            // The link and the program are no maps.
            if let Ok(map) = MapData::from_pin(entry?.path()) {
                bytes += memlock(&map)?;
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
