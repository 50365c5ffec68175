//! `cargo xtask build-ebpf`: the BPF object for loaders other than rpcguard's own.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use rpcguard_ebpf::build::{self, Flavour, workspace};

use crate::{process::relative, progress::step, setup};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Directory to write rpcguard.bpf.o to [default: target/bpf]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::for_building()?;
    let built = step("building the BPF object", || {
        Ok(build::build(Flavour::Portable)?)
    })?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| workspace().join("target/bpf"));
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let object = out.join("rpcguard.bpf.o");
    fs::copy(built.join("rpcguard"), &object)
        .with_context(|| format!("cannot write {}", object.display()))?;
    let object = relative(&object).display();
    println!(
        "{object}\n\
         \n\
         Load it with either of:\n  \
           bpftool prog loadall {object} /sys/fs/bpf/rpcguard-object\n  \
           xdp-loader load -m native -n rpcguard IFACE {object}\n\
         It guards no port until its maps say so, which `rpcguard attach` does."
    );
    Ok(())
}
