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

/// Whether a target was reached, as far as the spread of the samples tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Reached,
    /// The median misses it, but a quarter of the samples reach it.
    Unclear,
    Missed,
}

impl Target {
    fn verdict(self, samples: &Samples) -> Verdict {
        let reached = |value| match self {
            Self::None => true,
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        };
        let best_quarter = match self {
            Self::None | Self::AtMost(_) => samples.lower_quartile(),
            Self::AtLeast(_) => samples.upper_quartile(),
        };
        match (reached(samples.median()), reached(best_quarter)) {
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

    /// Begins a table.
    pub(crate) fn section(&mut self, title: &str, conditions: &str) {
        self.end_progress();
        println!("\n{title}\n({conditions})\n");
        println!(
            "{:<24}{:>16}{:>10}{:>16}   target",
            "", "bare program", "median", "middle half"
        );
        self.sections
            .push(json!({ "title": title, "conditions": conditions, "rows": [] }));
    }

    /// A row in nanoseconds over a bare program.
    pub(crate) fn cost(
        &mut self,
        name: &str,
        against: &str,
        bare: &Samples,
        over: &Samples,
        target: Target,
    ) {
        let bare = format!("{against} {:.1}", bare.median());
        self.row(name, &bare, over, "+", target);
    }

    /// A row of a rate as a part of the bare program's.
    pub(crate) fn rate(&mut self, name: &str, bare: &Samples, ratio: &Samples, target: Target) {
        let bare = format!("XDP_DROP {:.2}", bare.median());
        self.row(name, &bare, ratio, "x", target);
    }

    fn row(&mut self, name: &str, bare: &str, samples: &Samples, sign: &str, target: Target) {
        self.end_progress();
        let (low, high) = (samples.lower_quartile(), samples.upper_quartile());
        let demanded = match target {
            Target::None => String::new(),
            Target::AtMost(limit) => format!("<= {limit}"),
            Target::AtLeast(limit) => format!(">= {limit}"),
        };
        let verdict = match target.verdict(samples) {
            Verdict::Reached => "",
            Verdict::Unclear => " (not clear)",
            Verdict::Missed => " MISSED",
        };
        let median = format!("{sign}{:.2}", samples.median());
        let middle = format!("{low:.2} to {high:.2}");
        println!("{name:<24}{bare:>16}{median:>10}{middle:>16}   {demanded}{verdict}");
        if target.verdict(samples) == Verdict::Missed {
            self.missed.push(name.to_owned());
        }
        let rows = self
            .sections
            .last_mut()
            .and_then(|section| section["rows"].as_array_mut());
        rows.expect("a section was begun").push(json!({
            "name": name,
            "bare": bare,
            "median": samples.median(),
            "lower_quartile": low,
            "upper_quartile": high,
            "target": target.limit(),
            "reached": target.verdict(samples) != Verdict::Missed,
        }));
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
            println!("Every target is reached.");
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
