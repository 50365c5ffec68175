//! The lab's own BPF programs.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, PerCpuArray, PerCpuValues},
    programs::{Xdp, XdpMode, xdp::XdpLinkId},
};
use rpcguard_common::abi::Counter;

use super::Host;

/// The object that holds them.
pub(super) fn object() -> &'static [u8] {
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/lab.bpf.o"))
}

/// A program that does one thing, loaded; attached until this value goes, if it was.
#[derive(Debug)]
pub struct LabProgram {
    ebpf: Ebpf,
    name: &'static str,
}

impl LabProgram {
    /// Returns `XDP_PASS`.
    pub const PASS: &'static str = "pass";
    /// Returns `XDP_DROP`.
    pub const DROP: &'static str = "drop";
    /// Returns `XDP_DROP` for UDP over IPv4, and `XDP_PASS` for all else.
    pub const DROP_UDP: &'static str = "drop_udp";
    /// Counts and drops what comes from UDP port 111.
    const COUNT_REFLECTIONS: &'static str = "count_reflections";

    /// Loads the program of this name.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn load(name: &'static str) -> Result<Self> {
        Self::load_with(&mut EbpfLoader::new(), name)
    }

    /// As [`Self::load`], with the loader's constants.
    pub(super) fn load_with(loader: &mut EbpfLoader<'_>, name: &'static str) -> Result<Self> {
        let ebpf = loader
            .load(object())
            .context("cannot load the lab's BPF object")?;
        let mut program = Self { ebpf, name };
        program
            .xdp_mut()?
            .load()
            .with_context(|| format!("cannot load the lab's BPF program {name}"))?;
        Ok(program)
    }

    /// Attaches it to an interface in native mode.
    ///
    /// # Errors
    ///
    /// If there is no such interface, or something is attached already.
    pub fn attach(&mut self, host: &Host, interface: &str) -> Result<XdpLinkId> {
        let name = self.name;
        let program = self.xdp_mut()?;
        host.enter(|| program.attach(interface, XdpMode::Driver))
            .with_context(|| format!("cannot attach {name} to {interface}"))
    }

    /// Detaches it again.
    ///
    /// # Errors
    ///
    /// If the interface is gone.
    pub fn detach(&mut self, link: XdpLinkId) -> Result<()> {
        let name = self.name;
        self.xdp_mut()?
            .detach(link)
            .with_context(|| format!("cannot detach {name}"))
    }

    /// One of the object's maps.
    pub(super) fn map_mut(&mut self, name: &str) -> Result<&mut Map> {
        let map = self.ebpf.map_mut(name);
        map.with_context(|| format!("the lab has no map {name}"))
    }

    /// The loaded program, for BPF_PROG_TEST_RUN.
    ///
    /// # Errors
    ///
    /// If the object has no program of its name.
    pub fn xdp(&self) -> Result<&Xdp> {
        let program = self.ebpf.program(self.name);
        program
            .and_then(|program| program.try_into().ok())
            .with_context(|| format!("the lab has no XDP program {}", self.name))
    }

    /// The loaded program, for attaching it without leaving it attached.
    ///
    /// # Errors
    ///
    /// As [`Self::xdp`].
    pub fn xdp_mut(&mut self) -> Result<&mut Xdp> {
        let program = self.ebpf.program_mut(self.name);
        program
            .and_then(|program| program.try_into().ok())
            .with_context(|| format!("the lab has no XDP program {}", self.name))
    }
}

/// Stands where the victims of a reflection attack are, and counts what hits them: UDP from port
/// 111. Those packets go no further.
#[derive(Debug)]
pub struct ReflectionCounter {
    program: LabProgram,
}

impl ReflectionCounter {
    /// Counts what arrives at an interface.
    ///
    /// # Errors
    ///
    /// As [`LabProgram::attach`].
    pub fn attach(host: &Host, interface: &str) -> Result<Self> {
        let mut program = LabProgram::load(LabProgram::COUNT_REFLECTIONS)?;
        program.attach(host, interface)?;
        Ok(Self { program })
    }

    /// Frames and their bytes, since it was attached.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn read(&self) -> Result<Counter> {
        let map = self.program.ebpf.map("REFLECTIONS");
        let map = PerCpuArray::<_, Counter>::try_from(map.context("no map of reflections")?)?;
        let values: PerCpuValues<Counter> = map.get(&0, 0)?;
        Ok(values.iter().fold(Counter::default(), |sum, cpu| Counter {
            packets: sum.packets + cpu.packets,
            bytes: sum.bytes + cpu.bytes,
        }))
    }
}
