//! What the command is linked with, as a software bill of materials.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{VERSION, packages::architecture, source_date};
use crate::{process, progress::step, setup, test::reproducible};

/// Writes it in the form of CycloneDX 1.5.
pub(super) fn write(target: &str, output: &Path) -> Result<PathBuf> {
    step(&format!("writing what is linked for {target}"), || {
        make(target, output)
    })
}

fn make(target: &str, output: &Path) -> Result<PathBuf> {
    const NAME: &str = "sbom";
    // The tool writes beside the manifest of each package, which would be built again then.
    let sources = process::target_directory().join("dist/sources");
    reproducible::copy_sources(&sources)?;
    process::run(
        process::command(setup::cargo_cyclonedx().path())
            .args(["cyclonedx", "--quiet", "--format", "json"])
            .args(["--spec-version", "1.5", "--no-build-deps"])
            .args(["--target", target, "--override-filename", NAME])
            .env("SOURCE_DATE_EPOCH", source_date()?)
            .current_dir(&sources),
    )?;
    let written = sources.join(format!("rpcguard/{NAME}.json"));
    let sbom = fs::read_to_string(&written)
        .with_context(|| format!("cannot read {}", written.display()))?;
    // Where it was built is nobody's business, and would be another each time.
    let here = format!("file://{}", sources.display()).replace(' ', "%20");
    let sbom = sbom.replace(&here, "file:///rpcguard");
    let architecture = architecture(target);
    let path = output.join(format!("rpcguard-{VERSION}-{architecture}.cdx.json"));
    fs::write(&path, sbom).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
