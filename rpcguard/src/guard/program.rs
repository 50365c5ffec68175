//! Loading the BPF object.

use std::path::Path;

use aya::{Ebpf, EbpfLoader, VerifierLogLevel, programs::Xdp};
use rpcguard_common::{
    abi::{constant, hits_len, map, program},
    parse::LinkLayer,
};

use super::prefixes::possible_cpus;
use crate::{
    error::{Doing as _, Result},
    object,
};

/// The maps that are pinned and outlive a program. The state comes first, because it says which
/// network namespace a directory of pins belongs to.
pub(super) const MAPS: [&str; 5] = [
    map::STATE,
    map::COUNTERS,
    map::HITS,
    map::PREFIXES_V4,
    map::PREFIXES_V6,
];

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

/// Creates the maps (or takes the pinned ones from `pins`) and prepares the programs, none of which
/// is in the kernel yet.
pub(super) fn prepare(link: LinkLayer, log: LogLevel, pins: Option<&Path>) -> Result<Ebpf> {
    let ethernet = u8::from(link == LinkLayer::Ethernet);
    let level = log as u8;
    let hits_len = hits_len(possible_cpus("create the BPF maps")?);
    let mut loader = EbpfLoader::new();
    loader
        // The kernel's own types: megabytes to read, and only needed for relocations against them.
        .btf(None)
        // A log is only wanted of a program that failed, and then aya tries again with one.
        .verifier_log_level(VerifierLogLevel::DISABLE)
        .map_max_entries(map::HITS, hits_len)
        .override_global(constant::ETHERNET, &ethernet, true)
        .override_global("AYA_LOG_LEVEL", &level, true);
    if let Some(pins) = pins {
        for name in MAPS {
            loader.map_pin_path(name, pins.join(name));
        }
    }
    loader.load(object::bytes()).doing("create the BPF maps")
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
