//! What this process and the filters use.

use std::{
    fmt, fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use anyhow::{Result, ensure};
use aya::maps::MapData;
use rpcguard_tests::{kernel_file::number, site::Objects};

use crate::town::Town;

/// By how many kibibytes the process may grow: allocators keep some of what they are given back.
const LEEWAY: u64 = 8 << 10;

/// What is in use at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Resources {
    /// Kibibytes of memory of this process, which holds readers open.
    resident: u64,
    /// File descriptors of this process.
    descriptors: usize,
    /// The filters' maps, programs and links.
    objects: Objects,
    /// Bytes of memory of the filters' maps, as the kernel has it.
    maps: u64,
    /// Kibibytes of the kernel's own memory, whoever uses it.
    slab: u64,
    /// Kibibytes of the kernel's memory per CPU, whoever uses it.
    per_cpu: u64,
}

impl Resources {
    /// Takes stock, while nothing is being changed.
    pub(crate) fn take(town: &Town, filters: usize) -> Result<Self> {
        let objects = town.site.lab.objects_of(filters);
        let maps: Result<Vec<u64>> = objects.maps.iter().map(|id| map_memory(*id)).collect();
        Ok(Self {
            resident: number("/proc/self/status", "VmRSS:")?,
            descriptors: fs::read_dir("/proc/self/fd")?.count(),
            maps: maps?.into_iter().sum(),
            objects,
            slab: number("/proc/meminfo", "Slab:")?,
            per_cpu: number("/proc/meminfo", "Percpu:")?,
        })
    }

    /// Asserts that no more is in use than before, but for what others may have to do with.
    pub(crate) fn check(&self, before: &Self) -> Result<()> {
        ensure!(
            self.resident <= before.resident + LEEWAY,
            "this process has grown from {} to {} KiB",
            before.resident,
            self.resident
        );
        ensure!(
            self.descriptors <= before.descriptors,
            "this process had {} file descriptors and has {}",
            before.descriptors,
            self.descriptors
        );
        ensure!(
            self.objects.counts() == before.objects.counts(),
            "there were {:?} and are {:?}",
            before.objects,
            self.objects
        );
        ensure!(
            self.maps == before.maps,
            "the maps took {} bytes and take {}",
            before.maps,
            self.maps
        );
        Ok(())
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [maps, programs, links] = self.objects.counts();
        write!(
            f,
            "{} KiB, {} fds; {maps} maps ({} KiB), {programs} programs, {links} links; kernel {} KiB \
             slab, {} KiB per CPU",
            self.resident,
            self.descriptors,
            self.maps >> 10,
            self.slab,
            self.per_cpu
        )
    }
}

/// Bytes of a map's memory.
fn map_memory(id: u32) -> Result<u64> {
    let map = MapData::from_id(id)?;
    let path = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
    number(&path, "memlock:")
}
