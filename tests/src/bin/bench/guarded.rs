//! A host that the rpcguard command guards.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use aya::programs::Xdp;
use aya_obj::programs::XdpAttachType;
use rpcguard_tests::lab::{Host, Lab, connect, rpcguard_binary};

use crate::timed::{Timed, timed};

/// Where guards are pinned, in a host of the lab.
const PINS: &str = "/sys/fs/bpf/rpcguard";

/// A host with an interface `eth0`, on a wire that nobody sends anything over.
pub(crate) struct Guarded {
    pub(crate) host: Host,
    /// The other end of the wire.
    pub(crate) peer: Host,
    /// Has the file system that guards are pinned in to itself.
    _lab: Lab,
}

impl Guarded {
    /// One that is not guarded yet.
    pub(crate) fn new() -> Result<Self> {
        let lab = Lab::new()?;
        let (host, peer) = (lab.host()?, lab.host()?);
        connect((&host, ("eth0", &[])), (&peer, ("eth0", &[])))?;
        Ok(Self {
            host,
            peer,
            _lab: lab,
        })
    }

    /// Runs rpcguard, and fails if it does.
    pub(crate) fn run<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<()> {
        let finished = self.host.rpcguard(arguments);
        ensure!(finished.is_success(), "{finished}");
        Ok(())
    }

    /// As [`Self::run`], and tells what it took.
    pub(crate) fn timed<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Timed> {
        timed(&self.host, rpcguard_binary(), arguments)
    }

    /// Takes a list that is in a file, instead of the one in force.
    pub(crate) fn replace(&self, file: &Path) -> Result<Timed> {
        let words = [OsStr::new("allow"), OsStr::new("replace"), file.as_os_str()];
        self.timed(words)
    }

    /// The program that is attached.
    pub(crate) fn program(&self) -> Result<Xdp> {
        self.host.enter(|| {
            let pin = pins()?.join("program");
            Xdp::from_pin(&pin, XdpAttachType::Interface)
                .with_context(|| format!("cannot open {}", pin.display()))
        })
    }
}

/// The directory of the only guard there is.
pub(crate) fn pins() -> Result<PathBuf> {
    let entries = fs::read_dir(PINS).with_context(|| format!("cannot read {PINS}"))?;
    let mut directories = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("eth0"));
    let only = directories.next().context("nothing is attached")?;
    ensure!(directories.next().is_none(), "several guards");
    Ok(only.path())
}
