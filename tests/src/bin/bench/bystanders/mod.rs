//! What a flood leaves to those who have nothing to do with it: a TCP connection to the same host, and a
//! client of the portmapper that is allowed.
//!
//! A flood of a set rate and the receiver of the connection share a core; all else has the other one.

mod calls;
mod site;
mod tcp;

use std::time::Duration;

use anyhow::Result;
use rpcguard_tests::lab::missing_tools;
use serde_json::{Value, json};

use self::{
    calls::Calls,
    site::{Service, Site},
};
use crate::{
    Effort,
    contender::Contender,
    cores::Core,
    report::{Report, Target},
    samples::Samples,
};

/// From the least that a flood can take to the most. The first ones are those of a quick run.
const CONTENDERS: [Contender; 11] = [
    Contender::XdpDrop,
    Contender::Rpcguard,
    Contender::NftIngress,
    Contender::InputRules,
    Contender::RpcguardRate,
    Contender::RpcguardGeneric,
    Contender::XdpFilterPorts,
    Contender::XdpFilterAddresses,
    Contender::IptablesRaw,
    Contender::NftPrerouting,
    Contender::Nothing,
];

/// How much longer than without the flood the slowest hundredth of an allowed client's calls may take.
const LATENCY_TARGET: f64 = 2.0;

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
        (&CONTENDERS[..4], 2, Duration::from_millis(400))
    } else {
        (&CONTENDERS[..], 9, Duration::from_secs(1))
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
            let Service { throughput, calls } = site.serve(cores, time)?;
            got.idle.push(throughput);
            got.idle_calls.add(calls);
            let (Service { throughput, calls }, flood) = site.serve_flooded(flood, cores, time)?;
            got.flooded.push(throughput);
            got.flooded_calls.add(calls);
            got.floods.push(flood);
        }
    }
    let contenders = sites.iter().map(|site| site.contender);
    let all_got: Vec<_> = contenders.zip(&all_got).collect();
    append_connections(report, &all_got);
    append_absent(report, &absent);
    append_share(report, &all_got);
    append_clients(report, &all_got);
    append_absent(report, &absent);
    Ok(())
}

fn append_connections(report: &mut Report, all_got: &[(Contender, &Got)]) {
    report.table(
        "A TCP connection to a host under a flood from random sources, in Gbit/s",
        "iperf3; its receiver shares a core with generator and filter, its sender has the other one;\n\
         bare XDP_DROP here drops all UDP and nothing else",
        &format!("{:<24}{:>12}{:>12}{:>12}{:>12}", "", "flood", "no flood", "flood", "left"),
    );
    for (contender, got) in all_got {
        let [flood, idle, flooded, share] = [&got.floods, &got.idle, &got.flooded, &got.shares()]
            .map(|s| Samples::new(s.clone()).median());
        report.line(
            &format!(
                "{:<24}{:>12}{idle:>12.2}{flooded:>12.2}{:>12}",
                contender.name(),
                format!("{:.2} M/s", flood / 1e6),
                format!("{share:.0}%"),
            ),
            json!({
                "name": contender.name(),
                "flood_packets_per_second": flood,
                "idle_gbit_per_second": idle,
                "flooded_gbit_per_second": flooded,
                "percent_left": share,
            }),
        );
    }
}

/// What the bare program leaves is what there is to be had: the same packets come and go.
fn append_share(report: &mut Report, all_got: &[(Contender, &Got)]) {
    let flooded = |wanted| {
        let found = all_got.iter().find(|(contender, _)| *contender == wanted);
        found.map(|(_, got)| &got.flooded)
    };
    let Some(bare) = flooded(Contender::XdpDrop) else {
        return;
    };
    report.section(
        "The connection under the flood, in Gbit/s over what is left by a program that drops all UDP",
        "from the same rounds",
    );
    for contender in [Contender::Rpcguard, Contender::RpcguardRate] {
        if let Some(own) = flooded(contender) {
            let name = format!("{}, TCP", contender.name());
            report.rate(&name, "Gbit/s", bare, own, Target::AtLeast(0.95));
        }
    }
}

fn append_clients(report: &mut Report, all_got: &[(Contender, &Got)]) {
    report.table(
        "An allowed client of a portmapper under the same flood",
        "GETPORT calls to rpcbind, which has the other core, as has the client; median and 99% of answers in µs",
        &format!(
            "{:<24}{:>26}{:>30}{:>10}",
            "", "no flood", "flood", "99%"
        ),
    );
    // The bare program drops clients as well.
    let with_clients = all_got
        .iter()
        .filter(|(contender, _)| *contender != Contender::XdpDrop);
    for (contender, got) in with_clients {
        append_client(report, *contender, got);
    }
}

fn append_client(report: &mut Report, contender: Contender, got: &Got) {
    let name = contender.name();
    let of = |calls: &Calls| match calls.latency() {
        Some(latency) => format!(
            "{:.1}%, {:.0}, {:.0}",
            100.0 * calls.answered() as f64 / calls.made as f64,
            latency.median(),
            latency.highest_hundredth()
        ),
        None => "0%".to_owned(),
    };
    let Got {
        idle_calls,
        flooded_calls,
        ..
    } = got;
    let slowest = [idle_calls, flooded_calls]
        .map(|calls| calls.latency().map(|latency| latency.highest_hundredth()));
    let slower = match slowest {
        [Some(idle), Some(flooded)] => Some(flooded / idle),
        _ => None,
    };
    let has_target = matches!(contender, Contender::Rpcguard | Contender::RpcguardRate);
    let all_answered = flooded_calls.answered() == flooded_calls.made;
    let missed = has_target && !(all_answered && slower.is_some_and(|s| s <= LATENCY_TARGET));
    let demanded = match (has_target, missed) {
        (false, _) => "",
        (true, false) => "  100%, <= 2",
        (true, true) => "  100%, <= 2 MISSED",
    };
    report.line(
        &format!(
            "{name:<24}{:>26}{:>30}{:>10}{demanded}",
            of(idle_calls),
            of(flooded_calls),
            slower.map_or_else(String::new, |slower| format!("x{slower:.2}")),
        ),
        json!({
            "name": format!("{name}, allowed client"),
            "idle": json_of(idle_calls),
            "flooded": json_of(flooded_calls),
            "p99_over_idle": slower,
            "missed": missed,
        }),
    );
}

fn json_of(calls: &Calls) -> Value {
    let latency = calls.latency();
    let latency = latency.as_ref();
    json!({
        "calls": calls.made,
        "answered": calls.answered(),
        "median_microseconds": latency.map(Samples::median),
        "p99_microseconds": latency.map(Samples::highest_hundredth),
    })
}

fn append_absent(report: &mut Report, absent: &[(Contender, String)]) {
    for (contender, why) in absent {
        let name = contender.name();
        report.line(
            &format!("{name:<24}{why}"),
            json!({ "name": name, "missing": why }),
        );
    }
}
