//! What is laid out, as packages.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::VERSION;
use crate::{process, setup};

/// The first part of a target's name, as rpm and everybody but Debian calls it.
pub(super) fn architecture(target: &str) -> &str {
    target.split('-').next().unwrap_or(target)
}

/// Makes the Debian package.
pub(super) fn deb(target: &str, output: &Path, epoch: &str) -> Result<PathBuf> {
    let architecture = match architecture(target) {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let path = output.join(format!("rpcguard_{VERSION}-1_{architecture}.deb"));
    process::run(
        process::command(setup::cargo_deb().path())
            .args(["--quiet", "--no-build", "--no-strip", "--no-dbgsym"])
            .args(["--package", "rpcguard", "--target", target, "--output"])
            .arg(&path)
            .env("SOURCE_DATE_EPOCH", epoch),
    )?;
    Ok(path)
}

/// Makes the RPM package.
pub(super) fn rpm(target: &str, output: &Path, epoch: &str) -> Result<PathBuf> {
    let architecture = architecture(target);
    let path = output.join(format!("rpcguard-{VERSION}-1.{architecture}.rpm"));
    process::run(
        process::command(setup::cargo_generate_rpm().path())
            .args(["--package", "rpcguard", "--target", target])
            .args(["--source-date", epoch, "--output"])
            .arg(&path)
            .env("SOURCE_DATE_EPOCH", epoch),
    )?;
    Ok(path)
}

/// Makes the archive: all that is laid out, in a directory.
pub(super) fn tar(target: &str, stage: &Path, output: &Path, epoch: &str) -> Result<PathBuf> {
    let name = format!("rpcguard-{VERSION}-{}-linux", architecture(target));
    let path = output.join(format!("{name}.tar.xz"));
    process::run(
        process::command("tar")
            .args(["--create", "--xz", "--format=ustar", "--sort=name"])
            .args(["--owner=0", "--group=0", "--numeric-owner", "--mode=go-w"])
            .arg(format!("--mtime=@{epoch}"))
            .arg(format!("--transform=s,^[.],{name},"))
            .arg("--file")
            .arg(&path)
            .arg("--directory")
            .arg(stage)
            .arg(".")
            // One thread, whatever this machine has.
            .env("XZ_DEFAULTS", "--threads=1"),
    )?;
    Ok(path)
}

/// Writes down the SHA-256 of everything, as `sha256sum --check` reads it.
pub(super) fn write_checksums(made: &[PathBuf], output: &Path) -> Result<PathBuf> {
    let names: Vec<_> = made.iter().filter_map(|path| path.file_name()).collect();
    let sums = process::output(
        process::command("sha256sum")
            .args(&names)
            .current_dir(output),
    )?;
    let path = output.join("SHA256SUMS");
    fs::write(&path, sums).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
