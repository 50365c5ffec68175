//! Components of the toolchain that rust-toolchain.toml pins.

use anyhow::{Context as _, Result, bail};
use rpcguard_ebpf::build::sysroot;

use crate::{process, progress::step};

/// Each with a file that it brings to the toolchain.
const COMPONENTS: [(&str, &str); 3] = [
    ("rust-src", "lib/rustlib/src/rust/library/core/src/lib.rs"),
    ("clippy", "bin/cargo-clippy"),
    ("rustfmt", "bin/rustfmt"),
];

pub(super) fn ensure() -> Result<()> {
    let sysroot = sysroot()?;
    let missing: Vec<_> = COMPONENTS
        .iter()
        .filter(|(_, file)| !sysroot.join(file).exists())
        .map(|(component, _)| *component)
        .collect();
    add("component", &missing)
}

/// The standard library for these targets.
pub(super) fn ensure_targets(targets: &[String]) -> Result<()> {
    let sysroot = sysroot()?;
    let missing: Vec<_> = targets
        .iter()
        .map(String::as_str)
        .filter(|target| !sysroot.join("lib/rustlib").join(target).exists())
        .collect();
    add("target", &missing)
}

/// Adds components or targets to the toolchain.
fn add(kind: &str, missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let sysroot = sysroot()?;
    if !process::exists("rustup") {
        bail!(
            "the Rust toolchain in {} lacks {}, and there is no rustup to add it: install rustup, \
             or add it the way that this toolchain was installed",
            sysroot.display(),
            missing.join(", ")
        );
    }
    step(
        &format!("adding {} to the toolchain", missing.join(", ")),
        || {
            process::run(process::command("rustup").args([kind, "add"]).args(missing))
                .context("rustup could not add it; is the network reachable?")
        },
    )
}
