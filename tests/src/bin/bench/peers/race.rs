//! Floods that meet each contender in turn, round by round.

use anyhow::{Context as _, Result, ensure};
use rpcguard_tests::lab::{Lab, Sources};

use crate::{
    contender::Contender,
    cores::Core,
    lane::Lane,
    report::Report,
    samples::Samples,
    wire::{Sample, Wire, handled},
};

/// What was measured of a contender.
pub(super) struct Entry {
    pub(super) contender: Contender,
    /// One a round.
    samples: Vec<Sample>,
    /// Which part of the packets it dropped, by its own count.
    pub(super) dropped: f64,
}

/// What was measured of all of them.
pub(super) struct Race {
    pub(super) entries: Vec<Entry>,
    /// Nanoseconds for each packet that is made and not taken by any receiver; one a round.
    to_send: Vec<f64>,
}

/// Each round measures every contender once.
pub(super) fn run(
    lanes: &[Lane],
    sources: Sources,
    rounds: usize,
    core: &Core,
    report: &Report,
) -> Result<Race> {
    // Frames for which there is no receiver in bulk are given back at the sending interface.
    let nowhere = Wire::new(&Lab::new()?)?;
    let call = lanes.first().context("nobody takes part")?.call()?;
    let unreceived = nowhere.flood(&call, sources)?;
    let floods: Vec<_> = lanes
        .iter()
        .map(|lane| lane.flood(sources))
        .collect::<Result<_>>()?;
    let counts = || lanes.iter().map(counts).collect::<Result<Vec<_>>>();
    let before = counts()?;
    let mut to_send = Vec::new();
    let mut samples = vec![Vec::new(); lanes.len()];
    for round in 0..rounds {
        report.progress("filters in turn", round, rounds);
        to_send.push(unreceived.sample(core)?.sending_took());
        for (flood, samples) in floods.iter().zip(&mut samples) {
            samples.push(flood.sample(core)?);
        }
    }
    let mut entries = Vec::new();
    for (((lane, samples), before), after) in lanes.iter().zip(samples).zip(before).zip(counts()?) {
        let dropped = (after.dropped - before.dropped) as f64;
        entries.push(Entry {
            contender: lane.contender,
            samples,
            dropped: dropped / (after.handled - before.handled) as f64,
        });
    }
    Ok(Race { entries, to_send })
}

struct Counts {
    handled: u64,
    dropped: u64,
}

fn counts(lane: &Lane) -> Result<Counts> {
    Ok(Counts {
        handled: handled(&lane.wire.host)?,
        dropped: lane.contender.dropped(&lane.wire.host)?,
    })
}

impl Race {
    /// Fails if a filter let more pass than what is in its list: its figure would be none.
    pub(super) fn ensure_all_dropped(&self) -> Result<()> {
        for Entry {
            contender, dropped, ..
        } in &self.entries
        {
            ensure!(
                *contender == Contender::Nothing || (0.99..1.01).contains(dropped),
                "{} dropped {:.1}% of a flood, of which it should drop nearly all, or counts wrongly",
                contender.name(),
                100.0 * dropped
            );
        }
        Ok(())
    }

    /// What was measured of this contender, if it took part.
    pub(super) fn entry(&self, contender: Contender) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.contender == contender)
    }

    /// Nanoseconds of the generator for each packet.
    pub(super) fn to_send(&self) -> Samples {
        Samples::new(self.to_send.clone())
    }

    /// Million packets a second without what it takes to send them, round by round.
    pub(super) fn receiving_rates(&self, entry: &Entry) -> Vec<f64> {
        let samples = entry.samples.iter().zip(&self.to_send);
        samples
            .map(|(sample, to_send)| sample.rate_without_sending(*to_send) / 1e6)
            .collect()
    }
}

impl Entry {
    /// Million packets a second, round by round.
    pub(super) fn rates(&self) -> Vec<f64> {
        self.samples
            .iter()
            .map(|sample| sample.rate() / 1e6)
            .collect()
    }
}
