//! `cargo xtask setup`: whatever is missing of what the other tasks need.
//!
//! Everything goes under `target/tools`, but for the toolchain's components and Debian's packages.
//! Done already, it takes a fraction of a second, so every task begins with it.

mod cargo_tools;
mod debian;
mod mirror;
mod rustup;
mod trees;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use cargo_tools::Tool;
pub(crate) use mirror::{keyring, mirror};

/// Installs what is missing.
pub(crate) fn run() -> Result<()> {
    for_building()?;
    debian::ensure()
}

/// Installs what is missing to build, though not to test.
pub(crate) fn for_building() -> Result<()> {
    rustup::ensure()?;
    cargo_tools::BPF_LINKER.ensure()
}

/// Installs what is missing to run virtual machines, which only `vm` and `test` do.
pub(crate) fn for_vm() -> Result<()> {
    debian::ensure_for_vm()
}

/// Makes the Debian systems that tests use in namespaces, which only `vm` and `test` do.
pub(crate) fn trees() -> Result<()> {
    debian::ensure_for_trees()?;
    trees::Tree::SYSV.ensure()?;
    trees::Tree::OPENRC.ensure()?;
    trees::Tree::SYSTEMD.ensure()?;
    Ok(())
}

/// Makes the one that is booted in a virtual machine, and returns its disk; only `vm` does that.
pub(crate) fn systemd_disk() -> Result<PathBuf> {
    debian::ensure_for_trees()?;
    trees::Tree::SYSTEMD.disk()
}

/// Installs what is missing to measure, which only `bench` does.
pub(crate) fn for_bench() -> Result<()> {
    debian::ensure_for_bench()
}

/// Where Debian packages are unpacked that must not be installed.
pub(crate) fn unpacked() -> PathBuf {
    debian::unpacked()
}

/// Installs what is missing to check dependencies; a minute more that only `lint` needs.
pub(crate) fn cargo_deny() -> Result<&'static Tool> {
    cargo_tools::CARGO_DENY.ensure()?;
    Ok(&cargo_tools::CARGO_DENY)
}

/// Installs what is missing to make packages for these targets; for `everything` besides a .deb, two tools more.
pub(crate) fn for_dist(targets: &[String], everything: bool) -> Result<()> {
    rustup::ensure_targets(targets)?;
    debian::ensure_for_dist()?;
    cargo_tools::CARGO_DEB.ensure()?;
    if everything {
        cargo_tools::CARGO_GENERATE_RPM.ensure()?;
        cargo_tools::CARGO_CYCLONEDX.ensure()?;
    }
    Ok(())
}

/// Makes Debian packages.
pub(crate) const fn cargo_deb() -> &'static Tool {
    &cargo_tools::CARGO_DEB
}

/// Makes RPM packages.
pub(crate) const fn cargo_generate_rpm() -> &'static Tool {
    &cargo_tools::CARGO_GENERATE_RPM
}

/// Writes down what is linked.
pub(crate) const fn cargo_cyclonedx() -> &'static Tool {
    &cargo_tools::CARGO_CYCLONEDX
}

/// Installs what is missing to build fuzzers.
pub(crate) fn cargo_fuzz() -> Result<&'static Tool> {
    cargo_tools::CARGO_FUZZ.ensure()?;
    Ok(&cargo_tools::CARGO_FUZZ)
}
