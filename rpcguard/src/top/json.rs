//! JSON documents. `docs/schema/top.json` describes them.

use std::io::Write as _;

use serde::{Serialize, Serializer};

use super::{
    lines::Now,
    model::{Interface, Model},
    order::Sort,
    rates::Flow,
    traffic::{SourceFlow, Traffic},
};
use crate::{
    guard::{Action, Mode},
    output::{self, SCHEMA_VERSION, rfc3339, rfc3339_to},
};

/// How many sources and prefixes are told of.
const MOST: usize = 20;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    time: String,
    interval_seconds: Rounded,
    interfaces: Vec<InterfaceView<'a>>,
}

#[derive(Serialize)]
struct InterfaceView<'a> {
    name: &'a str,
    state: &'static str,
    mode: Option<&'static str>,
    attached_at: Option<String>,
    unlisted: Option<&'static str>,
    measured: bool,
    packets_per_second: Rounded,
    bytes_per_second: Rounded,
    dropped_packets_per_second: Rounded,
    dropped_bytes_per_second: Rounded,
    reasons: Reasons<'a>,
    procedures: Procedures<'a>,
    sources: Sources,
    prefixes: Option<Vec<PrefixView>>,
}

/// To a thousandth: the clock is not better than that.
struct Rounded(f64);

impl Serialize for Rounded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.0 * 1000.0).round() / 1000.0)
    }
}

#[derive(Serialize)]
struct FlowView {
    packets_per_second: Rounded,
    bytes_per_second: Rounded,
    packets: u64,
    bytes: u64,
}

impl From<Flow> for FlowView {
    fn from(Flow { rate, total }: Flow) -> Self {
        Self {
            packets_per_second: Rounded(rate.packets),
            bytes_per_second: Rounded(rate.bytes),
            packets: total.packets,
            bytes: total.bytes,
        }
    }
}

/// An object with every reason, in the order of their numbers.
struct Reasons<'a>(&'a Traffic);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reasons = self.0.reasons();
        serializer.collect_map(reasons.map(|(reason, flow)| (reason.name(), FlowView::from(flow))))
    }
}

/// An object with every request, in the order of their numbers.
struct Procedures<'a>(&'a Traffic);

#[derive(Serialize)]
struct ProcedureView {
    passed: FlowView,
    dropped: FlowView,
}

impl Serialize for Procedures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let requests = self.0.requests();
        serializer.collect_map(requests.map(|(request, flow)| {
            let view = ProcedureView {
                passed: flow.passed.into(),
                dropped: flow.dropped.into(),
            };
            (request.name(), view)
        }))
    }
}

#[derive(Serialize)]
struct Sources {
    hosts: Vec<SourceView>,
    neighbourhoods: Vec<SourceView>,
}

#[derive(Serialize)]
struct SourceView {
    prefix: String,
    #[serde(flatten)]
    flow: FlowView,
    unnoticed: u64,
}

#[derive(Serialize)]
struct PrefixView {
    prefix: String,
    verdict: &'static str,
    #[serde(flatten)]
    flow: FlowView,
}

impl<'a> InterfaceView<'a> {
    fn of(interface: &'a Interface) -> Self {
        let Interface {
            name,
            standing,
            setup,
            traffic,
            ..
        } = interface;
        let setup = setup.as_ref().filter(|_| standing.has_guard());
        let (dropped, passed) = (traffic.of(Action::Drop).rate, traffic.of(Action::Pass).rate);
        let unwatched = setup.is_some_and(super::model::Setup::has_too_many_prefixes);
        Self {
            name,
            state: standing.name(),
            mode: setup.and_then(|setup| setup.mode).map(Mode::name),
            attached_at: setup.map(|setup| rfc3339(setup.attached_at)),
            unlisted: setup.map(|setup| match setup.policy.rate {
                Some(_) => "rate",
                None => "drop",
            }),
            measured: traffic.measured,
            packets_per_second: Rounded(dropped.packets + passed.packets),
            bytes_per_second: Rounded(dropped.bytes + passed.bytes),
            dropped_packets_per_second: Rounded(dropped.packets),
            dropped_bytes_per_second: Rounded(dropped.bytes),
            reasons: Reasons(traffic),
            procedures: Procedures(traffic),
            sources: Sources {
                hosts: sources(&traffic.hosts),
                neighbourhoods: sources(&traffic.neighbourhoods),
            },
            prefixes: (!unwatched).then(|| prefixes(traffic)),
        }
    }
}

fn sources(sources: &[SourceFlow]) -> Vec<SourceView> {
    let rows = Sort::Rate.rows(sources.iter().copied()).into_iter();
    let views = rows.take(MOST).map(|source| SourceView {
        prefix: source.prefix.to_string(),
        flow: source.flow.into(),
        unnoticed: source.unnoticed,
    });
    views.collect()
}

fn prefixes(traffic: &Traffic) -> Vec<PrefixView> {
    let rows = Sort::Rate
        .rows(traffic.prefixes.iter().copied())
        .into_iter();
    let views = rows.take(MOST).map(|hit| PrefixView {
        prefix: hit.prefix.to_string(),
        verdict: hit.verdict.name(),
        flow: hit.flow.into(),
    });
    views.collect()
}

/// Prints a document on one line.
pub(super) fn print(model: &Model, now: Now) -> anyhow::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        time: rfc3339_to(3, now.time),
        interval_seconds: Rounded(now.seconds),
        interfaces: model.interfaces.iter().map(InterfaceView::of).collect(),
    };
    let mut out = output::stdout();
    output::write_json(&mut out, &document)?;
    out.flush()?;
    Ok(())
}
