//! What a flood leaves to those who have nothing to do with it: a TCP connection to the same host, and a
//! client of the portmapper that is allowed.
//!
//! A flood of a set rate and the receiver of the connection share a core; all else has the other one.

mod calls;
mod site;
mod table;
mod tcp;

use std::time::Duration;

use anyhow::Result;
use rpcguard_tests::lab::missing_tools;
use serde_json::json;

use self::{calls::Calls, site::Site};
use crate::{Effort, contender::Contender, cores::Core, report::Report};

/// From the least that a flood can take to the most. The first ones are those of a quick run.
const CONTENDERS: [Contender; 11] = [
    Contender::XdpDrop,
    Contender::Rpcguard,
    Contender::InputRules,
    Contender::NftIngress,
    Contender::RpcguardRate,
    Contender::RpcguardGeneric,
    Contender::XdpFilterPorts,
    Contender::XdpFilterAddresses,
    Contender::IptablesRaw,
    Contender::NftPrerouting,
    Contender::Nothing,
];

/// What bystanders of one contender got, in all rounds.
#[derive(Default)]
struct Got {
    /// Gbit/s.
    idle: Vec<f64>,
    /// Gbit/s.
    flooded: Vec<f64>,
    /// Packets a second.
    floods: Vec<f64>,
    idle_calls: Calls,
    flooded_calls: Calls,
    /// What one call in a hundred exceeds, in microseconds, round by round: without flood, and under it.
    slowest: Vec<[f64; 2]>,
}

impl Got {
    /// Which part of the throughput is left, in percent, round by round.
    fn shares(&self) -> Vec<f64> {
        let rounds = self.flooded.iter().zip(&self.idle);
        rounds
            .map(|(flooded, idle)| 100.0 * flooded / idle)
            .collect()
    }
}

/// Appends a table for the connection, and one for the client.
pub(crate) fn measure(effort: Effort, report: &mut Report) -> Result<()> {
    let cores = Core::all()?;
    let missing = match (cores.last_chunk(), missing_tools(&["iperf3"]).is_empty()) {
        (Some(cores), true) => {
            return cores[0].run(|| measure_on(effort, cores, report));
        }
        (None, _) => "this machine has one core",
        (_, false) => "iperf3 is not installed (Debian's package iperf3)",
    };
    report.table("Bystanders of a flood", "two cores", "");
    report.line(missing, json!({ "name": "bystanders", "missing": missing }));
    Ok(())
}

fn measure_on(effort: Effort, cores: &[Core; 2], report: &mut Report) -> Result<()> {
    let (contenders, rounds, time) = if effort.quick {
        (&CONTENDERS[..3], 5, Duration::from_millis(300))
    } else {
        (&CONTENDERS[..], 7, Duration::from_secs(1))
    };
    let (mut sites, mut absent) = (Vec::new(), Vec::new());
    for contender in contenders {
        match contender.missing() {
            Some(why) => absent.push((*contender, why)),
            None => sites.push(Site::set_up(*contender)?),
        }
    }
    let floods: Vec<_> = sites.iter().map(Site::flood).collect::<Result<_>>()?;
    let mut all_got: Vec<_> = sites.iter().map(|_| Got::default()).collect();
    for round in 0..rounds {
        report.progress("bystanders", round, rounds);
        for ((site, flood), got) in sites.iter().zip(&floods).zip(&mut all_got) {
            let idle = site.serve(cores, time)?;
            let (flooded, flood) = site.serve_flooded(flood, cores, time)?;
            let latencies = [&idle, &flooded].map(|service| service.calls.latency());
            if let [Some(idle), Some(flooded)] = latencies {
                got.slowest
                    .push([idle, flooded].map(|l| l.highest_hundredth()));
            }
            got.idle.push(idle.throughput);
            got.idle_calls.add(idle.calls);
            got.flooded.push(flooded.throughput);
            got.flooded_calls.add(flooded.calls);
            got.floods.push(flood);
        }
    }
    let contenders = sites.iter().map(|site| site.contender);
    let all_got: Vec<_> = contenders.zip(&all_got).collect();
    table::append_connections(report, &all_got, &absent)?;
    table::append_share(report, &all_got);
    table::append_clients(report, &all_got, &absent)?;
    table::append_slowest(report, &all_got);
    Ok(())
}
