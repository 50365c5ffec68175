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
    /// Processors of the machines that it is for, counting those that could be plugged in; each takes 1.1 MiB
    /// [default: this machine's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8192))]
    cpus: Option<u32>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::for_building()?;
    let cpus = match args.cpus {
        Some(cpus) => cpus,
        None => possible_cpus()?,
    };
    let built = step("building the BPF object", || {
        Ok(build::build(Flavour::Portable { cpus })?)
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
         Load it beside other XDP programs, and have it guard what rpcguard is told:\n  \
           xdp-loader load -m native -n rpcguard IFACE {object}\n  \
           rpcguard adopt IFACE --allow CIDR\n\
         Until it is adopted, it lets everything pass. It has room for {cpus} processors."
    );
    Ok(())
}

/// Processors that there may ever be, from a list such as `0-3,8`: the last one counts.
fn possible_cpus() -> Result<u32> {
    const LIST: &str = "/sys/devices/system/cpu/possible";
    let list = fs::read_to_string(LIST).with_context(|| format!("cannot read {LIST}"))?;
    let last = list.trim().rsplit(['-', ',']).next();
    let last = last.and_then(|last| last.parse::<u32>().ok());
    Ok(last.with_context(|| format!("{LIST} is no list: {list}"))? + 1)
}
