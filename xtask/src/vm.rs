//! `cargo xtask vm`: the tests on Debian's kernels, in virtual machines.
//!
//! A machine boots a kernel of [`kernels`] with an [`initramfs`] that has the test programs in it, in
//! QEMU and emulated unless told otherwise, and needs no disk. Everything that was fetched is kept
//! under `target/tools/vm`.

mod console;
mod figures;
mod initramfs;
mod kernels;
mod modules;
mod programs;
mod qemu;
mod systemd;

use std::{
    collections::VecDeque, fs, path::PathBuf, process::ExitCode, sync::Mutex, thread, time::Instant,
};

use anyhow::{Context as _, Result, bail};

use crate::{process, progress::step, setup, tally::Tally};
use kernels::{KERNELS, Kernel};
use programs::{Program, Which};

/// How many machines run at a time.
const AT_ONCE: usize = 2;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run on this kernel (5.10, 6.1, 6.12 or sid); may be repeated [default: all]
    #[arg(long, value_name = "KERNEL")]
    kernel: Vec<String>,
    /// Leave out what takes long
    #[arg(long)]
    quick: bool,
    /// Let the processor run the machines, and not software: only where /dev/kvm works
    #[arg(long)]
    kvm: bool,
    /// Record how large the program is on each kernel, and do nothing else
    #[arg(long, conflicts_with_all = ["filters", "quick", "kernel"])]
    record: bool,
    /// Run only the tests of `rpcguard disable` and of the packages' units, on a Debian with systemd
    #[arg(long, conflicts_with_all = ["filters", "quick", "kernel", "record"])]
    systemd: bool,
    /// Run only tests whose names contain one of these
    filters: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::for_building()?;
    let mut tally = Tally::default();
    run_into(args, &mut tally)?;
    print!("{tally}");
    Ok(if tally.succeeded() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs what is quick on every kernel, as a part of all the tests.
pub(crate) fn run_quick(tally: &mut Tally) -> Result<()> {
    if cfg!(not(target_arch = "x86_64")) {
        tally.skip_check(
            "the tests on other kernels",
            "the virtual machines are x86-64, and so would this machine have to be",
        );
        return Ok(());
    }
    let args = Args {
        kernel: Vec::new(),
        quick: true,
        kvm: false,
        record: false,
        systemd: false,
        filters: Vec::new(),
    };
    run_into(&args, tally)
}

fn run_into(args: &Args, tally: &mut Tally) -> Result<()> {
    let kernels = if args.systemd {
        Vec::new()
    } else {
        chosen(&args.kernel)?
    };
    setup::for_vm()?;
    let mut machines = VecDeque::new();
    for kernel in kernels {
        machines.push_back((kernel, kernel.ensure()?));
    }
    let built = step("building the tests for virtual machines", || {
        let which = if args.record {
            Which::Figures
        } else if !args.filters.is_empty() {
            Which::Named(&args.filters)
        } else if args.quick {
            Which::Quick
        } else {
            Which::All
        };
        programs::build(which)
    })?;
    if !args.quick && !args.record && args.kernel.is_empty() && systemd::is_chosen(&args.filters) {
        let results = step("testing under systemd", || {
            systemd::run(&built.systemd, args.kvm)
        })?;
        tally.absorb("systemd", results);
    }
    if machines.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = machines.iter().map(|(kernel, _)| kernel.name).collect();
    let machines = Mutex::new(machines);
    let tally = Mutex::new(tally);
    step(&format!("testing on Linux {}", names.join(", ")), || {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE)
                .map(|_| {
                    scope.spawn(|| -> Result<()> {
                        loop {
                            let next = machines.lock().expect("no panic").pop_front();
                            let Some((kernel, unpacked)) = next else {
                                return Ok(());
                            };
                            let run =
                                |programs: &[Program]| run_on(kernel, &unpacked, programs, args);
                            let mut results = run(&built.programs)?;
                            let names = results.worth_another_run();
                            if !names.is_empty() {
                                let alone: Vec<_> = built
                                    .programs
                                    .iter()
                                    .map(|program| program.with_only(&names))
                                    .collect();
                                results.settle(&names, &run(&alone)?);
                            }
                            tally.lock().expect("no panic").absorb(kernel.name, results);
                        }
                    })
                })
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().expect("no panic"))
        })
    })
}

/// The kernels of these names; all, if none is given.
fn chosen(names: &[String]) -> Result<Vec<&'static Kernel>> {
    if names.is_empty() {
        return Ok(KERNELS.iter().collect());
    }
    names
        .iter()
        .map(|name| {
            let found = KERNELS.iter().find(|kernel| kernel.name == name);
            found.with_context(|| {
                let known: Vec<_> = KERNELS.iter().map(|kernel| kernel.name).collect();
                format!("there is no kernel {name}, but {}", known.join(", "))
            })
        })
        .collect()
}

fn run_on(
    kernel: &Kernel,
    unpacked: &kernels::Unpacked,
    programs: &[Program],
    args: &Args,
) -> Result<Tally> {
    let begun = Instant::now();
    let directory = directory()?;
    let [initramfs, console, output] = ["cpio", "console", "output"]
        .map(|ending| directory.join(format!("{}.{ending}", kernel.name)));
    let mut environment = vec![format!("RPCGUARD_VM={}", kernel.name)];
    if args.record {
        environment.push("RPCGUARD_RECORD=/tmp/recorded".to_owned());
    }
    let wires = qemu::try_wires();
    if let Err(why) = &wires {
        environment.push(format!("RPCGUARD_NO_WIRES={}", why.replace(' ', "_")));
    }
    initramfs::write(
        unpacked,
        programs,
        kernel.is_newest(),
        &environment,
        &initramfs,
    )?;
    let machine = qemu::Machine {
        kernel: unpacked,
        initramfs: &initramfs,
        console: &console,
        kvm: args.kvm,
        hardware: qemu::Hardware::Cards {
            wires: wires.is_ok(),
        },
    };
    let mut read = console::Reader::default();
    let mut printed = String::new();
    let stopped = machine.run(|line| {
        println!("[{}] {line}", kernel.name);
        printed.push_str(line);
        printed.push('\n');
        read.line(line);
    })?;
    fs::write(&output, printed).context("cannot keep what the tests printed")?;
    fs::remove_file(&initramfs)?;
    if args.record {
        figures::record(kernel.name, read.recorded())?;
    }
    let messages = fs::read(&console).context("cannot read the kernel's messages")?;
    let messages = String::from_utf8_lossy(&messages);
    let where_else = process::relative(&console).display().to_string();
    let tally = read.finish(stopped, &messages, &where_else, unpacked);
    println!(
        "[{}] Linux {}: {} in {}",
        kernel.name,
        unpacked.release,
        tally.counts(),
        qemu::seconds_since(begun)
    );
    Ok(tally)
}

/// Where each machine's messages and the output of its tests stay until the next run.
fn directory() -> Result<PathBuf> {
    let directory = process::target_directory().join("vm");
    if let Err(error) = fs::create_dir_all(&directory) {
        bail!("cannot make {}: {error}", directory.display());
    }
    Ok(directory)
}
