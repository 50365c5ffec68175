//! Tools that cargo builds from the registry, of fixed versions, for this workspace alone.
//!
//! They are built without optimisation: that takes half as long, and makes them a second slower.

use std::path::PathBuf;

use anyhow::Result;
use rpcguard_ebpf::build::workspace;

use crate::{
    process::{self, relative},
    progress::step,
};

/// A program under `target/tools/bin`.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    /// What makes it print its version.
    asked: &'static [&'static str],
}

/// What most are asked.
const VERSION: &[&str] = &["--version"];

/// Links with the LLVM that rustc 1.95 brings; from 0.11 on it wants one of the system's.
pub(super) const BPF_LINKER: Tool = Tool {
    name: "bpf-linker",
    version: "0.10.3",
    asked: VERSION,
};

/// Checks licences, sources and advisories of dependencies.
pub(super) const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    asked: VERSION,
};

/// Builds fuzzers, with sanitizers.
pub(super) const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
    asked: VERSION,
};

/// Makes Debian packages.
pub(super) const CARGO_DEB: Tool = Tool {
    name: "cargo-deb",
    version: "3.8.0",
    asked: VERSION,
};

/// Makes RPM packages.
pub(super) const CARGO_GENERATE_RPM: Tool = Tool {
    name: "cargo-generate-rpm",
    version: "0.21.1",
    asked: VERSION,
};

/// Writes software bills of materials.
pub(super) const CARGO_CYCLONEDX: Tool = Tool {
    name: "cargo-cyclonedx",
    version: "0.5.9",
    asked: &["cyclonedx", "--version"],
};

impl Tool {
    /// Where it is installed.
    pub(crate) fn path(&self) -> PathBuf {
        directory().join("bin").join(self.name)
    }

    pub(super) fn ensure(&self) -> Result<()> {
        if self.is_installed() {
            return Ok(());
        }
        let Self { name, version, .. } = self;
        let what = format!(
            "building {name} {version} into {} (takes about a minute)",
            relative(&directory()).display()
        );
        step(&what, || {
            process::run(
                process::cargo(&["install", name, "--version", version, "--profile", "dev"])
                    .args(["--locked", "--force", "--root"])
                    .arg(directory())
                    .env("CARGO_PROFILE_DEV_DEBUG", "0")
                    // They have much of what they are made of in common.
                    .env("CARGO_TARGET_DIR", directory().join("build")),
            )
        })
    }

    fn is_installed(&self) -> bool {
        let Ok(printed) = process::output(process::command(self.path()).args(self.asked)) else {
            return false;
        };
        printed.split_whitespace().nth(1) == Some(self.version)
    }
}

fn directory() -> PathBuf {
    workspace().join("target/tools")
}
