//! The workspace's tasks. Each is a file of its own; this one only dispatches.

mod build;
mod build_ebpf;
mod dist;
mod faults;
mod fuzz;
mod install;
mod lab;
mod lint;
mod miri;
mod process;
mod progress;
mod root;
mod setup;
mod tally;
mod test;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Builds, tests and shows rpcguard.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Install what the other tasks need: Rust components, bpf-linker, Debian packages
    Setup,
    /// Show what an open portmapper does and what rpcguard does about it, in network namespaces
    Demo(lab::Args),
    /// Run every test and lint, or only the tests whose names contain a filter
    Test(test::Args),
    /// Run the tests on Debian's kernels, in virtual machines
    Vm(vm::Args),
    /// Check formatting, clippy, documentation and dependencies, warnings being errors
    Lint,
    /// Measure the filter beside bare XDP programs and other filters, in network namespaces
    Bench(lab::Args),
    /// Look for frames that the filter judges wrongly, with Linux as the oracle
    Hunt(lab::Args),
    /// Kill commands and let their system calls fail at every point there is, where `test` tries a choice
    Faults(faults::Args),
    /// Change, flood and read for an hour, and see whether everything adds up
    Soak(lab::Args),
    /// Reload the daemon a thousand times under a flood, while 200 interfaces come and go
    Endure(lab::Args),
    /// Look for input that the properties of the packet, call and list parsers do not hold for
    Fuzz(fuzz::Args),
    /// Run the decision core's tests under Miri, if a nightly toolchain is installed
    Miri,
    /// Build the release `rpcguard`
    Build,
    /// Build the BPF object alone, for bpftool and xdp-loader
    BuildEbpf(build_ebpf::Args),
    /// Build what people install: .deb, .rpm and tar, for x86-64 and arm64, with SBOM and checksums
    Dist(dist::Args),
    /// Build the release `rpcguard` and install it
    Install(install::Args),
}

fn main() -> ExitCode {
    dispatch(Task::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn dispatch(task: Task) -> Result<ExitCode> {
    match task {
        Task::Setup => setup::run()?,
        Task::Demo(args) => lab::run("demo", &args)?,
        Task::Test(args) => return test::run(&args),
        Task::Vm(args) => return vm::run(&args),
        Task::Lint => lint::run()?,
        Task::Bench(args) => {
            setup::for_bench()?;
            lab::run("bench", &args)?;
        }
        Task::Hunt(args) => lab::run("hunt", &args)?,
        Task::Faults(args) => return faults::run(&args),
        Task::Endure(args) => lab::run("endure", &args)?,
        Task::Soak(args) => lab::run("soak", &args)?,
        Task::Fuzz(args) => return fuzz::run(&args),
        Task::Miri => miri::run()?,
        Task::Build => {
            setup::run()?;
            build::run()?;
        }
        Task::BuildEbpf(args) => build_ebpf::run(&args)?,
        Task::Dist(args) => dist::run(&args)?,
        Task::Install(args) => install::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}
