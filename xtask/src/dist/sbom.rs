//! What the command is linked with, as a software bill of materials.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rpcguard_ebpf::build::workspace;

use super::{VERSION, packages::architecture, source_date};
use crate::{process, progress::step, setup};

/// Writes it in the form of CycloneDX 1.5.
pub(super) fn write(target: &str, output: &Path) -> Result<PathBuf> {
    step(&format!("writing what is linked for {target}"), || {
        make(target, output)
    })
}

fn make(target: &str, output: &Path) -> Result<PathBuf> {
    // The tool writes beside the manifest of each package of the workspace.
    const NAME: &str = "rpcguard-sbom";
    process::run(
        process::command(setup::cargo_cyclonedx().path())
            .args([
                "cyclonedx",
                "--quiet",
                "--format",
                "json",
                "--spec-version",
                "1.5",
            ])
            .args(["--no-build-deps", "--target", target])
            .args(["--override-filename", NAME])
            .env("SOURCE_DATE_EPOCH", source_date()?),
    )?;
    let mut written = None;
    for package in [
        "rpcguard",
        "rpcguard-common",
        "rpcguard-ebpf",
        "tests",
        "tests/fuzz",
        "xtask",
    ] {
        let path = workspace().join(package).join(format!("{NAME}.json"));
        if package == "rpcguard" {
            let failed = || format!("cargo-cyclonedx has not written {}", path.display());
            written = Some(fs::read_to_string(&path).with_context(failed)?);
        }
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    // Where it was built is nobody's business, and would be another each time.
    let here = format!("file://{}", workspace().display()).replace(' ', "%20");
    let written = written.context("rpcguard is among the packages")?;
    let sbom = written.replace(&here, "file:///rpcguard");
    let architecture = architecture(target);
    let path = output.join(format!("rpcguard-{VERSION}-{architecture}.cdx.json"));
    fs::write(&path, sbom).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
