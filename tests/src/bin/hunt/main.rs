//! `cargo xtask hunt`: looks for frames that the filter judges wrongly, in network namespaces of its
//! own, with Linux as the oracle.

mod display;

use std::{
    fs,
    io::IsTerminal as _,
    path::PathBuf,
    process::ExitCode,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum, value_parser};
use rpcguard_tests::{
    hunt::{
        fixture,
        hunter::{Finding, Hunt, Hunter},
        terrain,
    },
    interrupt::on_ctrl_c,
    lab::Lab,
};

/// Sends frames, made at random from a grammar of headers and spoilt, to two hosts that are twins: on
/// one the filter observes, on the other it enforces. What Linux delivers to their sockets tells
/// whether one was let through that should not be (a bypass), or lost that should not be (a harm).
#[derive(Debug, Parser)]
#[command(name = "cargo xtask hunt")]
struct Arguments {
    /// How many frames, each sent to both hosts.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
    frames: u64,
    /// The same seed makes the same frames.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Where the filter runs.
    #[arg(long, default_value = "native")]
    mode: Mode,
    /// What the frames arrive on; tun has no Ethernet header, and no native mode.
    #[arg(long, default_value = "veth")]
    device: Device,
    /// The largest IP packet, in bytes; above 3500, the program for frames in several buffers runs.
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = value_parser!(u16).range(1280..=9000))]
    mtu: u16,
    /// Where to write what is found.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/hunt"))]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    Native,
    Generic,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Device {
    Veth,
    Tun,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let stop = on_ctrl_c()?;
    let hunt = Hunt {
        seed: arguments.seed,
        device: match arguments.device {
            Device::Veth => terrain::Device::Veth,
            Device::Tun => terrain::Device::Tun,
        },
        mtu: arguments.mtu.into(),
        mode: match (arguments.mode, arguments.device) {
            (Mode::Native, Device::Veth) => "native",
            _ => "generic",
        },
        follow_up: true,
    };
    println!("{}", hunt.command(arguments.frames));
    let mut hunter = Hunter::new(Lab::new()?, hunt)?;
    let start = Instant::now();
    let mut shown = start;
    let report = hunter.hunt(arguments.frames, |report| {
        let due = shown.elapsed() > Duration::from_secs(1);
        if due && std::io::stderr().is_terminal() {
            shown = Instant::now();
            eprint!("\r{}", display::progress(report, start.elapsed()));
        }
        !stop.load(Ordering::Relaxed)
    })?;
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    print!("{}", display::report(&report, start.elapsed()));
    for finding in &report.findings {
        let path = keep(&arguments, hunt, finding)?;
        println!("{}", display::finding(finding));
        println!("  written to {}", path.display());
    }
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes a finding where the tests look for such files.
fn keep(arguments: &Arguments, hunt: Hunt, finding: &Finding) -> Result<PathBuf> {
    let comment = format!(
        "{}: {}\n{}",
        finding.wrong.kind,
        finding.wrong.delivery,
        hunt.command(arguments.frames)
    );
    let text = fixture::write(&comment, hunt.device.link(), &finding.shot);
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot create {}", arguments.out.display()))?;
    let name = (0..)
        .map(|number| {
            let name = format!("{}-{}-{number}.txt", finding.wrong.kind, hunt.seed);
            arguments.out.join(name)
        })
        .find(|path| !path.exists())
        .context("all names are taken")?;
    fs::write(&name, text).with_context(|| format!("cannot write {}", name.display()))?;
    Ok(name)
}
