//! What a guard has kept from others.

use std::{io::Write, time::SystemTime};

use serde::Serialize;

use super::{
    Document, rfc3339, stdout,
    text::{Align, grouped, table},
};
use crate::{
    error::Result,
    guard::{Aggregate, Guard, SourceEstimate},
    portmapper::{ReplySize, ReplySizes},
};

/// How many sources are named.
const SOURCES: usize = 10;

#[derive(Serialize)]
struct ReportView {
    name: String,
    from: String,
    to: String,
    /// Whether the guard only observes at the moment, and drops nothing.
    observe: bool,
    /// Requests that were dropped.
    requests: u64,
    /// Their bytes on the wire.
    request_bytes: u64,
    /// Bytes of UDP payload of the replies that were not sent.
    reply_bytes: u64,
    procedures: Vec<ProcedureView>,
    /// Estimates.
    sources: Vec<SourceView>,
    /// Estimates.
    neighbourhoods: Vec<SourceView>,
}

#[derive(Serialize)]
struct ProcedureView {
    name: &'static str,
    requests: u64,
    /// Of one reply, in bytes of UDP payload.
    reply_size: u32,
    /// `measured` or `typical`.
    reply_size_is: &'static str,
    reply_bytes: u64,
}

#[derive(Serialize)]
struct SourceView {
    prefix: String,
    requests: u64,
    bytes: u64,
}

impl From<SourceEstimate> for SourceView {
    fn from(estimate: SourceEstimate) -> Self {
        Self {
            prefix: estimate.prefix.to_string(),
            requests: estimate.packets,
            bytes: estimate.bytes,
        }
    }
}

impl ReportView {
    fn of(guard: &Guard, sizes: &ReplySizes) -> Result<Self> {
        let counters = guard.counters()?;
        let procedures: Vec<_> = counters
            .requests()
            .filter(|(_, counter)| counter.dropped.packets != 0)
            .map(|(request, counter)| {
                let size = sizes.of(request);
                ProcedureView {
                    name: request.name(),
                    requests: counter.dropped.packets,
                    reply_size: size.bytes(),
                    reply_size_is: match size {
                        ReplySize::Measured(_) => "measured",
                        ReplySize::Typical(_) => "typical",
                    },
                    reply_bytes: counter.dropped.packets * u64::from(size.bytes()),
                }
            })
            .collect();
        Ok(Self {
            name: guard.interface().to_owned(),
            from: rfc3339(guard.attached_at()?),
            to: rfc3339(SystemTime::now()),
            observe: guard.policy()?.observe,
            requests: procedures.iter().map(|view| view.requests).sum(),
            request_bytes: counters.requests().map(|(_, c)| c.dropped.bytes).sum(),
            reply_bytes: procedures.iter().map(|view| view.reply_bytes).sum(),
            procedures,
            sources: top(guard, [Aggregate::HostV4, Aggregate::HostV6])?,
            neighbourhoods: top(
                guard,
                [Aggregate::NeighbourhoodV4, Aggregate::NeighbourhoodV6],
            )?,
        })
    }
}

/// The sources of both families with the most packets.
fn top(guard: &Guard, aggregates: [Aggregate; 2]) -> Result<Vec<SourceView>> {
    let mut estimates = Vec::new();
    for aggregate in aggregates {
        estimates.extend(guard.sources(aggregate)?);
    }
    estimates.sort_by_key(|estimate| std::cmp::Reverse(estimate.packets));
    estimates.truncate(SOURCES);
    Ok(estimates.into_iter().map(SourceView::from).collect())
}

pub(crate) fn print_json(guards: &[Guard], sizes: &ReplySizes) -> anyhow::Result<()> {
    let views = guards.iter().map(|guard| ReportView::of(guard, sizes));
    Document::new(views.collect::<Result<_>>()?).print()
}

pub(crate) fn print_text(guards: &[Guard], sizes: &ReplySizes) -> anyhow::Result<()> {
    let mut out = stdout();
    for (index, guard) in guards.iter().enumerate() {
        if index != 0 {
            writeln!(out)?;
        }
        print_one(&mut out, &ReportView::of(guard, sizes)?)?;
    }
    out.flush()?;
    Ok(())
}

fn print_one(out: &mut impl Write, view: &ReportView) -> anyhow::Result<()> {
    writeln!(out, "{}, from {} to {}", view.name, view.from, view.to)?;
    if view.observe {
        writeln!(
            out,
            "  At the moment this guard observes, and drops nothing."
        )?;
    }
    writeln!(
        out,
        "  {} requests to the portmapper were dropped ({} bytes).\n  \
         {} bytes of replies to them did not leave this host.",
        grouped(view.requests),
        grouped(view.request_bytes),
        grouped(view.reply_bytes),
    )?;
    if view.procedures.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    print_procedures(out, &view.procedures)?;
    for (title, sources) in [
        ("source", &view.sources),
        ("neighbourhood", &view.neighbourhoods),
    ] {
        if !sources.is_empty() {
            writeln!(out)?;
            print_sources(out, title, sources)?;
        }
    }
    writeln!(
        out,
        "\n  Sources are what the requests claim to be from, which in a reflection attack are its\n  \
         victims; their numbers are estimated from samples. Sizes of replies are those of the UDP\n  \
         payload; \"measured\" means that the portmapper of this host was asked."
    )?;
    Ok(())
}

fn print_procedures(out: &mut impl Write, procedures: &[ProcedureView]) -> anyhow::Result<()> {
    let header = ["request", "dropped", "reply", "", "bytes not sent"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(procedures.iter().map(|view| {
        let [size, how] = match view.reply_size {
            0 => ["none".to_owned(), String::new()],
            size => [grouped(size.into()), view.reply_size_is.to_owned()],
        };
        [
            view.name.to_owned(),
            grouped(view.requests),
            size,
            how,
            grouped(view.reply_bytes),
        ]
    }));
    let align = [
        Align::Left,
        Align::Right,
        Align::Right,
        Align::Left,
        Align::Right,
    ];
    Ok(table(out, align, &rows)?)
}

fn print_sources(out: &mut impl Write, title: &str, sources: &[SourceView]) -> anyhow::Result<()> {
    let mut rows = vec![[title, "requests", "bytes"].map(str::to_owned)];
    rows.extend(sources.iter().map(|view| {
        [
            view.prefix.clone(),
            format!("~{}", grouped(view.requests)),
            format!("~{}", grouped(view.bytes)),
        ]
    }));
    let align = [Align::Left, Align::Right, Align::Right];
    Ok(table(out, align, &rows)?)
}
