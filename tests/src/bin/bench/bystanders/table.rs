//! What bystanders got, as rows.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Got, calls::Calls};
use crate::{
    chart::{Chart, Shape},
    contender::Contender,
    report::{Report, Target},
    samples::Samples,
};

/// Those that have targets.
const RPCGUARD: [Contender; 2] = [Contender::Rpcguard, Contender::RpcguardRate];

/// A row for each contender, one for each that is absent, and a chart.
pub(super) fn append_connections(
    report: &mut Report,
    all_got: &[(Contender, &Got)],
    absent: &[(Contender, String)],
) -> Result<()> {
    let mut bars = Vec::new();
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
        bars.push(contender.bar(share));
    }
    append_absent(report, absent);
    report.chart(&Chart {
        name: "bystanders-tcp".to_owned(),
        title: "What a flood leaves to a TCP connection".to_owned(),
        values: "percent of its throughput without flood; one core receives both".to_owned(),
        shape: Shape::Bars(bars),
    })
}

/// What the bare program leaves is what there is to be had: the same packets come and go.
pub(super) fn append_share(report: &mut Report, all_got: &[(Contender, &Got)]) {
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
    for contender in RPCGUARD {
        if let Some(own) = flooded(contender) {
            let name = format!("{}, TCP", contender.name());
            report.rate(&name, "Gbit/s", bare, own, Target::AtLeast(0.95));
        }
    }
}

/// As [`append_connections`].
pub(super) fn append_clients(
    report: &mut Report,
    all_got: &[(Contender, &Got)],
    absent: &[(Contender, String)],
) -> Result<()> {
    report.table(
        "An allowed client of a portmapper under the same flood",
        "GETPORT calls to rpcbind, which has the other core, as has the client; median and 99% of answers in µs",
        &format!(
            "{:<24}{:>26}{:>30}  target",
            "", "no flood", "flood"
        ),
    );
    // The bare program drops clients as well.
    let with_clients = all_got
        .iter()
        .filter(|(contender, _)| *contender != Contender::XdpDrop);
    let mut bars = Vec::new();
    for (contender, got) in with_clients {
        append_client(report, *contender, got);
        if let Some(latency) = got.flooded_calls.latency() {
            bars.push(contender.bar(latency.highest_hundredth()));
        }
    }
    append_absent(report, absent);
    report.chart(&Chart {
        name: "bystanders-client".to_owned(),
        title: "The slowest hundredth of an allowed client's answers under a flood".to_owned(),
        values: "microseconds".to_owned(),
        shape: Shape::Bars(bars),
    })
}

fn append_client(report: &mut Report, contender: Contender, got: &Got) {
    let name = contender.name();
    let of = |calls: &Calls| match calls.latency() {
        Some(latency) => format!(
            "{} of {}, {:.0}, {:.0}",
            calls.answered(),
            calls.made,
            latency.median(),
            latency.highest_hundredth()
        ),
        None => format!("0 of {}", calls.made),
    };
    let Got {
        idle_calls,
        flooded_calls,
        ..
    } = got;
    let missed = RPCGUARD.contains(&contender) && flooded_calls.answered() < flooded_calls.made;
    let demanded = match (RPCGUARD.contains(&contender), missed) {
        (false, _) => "",
        (true, false) => "  100%",
        (true, true) => "  100% MISSED",
    };
    report.line(
        &format!(
            "{name:<24}{:>26}{:>30}{demanded}",
            of(idle_calls),
            of(flooded_calls)
        ),
        json!({
            "name": format!("{name}, allowed client"),
            "idle": json_of(idle_calls),
            "flooded": json_of(flooded_calls),
            "missed": missed,
        }),
    );
}

pub(super) fn append_slowest(report: &mut Report, all_got: &[(Contender, &Got)]) {
    report.section(
        "The slowest hundredth of an allowed client's calls under the flood, over that without flood",
        "from the same rounds",
    );
    for (contender, got) in all_got {
        if RPCGUARD.contains(contender) && !got.slowest.is_empty() {
            let [idle, flooded] =
                [0, 1].map(|at| got.slowest.iter().map(|both| both[at]).collect::<Vec<_>>());
            let name = format!("{}, 99%", contender.name());
            report.rate(&name, "µs", &idle, &flooded, Target::AtMost(2.0));
        }
    }
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
