//! A flood from random sources over a wire, end to end on one core: generator, wire, filter.

mod lists;
mod rate;
mod sampling;
mod wire;

use anyhow::Result;

use crate::{
    Effort,
    report::{Report, Target},
};

pub(crate) use self::wire::{WireFlood, handled};

/// Appends a section for lists, one for the rate policy, and one for sampling.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    lists::measure(effort, report)?;
    rate::measure(effort, report)?;
    sampling::measure(effort, report)
}

/// Each round measures the flood that meets the bare program, then that which meets the filter.
fn compare(
    effort: Effort,
    report: &mut Report,
    name: &str,
    [bare, filtered]: [&WireFlood<'_>; 2],
    target: Target,
) -> Result<()> {
    let (mut bare_rates, mut filtered_rates) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        report.progress(&format!("flood, {name}"), round, effort.rounds);
        bare_rates.push(bare.rate()? / 1e6);
        filtered_rates.push(filtered.rate()? / 1e6);
    }
    report.rate(name, "XDP_DROP", &bare_rates, &filtered_rates, target);
    Ok(())
}
