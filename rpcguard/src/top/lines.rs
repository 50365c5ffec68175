//! The same without a terminal: a line an interface, or a JSON document, every interval.

use std::{
    thread,
    time::{Instant, SystemTime},
};

use super::{Options, json, model::Model, plain, sampler::Sampler};
use crate::output::Format;

/// Prints until the count is reached, or nobody reads any more.
pub(super) fn run(mut sampler: Sampler, options: Options, format: Format) -> anyhow::Result<()> {
    let mut model = Model::default();
    let first = sampler.sample()?;
    let mut before = first.at;
    model.update(first, None);
    let mut due = Instant::now();
    let mut left = options.count;
    while left != Some(0) {
        // Late once, the next ones are in time again.
        due = (due + options.interval).max(Instant::now());
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let sample = sampler.sample()?;
        let now = Now {
            time: sample.time,
            seconds: sample.at.duration_since(before).as_secs_f64(),
        };
        before = sample.at;
        model.update(sample, None);
        match format {
            Format::Text => plain::print(&model, now)?,
            Format::Json => json::print(&model, now)?,
        }
        left = left.map(|left| left - 1);
    }
    Ok(())
}

/// When the last sample was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The time of day.
    pub(super) time: SystemTime,
    /// Since the sample before.
    pub(super) seconds: f64,
}
