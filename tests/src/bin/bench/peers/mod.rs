//! A flood end to end over a wire, on one core, against what an operator would use instead.
//!
//! Each contender has a host of its own behind a wire of its own, with a socket on port 111 that nobody
//! reads, and nothing else to do. One core generates, carries, receives and drops.

mod limit;
mod lists;
mod one_prefix;
mod race;
mod table;

use anyhow::Result;
use rpcguard_tests::lab::Sources;

use self::table::{Goal, append_rates, append_ratios};
use crate::{
    Effort,
    contender::{Contender, Family, List},
    cores::Core,
    lane::Lane,
    report::Report,
};

/// Appends the tables for one prefix, for longer lists, and for limits of each source.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let core = Core::last()?;
    core.run(|| {
        one_prefix::measure(effort, &core, report)?;
        lists::measure(effort, &core, report)?;
        limit::measure(effort, &core, report)
    })
}

const fn rounds(effort: Effort) -> usize {
    if effort.quick { 4 } else { 11 }
}

/// Contenders that meet the same flood with the same list.
struct Heat<'a> {
    /// The name of its chart.
    chart: &'a str,
    /// The flood and the list.
    what: &'a str,
    list: &'a List,
    family: Family,
    sources: Sources,
    contenders: &'a [Contender],
    goals: &'a [Goal],
}

impl Heat<'_> {
    /// Appends a table of rates and one of ratios.
    fn run(&self, effort: Effort, core: &Core, report: &mut Report) -> Result<()> {
        let (mut lanes, mut absent) = (Vec::new(), Vec::new());
        for contender in self.contenders {
            report.progress("setting up", lanes.len(), self.contenders.len());
            if let Some(why) = contender.missing() {
                absent.push((*contender, why));
                continue;
            }
            match Lane::set_up(*contender, self.list, self.family) {
                Ok(lane) => lanes.push(lane),
                // Kernels are built without some of them, and not all can hold every list.
                Err(error) if contender.is_of_others() => {
                    absent.push((*contender, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        let race = race::run(&lanes, self.sources, rounds(effort), core, report)?;
        race.ensure_all_dropped()?;
        append_rates(report, self.chart, self.what, CONDITIONS, &race, &absent)?;
        append_ratios(report, self.what, Contender::Rpcguard, &race, self.goals);
        Ok(())
    }
}

/// Of every race.
const CONDITIONS: &str = "GETPORT calls over veth; one core for generator, wire and filter, whose time in use is counted;\n\
     \"without the sending\": less what the generator takes alone, its frames given back at its own interface";
