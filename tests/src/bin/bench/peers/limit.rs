//! A limit for each source, under a flood in which nearly every packet is from another one; and what
//! becomes of the limit of one source after all these.

use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
    time::Duration,
};

use anyhow::Result;
use rpcguard_tests::lab::Sources;
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

/// The flood hardly ever comes from there.
const SOURCES: [Ipv4Addr; 2] = [
    Ipv4Addr::new(198, 51, 100, 7),
    Ipv4Addr::new(198, 51, 100, 8),
];

/// Packets that one source sends together.
const CALLS: u32 = 200;

/// As many of them as are within the limit.
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
    table::append_rates(report, "limit", what, CONDITIONS, &race, &absent)?;
    let goals = [Goal {
        over: Contender::XdpDrop,
        times: 0.8,
    }];
    table::append_ratios(report, what, Contender::RpcguardRate, &race, &goals);
    let passing_by = if effort.quick { 1_000_000 } else { 10_000_000 };
    append_held(report, &lanes, passing_by)
}

/// What one source is served after so many others: never more than its burst, and just that once the limit
/// of all together has recovered. With no place left for it, it would be all or nothing.
fn append_held(report: &mut Report, lanes: &[Lane], passing_by: u32) -> Result<()> {
    report.table(
        &format!(
            "One source after a flood of {} million packets from random ones",
            passing_by / 1_000_000
        ),
        &format!(
            "what is served of {CALLS} calls sent together: of one source right after the flood, of another {} s later",
            PAUSE.as_secs()
        ),
        &format!("{:<24}{:>12}{:>12}  target", "", "at once", "later"),
    );
    for lane in lanes {
        if lane.contender == Contender::XdpDrop {
            continue;
        }
        report.progress("a flood goes by", 0, 1);
        lane.flood(internet(Family::V4)?)?.send(passing_by)?;
        let at_once = served(lane, SOURCES[0])?;
        thread::sleep(PAUSE);
        let later = served(lane, SOURCES[1])?;
        append(report, lane.contender, at_once, later, passing_by);
    }
    Ok(())
}

fn append(report: &mut Report, contender: Contender, at_once: u64, later: u64, passing_by: u32) {
    let name = contender.name();
    let mut line = format!("{name:<24}{at_once:>12}{later:>12}");
    // The calls may take the fifth of a second after which one more is served.
    let is_held = at_once <= BURST + 1 && (BURST..=BURST + 1).contains(&later);
    let has_target = contender == Contender::RpcguardRate;
    let missed = has_target && !is_held;
    if has_target {
        line.push_str(&format!("  <= {BURST}, {BURST}"));
    }
    if missed {
        line.push_str(" MISSED");
    }
    report.line(
        &line,
        json!({
            "name": format!("{name}, after the flood"),
            "calls": CALLS,
            "served_at_once": at_once,
            "served_later": later,
            "packets_before": passing_by,
            "missed": missed,
        }),
    );
}

/// How many calls of a source get as far as the socket.
fn served(lane: &Lane, source: Ipv4Addr) -> Result<u64> {
    while lane.socket.next(PATIENCE)?.is_some() {}
    let before = without_room(&lane.wire.host)?;
    let source = Sources::any_of(IpAddr::from(source).into());
    lane.wire.send(&lane.call()?, source, CALLS)?;
    let mut served = 0;
    while lane.socket.next(PATIENCE)?.is_some() {
        served += 1;
    }
    Ok(served + without_room(&lane.wire.host)? - before)
}
