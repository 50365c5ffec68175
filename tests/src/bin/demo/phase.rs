//! One flood, watched second by second.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use rpcguard_tests::digits::grouped;
use serde_json::Value;

use crate::{
    attacker,
    client::Queries,
    display::megabytes,
    town::{INTERFACE, Town},
};

/// A flood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) time: Duration,
    /// Requests a second; `None` for as many as one core can send.
    pub(crate) rate: Option<u64>,
    /// Whether rpcguard is attached, and has counters to show.
    pub(crate) guarded: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) request_bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) reflected_packets: u64,
    pub(crate) reflected_bytes: u64,
    pub(crate) answered: u64,
    pub(crate) failed: u64,
}

impl Phase {
    /// Floods, and prints a line a second, until the time is up or `stop` is set.
    pub(crate) fn run(self, town: &Town, stop: &AtomicBool) -> Result<Outcome> {
        let before = Sample::take(town, self.guarded)?;
        let queries = Queries::default();
        let over = AtomicBool::new(false);
        let flooded = thread::scope(|scope| {
            let client = scope.spawn(|| queries.ask(town, &over));
            let attacker = scope.spawn(|| match self.rate {
                Some(rate) => attacker::trickle(town, rate, self.time, stop),
                None => attacker::flood(town, self.time, stop),
            });
            let watched = self.watch(town, &queries, before, || attacker.is_finished());
            over.store(true, Ordering::Relaxed);
            let flooded = attacker.join().map_err(|_| anyhow!("the flood panicked"));
            client.join().map_err(|_| anyhow!("the client panicked"))?;
            watched?;
            flooded?
        })?;
        let after = Sample::take(town, self.guarded)?;
        Ok(Outcome {
            requests: flooded.packets,
            request_bytes: flooded.packets * attacker::request_len(town),
            seconds: flooded.elapsed.as_secs_f64(),
            reflected_packets: after.reflected_packets - before.reflected_packets,
            reflected_bytes: after.reflected_bytes - before.reflected_bytes,
            answered: queries.answered(),
            failed: queries.failed(),
        })
    }

    fn watch(
        self,
        town: &Town,
        queries: &Queries,
        mut last: Sample,
        over: impl Fn() -> bool,
    ) -> Result<()> {
        if self.guarded {
            println!("  second   allowed      dropped    reflected               client's rpcinfo");
        } else {
            println!("  second                       reflected               client's rpcinfo");
        }
        let begun = Instant::now();
        for second in 1.. {
            let due = begun + Duration::from_secs(second);
            while Instant::now() < due {
                if over() {
                    return Ok(());
                }
                thread::sleep(Duration::from_millis(10));
            }
            let now = Sample::take(town, self.guarded)?;
            let counters = if self.guarded {
                format!(
                    "{:>9} {:>12}",
                    grouped(now.allowed - last.allowed),
                    grouped(now.unlisted - last.unlisted)
                )
            } else {
                " ".repeat(22)
            };
            println!(
                "  {second:>6} {counters} {:>12} {:>10}   {} answered, {} failed",
                grouped(now.reflected_packets - last.reflected_packets),
                megabytes(now.reflected_bytes - last.reflected_bytes),
                queries.answered(),
                queries.failed(),
            );
            last = now;
        }
        Ok(())
    }
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    reflected_packets: u64,
    reflected_bytes: u64,
    allowed: u64,
    unlisted: u64,
}

impl Sample {
    fn take(town: &Town, guarded: bool) -> Result<Self> {
        let reflected = town.reflected.read()?;
        let mut sample = Self {
            reflected_packets: reflected.packets,
            reflected_bytes: reflected.bytes,
            ..Self::default()
        };
        if guarded {
            let status = status(town)?;
            let packets = |reason: &str| {
                let path = format!("/interfaces/0/counters/{reason}/packets");
                status
                    .pointer(&path)
                    .and_then(Value::as_u64)
                    .context("a counter is missing")
            };
            sample.allowed = packets("allowed")?;
            sample.unlisted = packets("unlisted")?;
        }
        Ok(sample)
    }
}

/// What `rpcguard status --json` says.
pub(crate) fn status(town: &Town) -> Result<Value> {
    let status = town.host.rpcguard(["status", INTERFACE, "--json"]);
    anyhow::ensure!(
        status.is_success(),
        "rpcguard status failed: {}",
        status.stderr
    );
    serde_json::from_str(&status.stdout).context("rpcguard status printed no JSON")
}
