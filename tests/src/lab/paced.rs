//! Frames of which none is lost on the way, so that what arrives can be counted to the last one.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{Host, PacketSocket};

/// How many frames can be on a virtual wire at once, with room to spare: its ring has 256 places.
pub const MAX_BURST: usize = 128;

/// How long frames may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// A virtual wire that is never given more than it holds: the next burst waits until the far end has
/// seen the last one.
#[derive(Debug)]
pub struct PacedWire {
    socket: PacketSocket,
    arrived: File,
}

impl PacedWire {
    /// Opens the wire from one host's interface to another's.
    ///
    /// # Errors
    ///
    /// If there are no such interfaces.
    pub fn open(from: (&Host, &str), to: (&Host, &str)) -> Result<Self> {
        let path = format!("/sys/class/net/{}/statistics/rx_packets", to.1);
        let arrived = to.0.enter(|| File::open(&path));
        Ok(Self {
            socket: PacketSocket::open(from.0, from.1)?,
            arrived: arrived.with_context(|| format!("cannot open {path} in a host of the lab"))?,
        })
    }

    /// Sends each of these frames, and waits until as many have arrived: then they have been dropped
    /// or handed on.
    ///
    /// # Errors
    ///
    /// If a frame cannot be sent, or does not arrive.
    pub fn send<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        let mut frames = frames.into_iter().peekable();
        while frames.peek().is_some() {
            let before = self.arrived()?;
            let mut sent = 0;
            for frame in frames.by_ref().take(MAX_BURST) {
                self.socket.send(frame)?;
                sent += 1;
            }
            self.await_arrivals(before, sent)?;
        }
        Ok(())
    }

    fn await_arrivals(&self, before: u64, sent: u64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let arrived = self.arrived()? - before;
            if arrived >= sent {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("of {sent} frames, only {arrived} arrived within {PATIENCE:?}");
            }
            std::thread::yield_now();
        }
    }

    fn arrived(&self) -> Result<u64> {
        let mut text = [0; 32];
        let length = self.arrived.read_at(&mut text, 0)?;
        let text = str::from_utf8(&text[..length])?;
        text.trim().parse().context("a counter is no number")
    }
}
