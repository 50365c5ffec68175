//! Longer lists, which the source of each packet is looked up in: random ones, so that most of what is
//! looked at is in no cache.

use anyhow::Result;

use super::{Goal, Heat};
use crate::{
    Effort,
    contender::{Contender, Family, List, internet},
    cores::Core,
    report::Report,
};

/// Those that can hold a list, of IPv4 here. A target is about the first two.
const CONTENDERS: [Contender; 5] = [
    Contender::XdpDrop,
    Contender::Rpcguard,
    Contender::NftIngress,
    Contender::NftPrerouting,
    Contender::Ipset,
];

/// The longer list is left out of a quick run: some of the contenders take long to load it.
pub(super) fn measure(effort: Effort, core: &Core, report: &mut Report) -> Result<()> {
    for family in [Family::V4, Family::V6] {
        let list = List::mixed(family, 10_000)?;
        race(effort, core, report, family, "10,000 prefixes", &list, 0.85)?;
    }
    if effort.quick {
        return Ok(());
    }
    for family in [Family::V4, Family::V6] {
        let list = List::of_hosts(family, 1_000_000)?;
        race(
            effort,
            core,
            report,
            family,
            "1,000,000 host prefixes",
            &list,
            0.75,
        )?;
    }
    Ok(())
}

fn race(
    effort: Effort,
    core: &Core,
    report: &mut Report,
    family: Family,
    what: &str,
    list: &List,
    times: f64,
) -> Result<()> {
    let family_name = match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    };
    let contenders = if effort.quick || family == Family::V6 {
        &CONTENDERS[..2]
    } else {
        &CONTENDERS
    };
    let heat = Heat {
        chart: &format!("{}-{}", family_name.to_lowercase(), list.prefixes().len()),
        what: &format!("random {family_name} sources, {what}"),
        list,
        family,
        sources: internet(family)?,
        contenders,
        goals: &[Goal {
            over: Contender::XdpDrop,
            times,
        }],
    };
    heat.run(effort, core, report)
}
