//! A flood from random sources over a wire, end to end on one core: generator, wire, filter.

mod rate;
mod sampling;

use anyhow::Result;

use crate::{
    Effort,
    cores::Core,
    report::{Report, Target},
    wire::WireFlood,
};

/// Appends a section for the rate policy, and one for sampling.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let core = Core::last()?;
    core.run(|| {
        rate::measure(effort, &core, report)?;
        sampling::measure(effort, &core, report)
    })
}

/// Each round measures the flood that meets the bare program, then that which meets the filter.
fn compare(
    effort: Effort,
    core: &Core,
    report: &mut Report,
    name: &str,
    [bare, filtered]: [&WireFlood<'_>; 2],
    target: Target,
) -> Result<()> {
    let (mut bare_rates, mut filtered_rates) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        report.progress(&format!("flood, {name}"), round, effort.rounds);
        bare_rates.push(bare.sample(core)?.rate() / 1e6);
        filtered_rates.push(filtered.sample(core)?.rate() / 1e6);
    }
    report.rate(name, "XDP_DROP", &bare_rates, &filtered_rates, target);
    Ok(())
}
