//! `cargo xtask demo`, `bench`, `endure`, `hunt` and `soak`: programs of the tests package that need the lab, and
//! root.
//!
//! They are not part of this program, because the lab embeds the BPF object, and this program has
//! to build before anything is set up.

use std::{ffi::OsString, os::unix::process::CommandExt as _};

use anyhow::{Error, Result};

use crate::{build::release_directory, process, progress::step, root, setup};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Passed on; --help lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds `rpcguard` and the named program, and becomes the latter: it gets Ctrl-C itself, and its
/// exit code is this program's.
pub(crate) fn run(program: &str, args: &Args) -> Result<()> {
    setup::run()?;
    step(&format!("building rpcguard and the {program}"), || {
        process::run(
            process::cargo(&["build", "--release"])
                .args(["--package", "rpcguard", "--package", "rpcguard-tests"])
                .args(["--bin", "rpcguard", "--bin", program]),
        )
    })?;
    let path = release_directory().join(program);
    let mut command = root::command(path, "to make network namespaces and attach BPF programs")?;
    let error = command.args(&args.arguments).exec();
    Err(Error::new(error).context(process::cannot_run(&command)))
}
