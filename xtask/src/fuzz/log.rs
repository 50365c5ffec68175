//! What libFuzzer says at the end.

use std::{fmt, fs, path::Path};

use anyhow::{Context as _, Result};

/// The result of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// How many inputs were tried.
    pub(super) executions: Option<u64>,
    /// Its last report: how many branches and features were reached, by how many inputs.
    report: String,
    /// Why it ended before its time.
    pub(super) finding: Option<Finding>,
}

/// An input that a property does not hold for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    what: String,
    /// Where the input is.
    reproducer: String,
}

impl Log {
    /// Reads what a fuzzer wrote, which succeeded or not.
    pub(super) fn read(path: &Path, succeeded: bool) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        // Inputs are printed as they are.
        Ok(Self::parse(&String::from_utf8_lossy(&bytes), succeeded))
    }

    fn parse(text: &str, succeeded: bool) -> Self {
        let mut log = Self::default();
        let mut what = None;
        let mut reproducer = None;
        for line in text.lines() {
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                log.executions = count.trim().parse().ok();
            } else if line.starts_with('#') && line.contains(" cov: ") {
                log.report = line.split_whitespace().collect::<Vec<_>>().join(" ");
            } else if let Some((_, path)) = line.split_once("Test unit written to ") {
                reproducer = Some(path.to_owned());
            } else if what.is_none() && (line.contains(" panicked at ") || line.contains("ERROR: "))
            {
                what = Some(line.to_owned());
            }
        }
        if !succeeded && (what.is_some() || reproducer.is_some()) {
            log.finding = Some(Finding {
                what: what.unwrap_or_else(|| "ended before its time".to_owned()),
                reproducer: reproducer.unwrap_or_else(|| "no file".to_owned()),
            });
        }
        log
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.executions {
            Some(executions) => write!(f, "{executions} executions")?,
            None => f.write_str("unknown executions")?,
        }
        match &self.finding {
            None => write!(f, ", clean; {}", self.report),
            Some(Finding { what, reproducer }) => {
                write!(f, ", FAILED: {what}; the input is in {reproducer}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_run_tells_how_much_was_tried() {
        let text = "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                    #900\tDONE   cov: 20 ft: 40 corp: 7/90b lim: 12 exec/s: 450 rss: 41Mb\n\
                    Done 900 runs in 2 second(s)\n\
                    stat::number_of_executed_units: 900\n";
        assert_eq!(
            Log::parse(text, true).to_string(),
            "900 executions, clean; #900 DONE cov: 20 ft: 40 corp: 7/90b lim: 12 exec/s: 450 rss: \
             41Mb"
        );
    }

    #[test]
    fn a_finding_tells_why_and_where() {
        let text = "thread '<unnamed>' (1) panicked at tests/fuzz/src/packet.rs:1:2:\n\
                    ==1== ERROR: libFuzzer: deadly signal\n\
                    stat::number_of_executed_units: 5\n\
                    artifact_prefix='x/'; Test unit written to x/crash-1\n";
        assert_eq!(
            Log::parse(text, false).to_string(),
            "5 executions, FAILED: thread '<unnamed>' (1) panicked at \
             tests/fuzz/src/packet.rs:1:2:; the input is in x/crash-1"
        );
    }

    #[test]
    fn what_did_not_run_is_no_result() {
        assert_eq!(Log::parse("no such file\n", false), Log::default());
    }
}
