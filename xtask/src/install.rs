//! `cargo xtask install`: puts the release command where a shell finds it.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{build, process, root, setup};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Directory under which to install, as bin/rpcguard [default: /usr/local]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::for_building()?;
    let built = build::run()?;
    let (root, system) = match &args.root {
        Some(root) => (std::path::absolute(root)?, false),
        None => (PathBuf::from("/usr/local"), true),
    };
    let bin = root.join("bin");
    let installed = bin.join("rpcguard");
    let command = |program: &str| -> Result<Command> {
        if system {
            root::command(program, "to write to /usr/local/bin")
        } else {
            Ok(process::command(program))
        }
    };
    // Beside the old one and then renamed over it: at every moment there is a whole rpcguard.
    let new = bin.join(format!(".rpcguard.{}", std::process::id()));
    process::run(
        command("install")?
            .args(["-D", "-m", "755"])
            .args([&built, &new]),
    )?;
    process::run(command("mv")?.arg("-fT").args([&new, &installed]))?;
    let size = fs::metadata(&installed)
        .with_context(|| format!("cannot find {} after installing it", installed.display()))?
        .len();
    println!("installed {} ({} KiB)", installed.display(), size / 1024);
    Ok(())
}
