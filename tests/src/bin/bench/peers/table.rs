//! What a race came to, as rows.

use anyhow::Result;
use serde_json::json;

use super::race::{Entry, Race};
use crate::{
    chart::{Chart, Shape},
    contender::Contender,
    report::{Report, Target},
    samples::Samples,
};

/// What is demanded of a contender: so many times the rate of another one.
#[derive(Clone, Copy)]
pub(super) struct Goal {
    pub(super) over: Contender,
    pub(super) times: f64,
}

/// A row for each contender, and a chart of that name.
pub(super) fn append_rates(
    report: &mut Report,
    chart: &str,
    what: &str,
    conditions: &str,
    race: &Race,
    absent: &[(Contender, String)],
) -> Result<()> {
    let heading = format!(
        "{:<24}{:>8}{:>16}{:>12}{:>24}{:>12}",
        "", "M/s", "half of them", "ns each", "ns without the sending", "dropped"
    );
    let title = format!("Flood from {what}, in million packets a second");
    report.table(&title, conditions, &heading);
    let to_send = race.to_send().median();
    report.line(
        &format!("{:<24}{:>36}", "generator alone", format!("{to_send:.0}")),
        json!({ "name": "generator alone", "nanoseconds": to_send }),
    );
    for entry in &race.entries {
        append_rate(report, race, entry);
    }
    for (contender, why) in absent {
        let name = contender.name();
        report.line(
            &format!("{name:<24}{why}"),
            json!({ "name": name, "missing": why }),
        );
    }
    let entries = race.entries.iter();
    let bars = entries.map(|entry| entry.contender.bar(Samples::new(entry.rates()).median()));
    report.chart(&Chart {
        name: format!("flood-{chart}"),
        title: format!("Flood from {what}"),
        values: "million packets a second on one core, which sends them as well".to_owned(),
        shape: Shape::Bars(bars.collect()),
    })
}

fn append_rate(report: &mut Report, race: &Race, entry: &Entry) {
    let name = entry.contender.name();
    let rates = Samples::new(entry.rates());
    let (rate, low, high) = (
        rates.median(),
        rates.lower_quartile(),
        rates.upper_quartile(),
    );
    let receiving = Samples::new(race.receiving_rates(entry)).median();
    let nanoseconds = |rate| 1e3 / rate;
    report.line(
        &format!(
            "{name:<24}{rate:>8.2}{:>16}{:>12.0}{:>24.0}{:>12}",
            format!("{low:.2} to {high:.2}"),
            nanoseconds(rate),
            nanoseconds(receiving),
            format!("{:.1}%", 100.0 * entry.dropped),
        ),
        json!({
            "name": name,
            "million_packets_per_second": rate,
            "lower_quartile": low,
            "upper_quartile": high,
            "nanoseconds": nanoseconds(rate),
            "nanoseconds_without_sending": nanoseconds(receiving),
            "dropped": entry.dropped,
        }),
    );
}

/// A row for each goal of `favourite`, and another for the rates without the sending.
pub(super) fn append_ratios(
    report: &mut Report,
    what: &str,
    favourite: Contender,
    race: &Race,
    goals: &[Goal],
) {
    let Some(own) = race.entry(favourite) else {
        return;
    };
    report.section(
        &format!("{} over others, {what}", favourite.name()),
        "in million packets a second, from the same rounds",
    );
    for Goal { over, times } in goals {
        let Some(other) = race.entry(*over) else {
            continue;
        };
        report.rate(
            over.name(),
            "M/s",
            &other.rates(),
            &own.rates(),
            Target::AtLeast(*times),
        );
        report.rate(
            "  without the sending",
            "M/s",
            &race.receiving_rates(other),
            &race.receiving_rates(own),
            Target::None,
        );
    }
}
