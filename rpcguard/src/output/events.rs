//! Drops, one a line.

use std::io::Write as _;

use serde::Serialize;

use super::{SCHEMA_VERSION, rfc3339_to, stdout, text::grouped, write_json};

use crate::guard::Event;

/// Digits of the second.
const MICROSECONDS: usize = 6;

#[derive(Serialize)]
struct EventView<'a> {
    schema_version: u32,
    time: String,
    interface: &'a str,
    source: String,
    reason: &'static str,
    procedure: &'static str,
    bytes: u32,
    /// Passed all the same, because the guard observes.
    observed: bool,
    /// Drops before it that are not told of.
    skipped: u64,
}

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            time: rfc3339_to(MICROSECONDS, event.time),
            interface: &event.interface,
            source: event.source.to_string(),
            reason: event.reason.name(),
            procedure: event.request.name(),
            bytes: event.length,
            observed: event.observed,
            skipped: event.skipped,
        }
    }
}

pub(crate) fn print_json(events: &[Event]) -> anyhow::Result<()> {
    let mut out = stdout();
    for event in events {
        write_json(&mut out, &EventView::from(event))?;
    }
    out.flush()?;
    Ok(())
}

pub(crate) fn print_text(events: &[Event]) -> anyhow::Result<()> {
    let mut out = stdout();
    for event in events {
        if event.skipped != 0 {
            writeln!(out, "  ... {} more", grouped(event.skipped))?;
        }
        writeln!(
            out,
            "{}  {}  {:<15}  {:<14}  {:<10}  {} bytes{}",
            rfc3339_to(MICROSECONDS, event.time),
            event.interface,
            event.source,
            event.request.name(),
            event.reason.name(),
            event.length,
            if event.observed { ", passed" } else { "" },
        )?;
    }
    out.flush()?;
    Ok(())
}
