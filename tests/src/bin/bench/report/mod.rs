//! Rows for people on standard output, and the same as JSON in a file.

use std::{
    env, fs,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::samples::Samples;

/// What is demanded of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Nothing: it is shown.
    None,
    /// So much or less.
    AtMost(f64),
    /// So much or more.
    AtLeast(f64),
}

/// Whether a target was reached, as far as the spread of the rounds tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Reached,
    /// The result misses it, but a quarter of the rounds reach it.
    Unclear,
    Missed,
}

/// What a row shows.
struct Figure {
    /// The filter against the bare program.
    result: f64,
    /// The same, round by round.
    rounds: Samples,
    /// The bare program's own.
    bare: f64,
    /// Before the result.
    sign: char,
}

impl Target {
    fn verdict(self, figure: &Figure) -> Verdict {
        let reached = |value| match self {
            Self::None => true,
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        };
        let best_quarter = match self {
            Self::None | Self::AtMost(_) => figure.rounds.lower_quartile(),
            Self::AtLeast(_) => figure.rounds.upper_quartile(),
        };
        match (reached(figure.result), reached(best_quarter)) {
            (true, _) => Verdict::Reached,
            (false, true) => Verdict::Unclear,
            (false, false) => Verdict::Missed,
        }
    }

    fn limit(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::AtMost(limit) | Self::AtLeast(limit) => Some(limit),
        }
    }
}

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    sections: Vec<Value>,
    missed: Vec<String>,
    is_terminal: bool,
}

impl Report {
    /// Begins with what the figures depend on.
    pub(crate) fn begin() -> Self {
        println!("{}, Linux {}", cpu_model(), kernel_release());
        Self {
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

    /// Begins a table of costs or rates.
    pub(crate) fn section(&mut self, title: &str, conditions: &str) {
        let heading = format!(
            "{:<24}{:>16}{:>10}{:>18}  target",
            "", "bare program", "result", "half the rounds"
        );
        self.table(title, conditions, &heading);
    }

    /// Begins a table with columns of its own, whose rows are [lines](Self::line).
    pub(crate) fn table(&mut self, title: &str, conditions: &str, heading: &str) {
        self.end_progress();
        println!("\n{title}\n({conditions})\n\n{heading}");
        self.sections
            .push(json!({ "title": title, "conditions": conditions, "rows": [] }));
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
        let rounds = filtered
            .iter()
            .zip(bare)
            .map(|(filtered, bare)| filtered - bare);
        let rounds = Samples::new(rounds.collect());
        let bare = Samples::new(bare.to_vec()).lowest_tenth();
        let figure = Figure {
            result: Samples::new(filtered.to_vec()).lowest_tenth() - bare,
            rounds,
            bare,
            sign: '+',
        };
        self.row(name, against, &figure, target);
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
        let rounds = filtered
            .iter()
            .zip(bare)
            .map(|(filtered, bare)| filtered / bare);
        let rounds = Samples::new(rounds.collect());
        let figure = Figure {
            result: rounds.median(),
            rounds,
            bare: Samples::new(bare.to_vec()).median(),
            sign: 'x',
        };
        self.row(name, against, &figure, target);
    }

    fn row(&mut self, name: &str, against: &str, figure: &Figure, target: Target) {
        self.end_progress();
        let Figure {
            result,
            rounds,
            bare,
            sign,
        } = figure;
        let (low, high) = (rounds.lower_quartile(), rounds.upper_quartile());
        let demanded = match target {
            Target::None => String::new(),
            Target::AtMost(limit) => format!("<= {limit}"),
            Target::AtLeast(limit) => format!(">= {limit}"),
        };
        let verdict = target.verdict(figure);
        let remark = match verdict {
            Verdict::Reached => "",
            Verdict::Unclear => " ?",
            Verdict::Missed => " MISSED",
        };
        let line = format!(
            "{name:<24}{:>16}{:>10}{:>18}  {demanded}{remark}",
            format!("{against} {bare:.1}"),
            match sign {
                '+' => format!("{result:+.2}"),
                sign => format!("{sign}{result:.2}"),
            },
            format!("{low:.2} to {high:.2}"),
        );
        let row = json!({
            "name": name,
            "against": against,
            "bare": bare,
            "result": result,
            "lower_quartile": low,
            "upper_quartile": high,
            "target": target.limit(),
            "missed": verdict == Verdict::Missed,
        });
        self.line(&line, row);
    }

    /// A row as text and as JSON, which has a `name` and says whether it has `missed` a target.
    pub(crate) fn line(&mut self, line: &str, row: Value) {
        self.end_progress();
        println!("{line}");
        if row["missed"] == true {
            self.missed.extend(row["name"].as_str().map(str::to_owned));
        }
        let rows = self.sections.last_mut().map(|section| &mut section["rows"]);
        let rows = rows.and_then(Value::as_array_mut);
        rows.expect("a section was begun").push(row);
    }

    /// Writes the JSON, and says which targets were missed.
    pub(crate) fn end(self) -> Result<ExitCode> {
        self.end_progress();
        let this = env::current_exe().context("cannot tell where this program is")?;
        // This is target/<profile>/bench.
        let target = this
            .ancestors()
            .nth(2)
            .context("this program has no directory")?;
        let directory = target.join("bench");
        let file = directory.join("bench.json");
        let document = json!({
            "schema_version": 1,
            "cpu": cpu_model(),
            "kernel": kernel_release(),
            "sections": self.sections,
        });
        fs::create_dir_all(&directory)
            .and_then(|()| fs::write(&file, format!("{document:#}\n")))
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("\nThe same as JSON: {}", file.display());
        if self.missed.is_empty() {
            println!("No target is missed.");
            return Ok(ExitCode::SUCCESS);
        }
        println!("Targets missed: {}.", self.missed.join(", "));
        Ok(ExitCode::FAILURE)
    }
}

fn cpu_model() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model
        .map_or("unknown processor", |(_, name)| name)
        .to_owned()
}

fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .trim()
        .to_owned()
}
