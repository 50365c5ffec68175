//! Whether packages depend on where they were built.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{Args, Format, source_date};
use crate::{process, progress::step, test::reproducible};

/// Builds everything again in a copy of the sources, deeper and with a target directory of its own, and
/// compares.
pub(super) fn run(args: &Args, made: &[PathBuf]) -> Result<()> {
    let copy = process::target_directory().join("reproducible/a/copy/of/the packages");
    reproducible::copy_sources(&copy)?;
    reproducible::copy_tools(&copy)?;
    // So that it can be asked what belongs to the sources there, too.
    for arguments in [&["init", "--quiet"][..], &["add", "--all"]] {
        process::run(process::command("git").args(arguments).current_dir(&copy))?;
    }
    let mut again = process::cargo(&["xtask", "dist"]);
    again
        .current_dir(&copy)
        .env("SOURCE_DATE_EPOCH", source_date()?);
    // Cargo has told its own workspace.
    again
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_TARGET_DIR");
    for target in &args.target {
        again.args(["--target", target]);
    }
    for format in &args.format {
        again.args(["--format", word(*format)]);
    }
    step("building the packages again, elsewhere", || {
        process::run(&mut again)
    })?;
    for path in made {
        let name = path.file_name().context("a file has a name")?;
        let other = copy.join("target/dist").join(name);
        let read = |path: &PathBuf| {
            fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        if read(path)? != read(&other)? {
            bail!("{} and {} differ", path.display(), other.display());
        }
    }
    println!("{} files, built twice, are the same", made.len());
    Ok(())
}

const fn word(format: Format) -> &'static str {
    match format {
        Format::Deb => "deb",
        Format::Rpm => "rpm",
        Format::Tar => "tar",
    }
}
