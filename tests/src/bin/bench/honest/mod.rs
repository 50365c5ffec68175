//! Honest clients that are in no list, while spoofed sources use up all that unlisted sources are
//! served: who is still answered?
//!
//! The clients are rpcinfo, which asks up to four times, 15 seconds apart, where the portmapper is, and
//! then once whether it answers. How many of these calls succeed is measured with each filter in turn.

mod caller;
mod trial;

use std::{thread, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};

use self::{
    caller::Kind,
    trial::{Flooding, Outcomes, Trial},
};
use crate::{Effort, contender::Contender, report::Report, samples::Samples};

/// The part of all calls that rpcguard has to bring through.
const TARGET: f64 = 0.95;

/// What can limit each source, and nothing.
const CONTENDERS: [Contender; 4] = [
    Contender::Nothing,
    Contender::RpcguardRate,
    Contender::NftDynamicSet,
    Contender::Hashlimit,
];

/// From the one that tells least from the clients to the one that tells most.
const FLOODS: [Flooding; 3] = [
    Flooding {
        name: "one call, from all of IPv4",
        sources: "0.0.0.0/0",
        distinct: false,
    },
    Flooding {
        name: "distinct calls, from all of IPv4",
        sources: "0.0.0.0/0",
        distinct: true,
    },
    Flooding {
        name: "distinct calls, from 2^20 sources",
        sources: "172.16.0.0/12",
        distinct: true,
    },
];

/// One table for each kind of flood, with a row for each filter.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let floods = if effort.quick { &FLOODS[..1] } else { &FLOODS };
    // Calls begin in this time; those that get no answer end a minute after it.
    let window = Duration::from_secs(if effort.quick { 5 } else { 20 });
    for flooding in floods {
        report.table(
            &format!("Honest clients under a flood of {}", flooding.name),
            &conditions(window),
            &heading(),
        );
        for (index, contender) in CONTENDERS.into_iter().enumerate() {
            if let Some(missing) = contender.missing() {
                let row = json!({ "name": contender.name(), "missing": missing });
                report.line(&format!("{:<20}{missing}", contender.name()), row);
                continue;
            }
            report.progress(flooding.name, index, CONTENDERS.len());
            let trial = trial::run(contender, flooding, window)?;
            append(report, contender, flooding, &trial);
        }
    }
    Ok(())
}

fn conditions(window: Duration) -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!(
        "5/s and a burst of 20 for each source; calls of rpcinfo that began in {} s; {cores} cores for \
         generator, filter, portmapper and clients",
        window.as_secs()
    )
}

fn heading() -> String {
    let mut heading = format!("{:<20}{:>12}{:>11}", "", "flood", "reached");
    for kind in Kind::ALL {
        heading.push_str(&format!("{:>22}{:>18}", kind.name(), "median, 99%"));
    }
    heading
}

fn append(report: &mut Report, contender: Contender, flooding: &Flooding, trial: &Trial) {
    let mut line = format!(
        "{:<20}{:>8.2} M/s{:>9.0}/s",
        contender.name(),
        trial.flood / 1e6,
        trial.reached
    );
    for kind in Kind::ALL {
        let Outcomes {
            calls,
            served,
            latency,
        } = trial.outcomes(Some(kind));
        let share = format!("{served} of {calls}, {:.0}%", percent(served, calls));
        let times = latency.map_or_else(String::new, |latency| {
            format!(
                "{:.2}, {:.2} s",
                latency.median(),
                latency.highest_hundredth()
            )
        });
        line.push_str(&format!("{share:>22}{times:>18}"));
    }
    let Outcomes { calls, served, .. } = trial.outcomes(None);
    let missed = contender == Contender::RpcguardRate && (served as f64) < TARGET * calls as f64;
    if contender == Contender::RpcguardRate {
        let remark = if missed { "MISSED" } else { "" };
        line.push_str(&format!("  >= {:.0}% {remark}", 100.0 * TARGET));
    }
    let kinds: Vec<Value> = Kind::ALL
        .map(|kind| json_of(kind, &trial.outcomes(Some(kind))))
        .into();
    report.line(
        line.trim_end(),
        json!({
            "name": format!("{}, {}", contender.name(), flooding.name),
            "flood_packets_per_second": trial.flood,
            "calls_per_second_that_reached_rpcbind": trial.reached,
            "clients": kinds,
            "target": (contender == Contender::RpcguardRate).then_some(TARGET),
            "missed": missed,
        }),
    );
}

fn json_of(kind: Kind, outcomes: &Outcomes) -> Value {
    let latency = outcomes.latency.as_ref();
    json!({
        "kind": kind.name(),
        "calls": outcomes.calls,
        "served": outcomes.served,
        "median_seconds": latency.map(Samples::median),
        "p99_seconds": latency.map(Samples::highest_hundredth),
    })
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}
