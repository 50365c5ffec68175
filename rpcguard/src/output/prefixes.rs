//! Prefixes and their hits.

use std::io::Write as _;

use serde::Serialize;

use super::{
    Document, rfc3339, stdout,
    text::{Align, grouped, table},
};
use crate::{
    error::Result,
    guard::{Guard, ListedPrefix, Verdict},
};

#[derive(Serialize)]
struct PrefixList {
    name: String,
    prefixes: Vec<PrefixView>,
}

/// `packets` and `bytes` are null for prefixes beyond the number that has hits counted.
#[derive(Serialize)]
struct PrefixView {
    prefix: String,
    verdict: &'static str,
    packets: Option<u64>,
    bytes: Option<u64>,
    /// When it lapses; null if it is there for good.
    until: Option<String>,
}

fn of(guard: &Guard, verdict: Verdict) -> Result<impl Iterator<Item = ListedPrefix>> {
    Ok(guard
        .prefixes()?
        .into_iter()
        .filter(move |listed| listed.verdict == verdict))
}

fn until(listed: &ListedPrefix) -> Option<String> {
    Some(rfc3339(listed.until?.to_system_time()))
}

pub(crate) fn print_json(guards: &[Guard], verdict: Verdict) -> anyhow::Result<()> {
    let mut lists = Vec::with_capacity(guards.len());
    for guard in guards {
        let prefixes = of(guard, verdict)?.map(|listed| PrefixView {
            prefix: listed.prefix.to_string(),
            verdict: listed.verdict.name(),
            packets: listed.hits.map(|hits| hits.packets),
            bytes: listed.hits.map(|hits| hits.bytes),
            until: until(&listed),
        });
        lists.push(PrefixList {
            name: guard.interface().to_owned(),
            prefixes: prefixes.collect(),
        });
    }
    Document::new(lists).print()
}

pub(crate) fn print_text(guards: &[Guard], verdict: Verdict) -> anyhow::Result<()> {
    let mut out = stdout();
    for (index, guard) in guards.iter().enumerate() {
        if index != 0 {
            writeln!(out)?;
        }
        let mut rows = vec![["prefix", "packets", "bytes", ""].map(str::to_owned)];
        for listed in of(guard, verdict)? {
            let hits = |of: fn(rpcguard_common::abi::Counter) -> u64| {
                listed
                    .hits
                    .map_or_else(|| "-".to_owned(), |hits| grouped(of(hits)))
            };
            let (packets, bytes) = (hits(|hits| hits.packets), hits(|hits| hits.bytes));
            let until = until(&listed).map(|until| format!("until {until}"));
            rows.push([
                listed.prefix.to_string(),
                packets,
                bytes,
                until.unwrap_or_default(),
            ]);
        }
        let name = guard.interface();
        if rows.len() == 1 {
            writeln!(out, "{name}: the {verdict} list is empty")?;
            continue;
        }
        writeln!(out, "{name}: {verdict} list")?;
        table(
            &mut out,
            [Align::Left, Align::Right, Align::Right, Align::Left],
            &rows,
        )?;
    }
    out.flush()?;
    Ok(())
}
