//! Two cores, each with a generator and a queue of the same interface: do they get into each other's way?

use std::thread;

use anyhow::Result;
use serde_json::json;

use crate::{
    Effort,
    chart::{Bar, Chart, Shape},
    contender::{Contender, Family, List, internet},
    cores::{Core, busy},
    lane::Lane,
    report::{Report, Target},
    samples::Samples,
    wire::{Sample, WireFlood, handled},
};

/// From one core, in one measurement: so many that the times before and after both are sending matter
/// little.
const PACKETS: u32 = 1_000_000;

/// Appends a row for the bare program and one for rpcguard.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    report.section(
        "Flood from random IPv4 sources, in million packets a second on two cores over one",
        "one interface with two queues, one prefix; a generator on each core, whose times in use are counted",
    );
    let cores = Core::all()?;
    let Some(cores) = cores.last_chunk::<2>() else {
        let why = "this machine has one core";
        report.line(why, json!({ "name": "two cores", "missing": why }));
        return Ok(());
    };
    let list = List::of_one(Family::V4)?;
    let lanes = [Contender::XdpDrop, Contender::Rpcguard]
        .map(|contender| Lane::with_queues(2, contender, &list, Family::V4))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let mut rates = vec![(Vec::new(), Vec::new()); lanes.len()];
    let rounds = if effort.quick { 3 } else { 31 };
    let floods: Vec<_> = lanes.iter().map(floods).collect::<Result<_>>()?;
    for round in 0..rounds {
        report.progress("scaling", round, rounds);
        for ((lane, floods), (one, two)) in lanes.iter().zip(&floods).zip(&mut rates) {
            one.push(rate(lane, &cores[1..], floods)?);
            two.push(rate(lane, cores, floods)?);
        }
    }
    let mut bars = Vec::new();
    for (lane, (one, two)) in lanes.iter().zip(&rates) {
        report.rate(lane.contender.name(), "one core", one, two, Target::None);
        for (cores, rates) in [("one core", one), ("two cores", two)] {
            bars.push(Bar {
                name: format!("{}, {cores}", lane.contender.name()),
                ..lane.contender.bar(Samples::new(rates.clone()).median())
            });
        }
    }
    report.chart(&Chart {
        name: "scaling".to_owned(),
        title: "Flood from random IPv4 sources on one core and on two".to_owned(),
        values: "million packets a second".to_owned(),
        shape: Shape::Bars(bars),
    })
}

/// One for each core.
fn floods(lane: &Lane) -> Result<[WireFlood<'_>; 2]> {
    let sources = internet(Family::V4)?;
    Ok([lane.flood(sources)?, lane.flood(sources)?])
}

/// Million packets a second that these cores handle together.
fn rate(lane: &Lane, cores: &[Core], floods: &[WireFlood<'_>; 2]) -> Result<f64> {
    let host = &lane.wire.host;
    let (handled_before, busy_before) = (handled(host)?, busy(cores)?);
    thread::scope(|scope| {
        let sending: Vec<_> = cores
            .iter()
            .zip(floods)
            .map(|(core, flood)| scope.spawn(|| core.run(|| flood.send(PACKETS))))
            .collect();
        sending
            .into_iter()
            .try_for_each(|thread| thread.join().expect("a generator does not panic"))
    })?;
    let sample = Sample {
        sent: u64::from(PACKETS) * cores.len() as u64,
        handled: handled(host)? - handled_before,
        busy: busy(cores)? - busy_before,
    };
    Ok(sample.rate() * cores.len() as f64 / 1e6)
}
