//! Loading the BPF object.

use std::path::Path;

use aya::{Ebpf, EbpfLoader, VerifierLogLevel, programs::Xdp};
use rpcguard_common::{
    abi::{State, bloom_log2, constant, hits_len, host_buckets, map, program, sources_len},
    parse::LinkLayer,
};

use super::prefixes::possible_cpus;
use crate::{
    error::{Doing as _, Result},
    object,
};

/// The maps that are pinned and outlive a program. The state comes first, because it says which
/// network namespace a directory of pins belongs to.
pub(super) const MAPS: [&str; 15] = [
    map::STATE,
    map::COUNTERS,
    map::HITS,
    map::PREFIXES_V4,
    map::PREFIXES_V6,
    map::HOSTS_V4,
    map::HOSTS_V6,
    map::BLOOM,
    map::SOURCES,
    map::DESTINATIONS,
    map::ENDS,
    map::EVENTS,
    map::LIMITS,
    map::SIGHTINGS,
    map::STANDINGS,
];

/// Those of them that take 45 MiB, and are of one element each where no rate policy was ever in
/// force.
pub(super) const LIMITER_MAPS: [&str; 3] = [map::SIGHTINGS, map::STANDINGS, map::LIMITS];

/// Those that only guards with long lists have in full size.
pub(super) const LONG_MAPS: [&str; 3] = [map::HOSTS_V4, map::HOSTS_V6, map::BLOOM];

/// How large [those](LONG_MAPS) are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongSizes {
    /// Of which power of two the length of the filter is.
    pub(super) bloom_log2: u32,
    /// The lengths of the tables of hosts, v4 and v6.
    pub(super) hosts: [u32; 2],
}

impl LongSizes {
    /// Where lists are short.
    const NONE: Self = Self {
        bloom_log2: 0,
        hosts: [1; 2],
    };

    /// For so much, v4 and v6.
    pub(super) fn of(keys: u64, hosts: [u64; 2]) -> Self {
        Self {
            bloom_log2: bloom_log2(keys),
            hosts: hosts.map(host_buckets),
        }
    }
}

/// How much the program itself logs, through aya-log. Anything but [`Off`](Self::Off) costs time on
/// every packet to a guarded port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum LogLevel {
    /// Nothing; the verifier removes the code.
    #[default]
    Off = 0,
    /// Dropped packets.
    Info = 3,
    /// Passed packets as well.
    Debug = 4,
}

/// Which of the object's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// For frames in one buffer.
    Linear,
    /// For frames in several buffers (Linux 5.18).
    Frags,
}

impl Variant {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Linear => program::LINEAR,
            Self::Frags => program::FRAGS,
        }
    }
}

/// What to load.
pub(super) struct Loading<'a> {
    /// What frames begin with.
    pub(super) link: LinkLayer,
    pub(super) log: LogLevel,
    /// Whether the rate policy can be put in force.
    pub(super) limiter: bool,
    /// `None` if lists are short.
    pub(super) long: Option<LongSizes>,
    /// The state, and where its map is pinned, to which it is written once more: a loader does that with
    /// global variables.
    pub(super) state: (&'a State, &'a Path),
    /// The other maps to take from a directory of pins, instead of creating them.
    pub(super) pinned: &'a [&'a str],
    /// The directory of pins.
    pub(super) pins: &'a Path,
}

impl Loading<'_> {
    /// Creates or takes the maps and prepares the programs, none of which is in the kernel yet.
    pub(super) fn prepare(&self) -> Result<Ebpf> {
        let ethernet = u8::from(self.link == LinkLayer::Ethernet);
        let limiter = u8::from(self.limiter);
        let long = u8::from(self.long.is_some());
        let LongSizes { bloom_log2, hosts } = self.long.unwrap_or(LongSizes::NONE);
        let [hosts_v4, hosts_v6] = hosts;
        let [mask_v4, mask_v6] = [hosts_v4 - 1, hosts_v6 - 1];
        let level = self.log as u8;
        let logs = u8::from(self.log != LogLevel::Off);
        let cpus = possible_cpus("create the BPF maps")?;
        let (state, pin) = self.state;
        let mut loader = EbpfLoader::new();
        loader
            // The kernel's own types: megabytes to read, and only needed for relocations against
            // them.
            .btf(None)
            // A log is only wanted of a program that failed, and then aya tries again with one.
            .verifier_log_level(VerifierLogLevel::DISABLE)
            .map_max_entries(map::HITS, hits_len(cpus))
            .map_max_entries(map::SOURCES, sources_len(cpus))
            .override_global(constant::ETHERNET, &ethernet, true)
            .override_global(constant::LIMITER, &limiter, true)
            .override_global(constant::LONG, &long, true)
            .map_max_entries(map::BLOOM, 1 << bloom_log2)
            .override_global(constant::BLOOM_LOG2, &bloom_log2, true)
            .map_max_entries(map::HOSTS_V4, hosts_v4)
            .map_max_entries(map::HOSTS_V6, hosts_v6)
            .override_global(constant::HOSTS_V4_MASK, &mask_v4, true)
            .override_global(constant::HOSTS_V6_MASK, &mask_v6, true)
            .override_global(constant::SEED, &state.seed, true)
            .override_global(map::STATE, state, true)
            .map_pin_path(map::STATE_SECTION, pin)
            .override_global(constant::LOG, &logs, true)
            .override_global("AYA_LOG_LEVEL", &level, true);
        if !self.limiter {
            for name in LIMITER_MAPS {
                loader.map_max_entries(name, 1);
            }
        }
        for name in self.pinned {
            loader.map_pin_path(name, self.pins.join(name));
        }
        loader.load(object::bytes()).doing("create the BPF maps")
    }
}

/// Has the verifier check a program, and returns it.
pub(super) fn load(ebpf: &mut Ebpf, variant: Variant) -> Result<&mut Xdp> {
    let failed = format!("load the BPF program `{}`", variant.name());
    let program = ebpf.program_mut(variant.name()).doing(&failed)?;
    let program: &mut Xdp = program.try_into().doing(&failed)?;
    if program.fd().is_err() {
        program.load().doing(&failed)?;
    }
    Ok(program)
}
