//! Frames from many sources, for a program that BPF_PROG_TEST_RUN runs on one frame again and again.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use aya::{
    EbpfLoader,
    maps::{Array, ProgramArray},
    programs::Xdp,
};

use super::LabProgram;

/// How many sources a [`Replay`] has. They are used in turn.
pub const REPLAYED_SOURCES: usize = 1 << 18;

/// A program that writes the next source into a frame, and then goes on with the program under test.
///
/// The frame is IPv4 without options or IPv6, behind an Ethernet header.
#[derive(Debug)]
pub struct Replay {
    program: LabProgram,
}

impl Replay {
    /// Goes on with `program`, which is not for frames in several buffers.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn to(program: &Xdp) -> Result<Self> {
        let mut replay = LabProgram::load_with(
            EbpfLoader::new().map_max_entries("REPLAYED_SOURCES", u32::try_from(REPLAYED_SOURCES)?),
            "replay",
        )?;
        let mut next = ProgramArray::try_from(replay.map_mut("REPLAYED_TO")?)?;
        next.set(0, program.fd()?, 0)
            .context("the program cannot be called from another")?;
        Ok(Self { program: replay })
    }

    /// Takes these sources; again from the beginning, if there are not enough of them.
    ///
    /// # Errors
    ///
    /// If there are none, or the map refuses them.
    pub fn set_sources(&mut self, sources: &[IpAddr]) -> Result<()> {
        ensure!(!sources.is_empty(), "no sources to replay a frame from");
        let mut map = Array::<_, [u8; 16]>::try_from(self.program.map_mut("REPLAYED_SOURCES")?)?;
        for (index, source) in (0..REPLAYED_SOURCES).zip(sources.iter().cycle()) {
            let mut bytes = [0; 16];
            match source {
                IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
                IpAddr::V6(address) => bytes = address.octets(),
            }
            map.set(u32::try_from(index)?, bytes, 0)?;
        }
        Ok(())
    }

    /// The program to run.
    ///
    /// # Errors
    ///
    /// If the lab's object has no such program.
    pub fn xdp(&self) -> Result<&Xdp> {
        self.program.xdp()
    }
}
