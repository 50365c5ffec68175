//! docs/BENCHMARKS.md and the charts, made of the JSON.
//!
//! What people write stands outside of two marks, and stays.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize as _;
use serde_json::Value;

use crate::chart::Chart;

const BEGIN: &str = "<!-- measured: from here on written by `cargo xtask bench --write-docs` -->";
const END: &str = "<!-- measured: to here -->";

/// Where charts are, beside the document.
const CHARTS: &str = "bench";

/// Writes all charts into a directory, which is there.
pub(super) fn write_charts(document: &Value, directory: &Path) -> Result<()> {
    for chart in items(document, "sections").flat_map(|section| items(section, "charts")) {
        let chart = Chart::deserialize(chart).context("no chart")?;
        let file = directory.join(format!("{}.svg", chart.name));
        fs::write(&file, chart.svg())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Writes `BENCHMARKS.md` into a directory, and its charts into one below.
pub(super) fn write(document: &Value, directory: &Path) -> Result<()> {
    let charts = directory.join(CHARTS);
    fs::create_dir_all(&charts).with_context(|| format!("cannot make {}", charts.display()))?;
    write_charts(document, &charts)?;
    let file = directory.join("BENCHMARKS.md");
    let before = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            format!("# Benchmarks\n\n{BEGIN}\n{END}\n")
        }
        text => text.with_context(|| format!("cannot read {}", file.display()))?,
    };
    let after = between_marks(&before, &measured(document)).with_context(|| {
        format!(
            "{} lacks the marks that the figures stand between",
            file.display()
        )
    })?;
    fs::write(&file, after).with_context(|| format!("cannot write {}", file.display()))?;
    println!("The same for people: {}", file.display());
    Ok(())
}

fn between_marks(text: &str, new: &str) -> Result<String> {
    let (head, rest) = text.split_once(BEGIN).context("no begin")?;
    let (_, tail) = rest.split_once(END).context("no end")?;
    ensure!(!tail.contains(BEGIN), "two of them");
    Ok(format!("{head}{BEGIN}\n\n{new}\n{END}{tail}"))
}

/// What stands between the marks.
fn measured(document: &Value) -> String {
    let mut text = machine(&document["machine"]);
    for section in items(document, "sections") {
        let [title, conditions] = ["title", "conditions"].map(|key| shown(&section[key]));
        text.push_str(&format!("\n## {title}\n\nConditions: {conditions}.\n\n"));
        match section["heading"].as_str() {
            Some(heading) => free_table(&mut text, heading, section),
            None => table(&mut text, section),
        }
        for chart in items(section, "charts") {
            let [title, name] = ["title", "name"].map(|key| shown(&chart[key]));
            text.push_str(&format!("\n![{title}]({CHARTS}/{name}.svg)\n"));
        }
    }
    text
}

fn machine(machine: &Value) -> String {
    let versions = machine["versions"].as_object().into_iter().flatten();
    let versions = versions.map(|(name, version)| match version.as_str() {
        // Most programs say their name first.
        Some(version) if version.starts_with(name) => version.to_owned(),
        Some(version) => format!("{name}: {version}"),
        None => format!("{name}: not installed"),
    });
    let lines = [
        ("machine", shown(&machine["cpu"])),
        ("cores", shown(&machine["cores"])),
        ("memory", format!("{} MiB", shown(&machine["memory_mib"]))),
        ("kernel", format!("Linux {}", shown(&machine["kernel"]))),
        ("versions", versions.collect::<Vec<_>>().join("; ")),
        ("commit", shown(&machine["commit"])),
        ("command", format!("`{}`", shown(&machine["command"]))),
        ("date", shown(&machine["date"])),
    ];
    let mut text = "| | |\n|---|---|\n".to_owned();
    for (name, value) in lines {
        text.push_str(&format!("| {name} | {value} |\n"));
    }
    text
}

/// The columns that every cost, rate and amount has.
fn table(text: &mut String, section: &Value) {
    text.push_str(
        "| | against | result | half the rounds | target | |\n|---|---:|---:|---:|---:|---|\n",
    );
    for row in items(section, "rows") {
        let cells: Vec<_> = items(row, "cells").map(shown).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

/// As on the terminal.
fn free_table(text: &mut String, heading: &str, section: &Value) {
    text.push_str(&format!("```text\n{heading}\n"));
    for row in items(section, "rows") {
        text.push_str(&format!("{}\n", shown(&row["text"])));
    }
    text.push_str("```\n");
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{BEGIN, END, between_marks, measured};

    #[test]
    fn what_people_wrote_stays() {
        let first =
            between_marks(&format!("# Title\n{BEGIN}\n{END}\nReasons.\n"), "1 ns\n").unwrap();
        let second = between_marks(&first, "2 ns\n").unwrap();
        assert_eq!(second, first.replace("1 ns", "2 ns"));
        assert!(second.starts_with("# Title\n") && second.ends_with("\nReasons.\n"));
    }

    #[test]
    fn without_marks_nothing_is_overwritten() {
        for text in ["", BEGIN, END] {
            assert!(between_marks(text, "1 ns").is_err());
        }
    }

    #[test]
    fn tables_and_charts_are_shown() {
        let text = measured(&json!({
            "machine": {},
            "sections": [{
                "title": "Cost", "conditions": "none",
                "rows": [{ "cells": ["TCP", "XDP_PASS 20", "+1.00", "0.90 to 1.10", "<= 2", "reached"] }],
                "charts": [{ "name": "cost", "title": "The cost" }],
            }, {
                "title": "Other", "conditions": "none", "heading": "      a",
                "rows": [{ "text": "row   1" }],
            }],
        }));
        assert!(text.contains("| TCP | XDP_PASS 20 | +1.00 | 0.90 to 1.10 | <= 2 | reached |\n"));
        assert!(text.contains("![The cost](bench/cost.svg)"));
        assert!(text.contains("```text\n      a\nrow   1\n```\n"));
    }
}
