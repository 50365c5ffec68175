//! What it costs a flood's filter that somebody reads all of its counters, again and again.

use std::{
    ffi::OsStr,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use rpcguard_tests::{
    digits::grouped,
    lab::{Flood, Sources},
    packet::{Frame, peers::STRANGER_V4},
};
use serde_json::json;

use crate::{
    Effort,
    cores::Core,
    guarded::Guarded,
    list::{self, Family, List},
    report::{Report, Target},
    wire::WireFlood,
};

const LENGTH: usize = 10_000;

/// Commands that read counters: of reasons and procedures, and of prefixes besides.
const READERS: [&[&str]; 2] = [&["status", "--json"], &["allow", "list", "--json"]];

pub(super) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let mut rng = Rng::with_seed(1);
    let list = List::random(Family::V4, LENGTH, &mut rng);
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let file = directory.path().join("allowed");
    list::write_lines(&file, &list.shuffled(&mut rng))?;
    let guarded = Guarded::new()?;
    let words = ["attach", "eth0", "--mode", "native", "--allow-file"].map(OsStr::new);
    guarded.run(words.into_iter().chain([file.as_os_str()]))?;
    let frame = Frame::ethernet().ipv4(STRANGER_V4).dump().build();
    let sources = Sources::any_of("0.0.0.0/0".parse()?);
    let mut flood = Flood::new(&guarded.peer, "eth0", frame, sources)?;
    guarded.peer.ip("link add ready type veth")?;
    flood.stand_by("ready")?;
    let flood = WireFlood::begin(flood, &guarded.host)?;
    report.section(
        "Flood while counters are read, in million packets a second on one core",
        &format!(
            "against the same with no reader; {} prefixes; the command is run again and again on another core",
            grouped(LENGTH)
        ),
    );
    let cores = Core::all()?;
    let Some([reading, flooded]) = cores.last_chunk() else {
        let why = "this machine has one core";
        report.line(why, json!({ "name": "readers", "missing": why }));
        return Ok(());
    };
    for words in READERS {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for round in 0..effort.rounds {
            report.progress("flood with readers", round, effort.rounds);
            let rate = || flooded.run(|| flood.rate());
            without.push(rate()? / 1e6);
            with.push(reading.run(|| while_reading(&guarded, words, rate))? / 1e6);
        }
        report.rate(&words.join(" "), "unread", &without, &with, Target::None);
    }
    Ok(())
}

/// Measures while a command is run without a pause, from its first time on.
fn while_reading<T>(
    guarded: &Guarded,
    words: &[&str],
    measure: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let (stop, started) = (AtomicBool::new(false), Barrier::new(2));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let first = guarded.run(words);
            started.wait();
            first?;
            while !stop.load(Ordering::Relaxed) {
                guarded.run(words)?;
            }
            Ok(())
        });
        started.wait();
        let measured = measure();
        stop.store(true, Ordering::Relaxed);
        let read: Result<()> = reader.join().expect("the reader does not panic");
        read.and(measured)
    })
}
