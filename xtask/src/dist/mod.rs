//! `cargo xtask dist`: what people install. Everything in it depends on the sources alone: not on where and
//! when it was built.

mod binary;
mod licences;
mod packages;
mod sbom;
mod stage;
mod verify;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use rpcguard_ebpf::build::workspace;

use crate::{process, progress::step, setup};

/// Linked statically, so that they run on any Linux.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

/// A form in which rpcguard is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Deb,
    Rpm,
    Tar,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to build for [default: x86_64-unknown-linux-musl and aarch64-unknown-linux-musl]
    #[arg(long, value_name = "TRIPLE")]
    target: Vec<String>,
    /// What to make: deb, rpm, tar [default: all, with SBOM and checksums]
    #[arg(long, value_name = "FORMAT")]
    format: Vec<Format>,
    /// Directory to write to [default: target/dist]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Build a second time, in a copy of the sources elsewhere, and fail if a byte differs
    #[arg(long)]
    verify: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let output = match &args.output {
        Some(output) => std::path::absolute(output)?,
        None => workspace().join("target/dist"),
    };
    let targets = if args.target.is_empty() {
        TARGETS.map(str::to_owned).to_vec()
    } else {
        args.target.clone()
    };
    let formats = if args.format.is_empty() {
        vec![Format::Deb, Format::Rpm, Format::Tar]
    } else {
        args.format.clone()
    };
    setup::for_building()?;
    setup::for_dist(&targets, args.format.is_empty())?;
    let mut made = Vec::new();
    for target in &targets {
        made.extend(make(target, &formats, &output)?);
        if args.format.is_empty() {
            made.push(sbom::write(target, &output)?);
        }
    }
    if args.format.is_empty() {
        made.push(packages::write_checksums(&made, &output)?);
    }
    for path in &made {
        let size = fs::metadata(path)
            .with_context(|| format!("cannot find {} after making it", path.display()))?
            .len();
        println!(
            "{} ({} KiB)",
            process::relative(path).display(),
            size / 1024
        );
    }
    if args.verify {
        verify::run(args, &made)?;
    }
    Ok(())
}

/// Makes one .deb for the tests, and returns where it is.
pub(crate) fn deb_for_tests() -> Result<PathBuf> {
    let target = TARGETS[0].to_owned();
    setup::for_dist(std::slice::from_ref(&target), false)?;
    let output = workspace().join("target/dist");
    let mut made = make(&target, &[Format::Deb], &output)?;
    made.pop().context("a package was made")
}

fn make(target: &str, formats: &[Format], output: &Path) -> Result<Vec<PathBuf>> {
    let epoch = source_date()?;
    let binary = step(&format!("building rpcguard for {target}"), || {
        binary::build(target)
    })?;
    let stage = stage::lay_out(target, &binary)?;
    fs::create_dir_all(output).with_context(|| format!("cannot create {}", output.display()))?;
    let mut made = Vec::new();
    for format in formats {
        let what = format!(
            "packing {} for {target}",
            format!("{format:?}").to_lowercase()
        );
        made.push(step(&what, || match format {
            Format::Deb => packages::deb(target, output, &epoch),
            Format::Rpm => packages::rpm(target, output, &epoch),
            Format::Tar => packages::tar(target, &stage, output, &epoch),
        })?);
    }
    Ok(made)
}

/// When the sources were last changed, in seconds since 1970; what files in packages are dated.
fn source_date() -> Result<String> {
    if let Ok(date) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(date);
    }
    let date = process::output(process::command("git").args(["log", "-1", "--format=%ct"]))
        .context("set SOURCE_DATE_EPOCH where there is no git checkout")?;
    Ok(date.trim().to_owned())
}

/// The version of all packages of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");
