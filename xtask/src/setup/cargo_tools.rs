//! Tools that cargo builds from crates.io, of fixed versions, for this workspace alone.

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
    profile: &'static str,
}

/// Links with the LLVM that rustc 1.95 brings; from 0.11 on it wants one of the system's.
pub(super) const BPF_LINKER: Tool = Tool {
    name: "bpf-linker",
    version: "0.10.3",
    profile: "release",
};

/// Unoptimised, because it takes a minute to build instead of several and a second to run.
pub(super) const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    profile: "dev",
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
        let Self {
            name,
            version,
            profile,
        } = self;
        let what = format!(
            "building {name} {version} into {} (takes a minute or two)",
            relative(&directory()).display()
        );
        step(&what, || {
            process::run(
                process::cargo(&["install", name, "--version", version, "--profile", profile])
                    .args(["--locked", "--force", "--root"])
                    .arg(directory())
                    // It would do no more than make them slower to build.
                    .env("CARGO_PROFILE_DEV_DEBUG", "0"),
            )
        })
    }

    fn is_installed(&self) -> bool {
        let Ok(printed) = process::output(process::command(self.path()).arg("--version")) else {
            return false;
        };
        printed.split_whitespace().nth(1) == Some(self.version)
    }
}

fn directory() -> PathBuf {
    workspace().join("target/tools")
}
