//! A limit for each source, under a flood in which nearly every packet is from another one; and what
//! becomes of the limit of one source after all these.

use std::{thread, time::Duration};

use anyhow::Result;
use rpcguard_tests::{lab::Sources, packet::peers::STRANGER_V4};
use serde_json::json;

use super::{CONDITIONS, Goal, race, rounds, table};
use crate::{
    Effort,
    contender::{Contender, Family, List, internet, without_room},
    cores::Core,
    lane::Lane,
    report::Report,
};

const CONTENDERS: [Contender; 4] = [
    Contender::XdpDrop,
    Contender::RpcguardRate,
    Contender::NftDynamicSet,
    Contender::Hashlimit,
];

/// Packets that one source sends at once.
const CALLS: u32 = 200;

/// What it is served of them, at a burst of 20.
const BURST: u64 = 20;

/// From the flood to the calls of one source, so that what is served to all together has recovered.
const PAUSE: Duration = Duration::from_secs(3);

/// What is sent to it has arrived by then.
const PATIENCE: Duration = Duration::from_millis(100);

pub(super) fn measure(effort: Effort, core: &Core, report: &mut Report) -> Result<()> {
    let what = "random IPv4 sources, each limited to 5/s and a burst of 20";
    let (mut lanes, mut absent) = (Vec::new(), Vec::new());
    for contender in CONTENDERS {
        match contender.missing() {
            Some(why) => absent.push((contender, why)),
            None => lanes.push(Lane::set_up(contender, &List::EMPTY, Family::V4)?),
        }
    }
    let race = race::run(&lanes, internet(Family::V4)?, rounds(effort), core, report)?;
    table::append_rates(report, what, CONDITIONS, &race, &absent);
    let goals = [Goal {
        over: Contender::XdpDrop,
        times: 0.8,
    }];
    table::append_ratios(report, what, Contender::RpcguardRate, &race, &goals);
    let passing_by = if effort.quick { 1_000_000 } else { 10_000_000 };
    append_held(report, &lanes, passing_by)
}

/// What one source is served after so many others. It must be its burst: with no place left for it, it
/// would be served all or nothing.
fn append_held(report: &mut Report, lanes: &[Lane], passing_by: u32) -> Result<()> {
    report.table(
        &format!("One source after a flood of {passing_by} packets from random ones"),
        &format!(
            "{CALLS} calls at once, {} s after the flood; of a burst of {BURST}",
            PAUSE.as_secs()
        ),
        &format!("{:<24}{:>8}", "", "served"),
    );
    for lane in lanes {
        if lane.contender == Contender::XdpDrop {
            continue;
        }
        report.progress("a flood goes by", 0, 1);
        let flood = lane.flood(internet(Family::V4)?)?;
        flood.send(passing_by)?;
        thread::sleep(PAUSE);
        let served = served(lane)?;
        let name = lane.contender.name();
        let is_favourite = lane.contender == Contender::RpcguardRate;
        // The calls take less than the fifth of a second after which one more is served.
        let missed = is_favourite && !(BURST..=BURST + 1).contains(&served);
        let demanded = match (is_favourite, missed) {
            (false, _) => "",
            (true, false) => "  20",
            (true, true) => "  20 MISSED",
        };
        report.line(
            &format!("{name:<24}{served:>8}{demanded}"),
            json!({
                "name": format!("{name}, after the flood"),
                "calls": CALLS,
                "served": served,
                "sources_before": passing_by,
                "missed": missed,
            }),
        );
    }
    Ok(())
}

/// How many of a source's calls get as far as the socket.
fn served(lane: &Lane) -> Result<u64> {
    while lane.socket.next(PATIENCE)?.is_some() {}
    let before = without_room(&lane.wire.host)?;
    let source = Sources::any_of(std::net::IpAddr::from(STRANGER_V4).into());
    lane.wire.send(&lane.call()?, source, CALLS)?;
    let mut served = 0;
    while lane.socket.next(PATIENCE)?.is_some() {
        served += 1;
    }
    Ok(served + without_room(&lane.wire.host)? - before)
}
