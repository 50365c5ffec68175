//! Rows for people on standard output, and the same as JSON in a file, of which the charts and
//! docs/BENCHMARKS.md are made.

mod document;
mod machine;
mod target;

use std::{
    env, fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{chart::Chart, samples::Samples};

pub(crate) use self::target::Target;
use self::target::Verdict;

/// What a row shows.
struct Figure {
    result: f64,
    /// The same, round by round.
    rounds: Samples,
    /// What the result is relative to, and its own figure.
    against: Option<(String, f64)>,
    form: Form,
}

/// How a result is written.
#[derive(Clone, Copy)]
enum Form {
    /// So much more than what it is relative to.
    Over,
    /// So many times what it is relative to.
    Times,
    /// By itself.
    Amount,
}

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Value,
    sections: Vec<Value>,
    missed: Vec<String>,
    is_terminal: bool,
}

impl Report {
    /// Begins with what the figures depend on.
    pub(crate) fn begin() -> Self {
        println!("{}, Linux {}", machine::cpu(), machine::kernel());
        Self {
            machine: machine::describe(),
            sections: Vec::new(),
            missed: Vec::new(),
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Shows how far a scenario is, where somebody is looking.
    pub(crate) fn progress(&self, what: &str, round: usize, rounds: usize) {
        if self.is_terminal {
            eprint!("\r\x1b[K{what}: round {} of {rounds}", round + 1);
            let _ = io::stderr().flush();
        }
    }

    fn end_progress(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }

    /// Begins a table of costs, rates or amounts.
    pub(crate) fn section(&mut self, title: &str, conditions: &str) {
        let heading = columns(["", "against", "result", "half the rounds", "target", ""]);
        self.begin_table(title, conditions, &heading);
    }

    /// Begins a table with columns of its own, whose rows are [lines](Self::line).
    pub(crate) fn table(&mut self, title: &str, conditions: &str, heading: &str) {
        self.begin_table(title, conditions, heading);
        self.last_section()["heading"] = heading.into();
    }

    fn begin_table(&mut self, title: &str, conditions: &str, heading: &str) {
        self.end_progress();
        println!("\n{title}\n({conditions})\n\n{heading}");
        self.sections
            .push(json!({ "title": title, "conditions": conditions, "rows": [], "charts": [] }));
    }

    /// A row in nanoseconds over a bare program, measured in the same rounds. The result is that of
    /// an undisturbed machine: whatever else runs only adds to a cost.
    pub(crate) fn cost(
        &mut self,
        name: &str,
        against: &str,
        bare: &[f64],
        filtered: &[f64],
        target: Target,
    ) {
        let figure = Figure {
            result: cost(bare, filtered),
            rounds: round_by_round(filtered, bare, |filtered, bare| filtered - bare),
            against: Some((
                against.to_owned(),
                Samples::new(bare.to_vec()).lowest_tenth(),
            )),
            form: Form::Over,
        };
        self.row(name, figure, target);
    }

    /// A row of a rate as a part of a bare program's, measured in the same rounds. The result is the
    /// median of their ratios: what else runs meets both alike.
    pub(crate) fn rate(
        &mut self,
        name: &str,
        against: &str,
        bare: &[f64],
        filtered: &[f64],
        target: Target,
    ) {
        let rounds = round_by_round(filtered, bare, |filtered, bare| filtered / bare);
        let figure = Figure {
            result: rounds.median(),
            rounds,
            against: Some((against.to_owned(), Samples::new(bare.to_vec()).median())),
            form: Form::Times,
        };
        self.row(name, figure, target);
    }

    /// A row of what was measured by itself, in the unit that the section's title names. The result
    /// is the median.
    pub(crate) fn amount(&mut self, name: &str, rounds: &[f64], target: Target) {
        let rounds = Samples::new(rounds.to_vec());
        let figure = Figure {
            result: rounds.median(),
            rounds,
            against: None,
            form: Form::Amount,
        };
        self.row(name, figure, target);
    }

    /// A row of what cannot be measured, because a command is not installed.
    pub(crate) fn missing(&mut self, name: &str, command: &str, package: &str) {
        let remark = format!("{command} is missing: apt-get install {package}");
        let cells = [name, &remark, "", "", "", ""];
        let line = format!("{name:<38}{remark}");
        self.line(
            &line,
            json!({ "name": name, "missing": command, "cells": cells }),
        );
    }

    fn row(&mut self, name: &str, figure: Figure, target: Target) {
        let Figure {
            result,
            rounds,
            against,
            form,
        } = figure;
        let (low, high) = (rounds.lower_quartile(), rounds.upper_quartile());
        let verdict = target.verdict(result, &rounds);
        let against_shown = against.as_ref().map_or_else(String::new, |(name, figure)| {
            format!("{name} {}", decimal(*figure))
        });
        let cells = [
            name.to_owned(),
            against_shown,
            match form {
                Form::Over => format!("{result:+.2}"),
                Form::Times => format!("x{result:.2}"),
                Form::Amount => decimal(result),
            },
            match form {
                Form::Over | Form::Times => format!("{low:.2} to {high:.2}"),
                Form::Amount => format!("{} to {}", decimal(low), decimal(high)),
            },
            target.shown(),
            verdict.shown().to_owned(),
        ];
        let line = columns(cells.each_ref().map(String::as_str));
        let (against, bare) = against.unzip();
        let row = json!({
            "name": name,
            "against": against,
            "bare": bare,
            "result": result,
            "lower_quartile": low,
            "upper_quartile": high,
            "target": target.limit(),
            "missed": verdict == Verdict::Missed,
            "cells": cells,
        });
        self.line(&line, row);
    }

    /// A row as text and as JSON, which has a `name` and says whether it has `missed` a target.
    pub(crate) fn line(&mut self, line: &str, mut row: Value) {
        self.end_progress();
        println!("{line}");
        if row["missed"] == true {
            let title = self.last_section()["title"].as_str().unwrap_or_default();
            let title = title.split(", in ").next().unwrap_or_default();
            let name = row["name"].as_str().unwrap_or_default();
            let missed = format!("{title}: {name}");
            self.missed.push(missed);
        }
        row["text"] = line.into();
        append(&mut self.last_section()["rows"], row);
    }

    /// A chart of what the last table says.
    pub(crate) fn chart(&mut self, chart: &Chart) -> Result<()> {
        let chart = serde_json::to_value(chart).context("a chart cannot be JSON")?;
        append(&mut self.last_section()["charts"], chart);
        Ok(())
    }

    fn last_section(&mut self) -> &mut Value {
        self.sections.last_mut().expect("a section was begun")
    }

    /// Writes the JSON and the charts, and docs/BENCHMARKS.md if it is to be, and says which targets
    /// were missed.
    pub(crate) fn end(self, write_docs: bool) -> Result<ExitCode> {
        self.end_progress();
        let directory = target_directory()?.join("bench");
        let file = directory.join("bench.json");
        let document = json!({
            "schema_version": 2,
            "machine": self.machine,
            "sections": self.sections,
        });
        fs::create_dir_all(&directory)
            .and_then(|()| fs::write(&file, format!("{document:#}\n")))
            .with_context(|| format!("cannot write {}", file.display()))?;
        document::write_charts(&document, &directory)?;
        println!("\nThe same as JSON, and charts: {}", directory.display());
        if write_docs {
            let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
            document::write(&document, &docs)?;
        }
        if self.missed.is_empty() {
            println!("No target is missed.");
            return Ok(ExitCode::SUCCESS);
        }
        println!("Targets missed:\n  {}", self.missed.join("\n  "));
        Ok(ExitCode::FAILURE)
    }
}

/// What the filter costs over a bare program, on an undisturbed machine.
pub(crate) fn cost(bare: &[f64], filtered: &[f64]) -> f64 {
    Samples::new(filtered.to_vec()).lowest_tenth() - Samples::new(bare.to_vec()).lowest_tenth()
}

fn round_by_round(a: &[f64], b: &[f64], relate: impl Fn(f64, f64) -> f64) -> Samples {
    Samples::new(a.iter().zip(b).map(|(a, b)| relate(*a, *b)).collect())
}

fn append(array: &mut Value, item: Value) {
    array.as_array_mut().expect("an array").push(item);
}

/// A row of a table, within 120 columns.
fn columns([name, against, result, rounds, target, verdict]: [&str; 6]) -> String {
    let line = format!("{name:<38}{against:>20}{result:>11}{rounds:>20}  {target:<9}{verdict}");
    line.trim_end().to_owned()
}

/// With so many decimals as tell something.
fn decimal(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// This program is in `target/<profile>`.
fn target_directory() -> Result<PathBuf> {
    let this = env::current_exe().context("cannot tell where this program is")?;
    let target = this.ancestors().nth(2);
    Ok(target.context("this program has no directory")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{columns, cost, decimal};

    #[test]
    fn a_cost_is_that_of_the_undisturbed_rounds() {
        let bare = [10.0, 10.0, 10.0, 90.0];
        let filtered = [15.0, 15.0, 15.0, 15.0];
        assert_eq!(cost(&bare, &filtered), 5.0);
    }

    #[test]
    fn figures_have_three_digits() {
        assert_eq!([0.123, 12.34, 123.4].map(decimal), ["0.12", "12.3", "123"]);
    }

    #[test]
    fn a_row_fits_into_a_terminal() {
        let name = "listed, IPv6, random sources, 1,000,000";
        assert!(
            columns([
                name,
                "XDP_PASS 1234",
                "+123.45",
                "123.45 to 234.56",
                ">= 0.95",
                "MISSED"
            ])
            .len()
                <= 120
        );
    }
}
