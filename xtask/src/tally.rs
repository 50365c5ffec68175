//! How many tests passed, failed and were skipped, over all that ran.

use std::{collections::BTreeSet, env, fmt};

/// More failures than these are not for lack of time.
const MAX_AGAIN: usize = 5;

/// Results so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: usize,
    /// As test programs count them, some of which may have died before saying which failed.
    failed: usize,
    failures: Vec<String>,
    /// Tests that failed, and passed when they were run again, alone.
    flaky: Vec<String>,
    skipped: BTreeSet<String>,
    /// Tests that a program left out for its own reasons.
    ignored: usize,
}

impl Tally {
    /// Reads one line of what `cargo test` prints.
    pub(crate) fn read_line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }

    /// Counts a test that passed only in that it found out that it cannot run here, and said so in
    /// the line `SKIPPED test: reason`.
    pub(crate) fn skipped(&mut self, line: &str) {
        let test = line.strip_prefix("SKIPPED ").unwrap_or(line);
        if self.skipped.insert(test.to_owned()) {
            self.passed = self.passed.saturating_sub(1);
        }
    }

    /// Counts a check of this program's own that could not be made.
    pub(crate) fn skip_check(&mut self, name: &str, reason: &str) {
        self.skipped.insert(format!("{name}: {reason}"));
    }

    /// Counts a check of this program's own.
    pub(crate) fn record(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(reason) => {
                self.failed += 1;
                self.failures.push(format!("{name}: {reason}"));
            }
        }
    }

    /// Adds what came of tests elsewhere, whose names then begin with `place`, unless that is
    /// empty.
    pub(crate) fn absorb(&mut self, place: &str, other: Self) {
        let there = |name: String| match place {
            "" => name,
            place => format!("{place}: {name}"),
        };
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.failures.extend(other.failures.into_iter().map(there));
        self.flaky.extend(other.flaky.into_iter().map(there));
        self.skipped.extend(other.skipped.into_iter().map(there));
    }

    /// The tests to run again in CI, whose machine is shared and slow at times: those that failed,
    /// if they are few, and if nothing but tests failed. Elsewhere, none: a test that fails at
    /// times is to be mended.
    pub(crate) fn worth_another_run(&self) -> Vec<String> {
        let in_ci = env::var_os("CI").is_some_and(|value| !value.is_empty());
        // The names of this program's own checks, and of documentation tests, have blanks in them.
        let only_tests = self.failures.len() == self.failed
            && self.failures.iter().all(|name| !name.contains(' '));
        if in_ci && only_tests && self.failed <= MAX_AGAIN {
            self.failures.clone()
        } else {
            Vec::new()
        }
    }

    /// Takes in what became of tests that were run again, alone: those that passed then have
    /// passed, and are listed as flaky.
    pub(crate) fn settle(&mut self, names: &[String], again: &Self) {
        if again.passed + again.failed < names.len() {
            return;
        }
        for name in names.iter().filter(|name| !again.failures.contains(name)) {
            self.failures.retain(|failure| failure != name);
            self.failed -= 1;
            self.passed += 1;
            self.flaky.push(name.clone());
        }
    }

    /// How many passed, failed and were skipped.
    pub(crate) fn counts(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skipped.len() + self.ignored
        )
    }

    /// Whether nothing has run yet.
    pub(crate) const fn is_empty(&self) -> bool {
        self.passed + self.failed == 0
    }

    /// Whether nothing has failed.
    pub(crate) const fn succeeded(&self) -> bool {
        self.failed == 0
    }
}

/// What was skipped and what failed, then the counts on a line of their own.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for skipped in &self.skipped {
            writeln!(f, "SKIPPED {skipped}")?;
        }
        if self.ignored > 0 {
            writeln!(f, "SKIPPED {} tests marked as ignored", self.ignored)?;
        }
        for flaky in &self.flaky {
            writeln!(
                f,
                "FLAKY {flaky}: failed, and passed when it was run again alone"
            )?;
        }
        for failure in &self.failures {
            writeln!(f, "FAILED {failure}")?;
        }
        writeln!(f, "{}", self.counts())
    }
}

/// The number before `what` in `ok. 5 passed; 0 failed; ...`.
fn count(counts: &str, what: &str) -> usize {
    let mut words = counts.split([' ', ';']).filter(|word| !word.is_empty());
    let mut previous = words.next();
    for word in words {
        if word == what {
            return previous.and_then(|number| number.parse().ok()).unwrap_or(0);
        }
        previous = Some(word);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn tally_of(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read_line(line));
        tally
    }

    fn closing_line(tally: &Tally) -> String {
        tally.to_string().lines().last().unwrap().to_owned()
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let tally = tally_of(
            "running 2 tests\n\
             test one ... ok\n\
             test two ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; \
             finished in 0.00s\n\
             test result: ok. 10 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; \
             finished in 1.50s",
        );
        assert_eq!(closing_line(&tally), "11 passed, 1 failed, 2 skipped");
        assert!(tally.to_string().contains("FAILED two\n"));
        assert!(!tally.succeeded());
    }

    #[test]
    fn a_test_that_passes_alone_is_flaky_and_one_that_fails_again_has_failed() {
        let names = ["one", "two"].map(str::to_owned);
        let first = "test one ... FAILED\n\
                     test two ... FAILED\n\
                     test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured;";
        for (second, expected) in [
            (
                "test one ... ok\n\
                 test two ... FAILED\n\
                 test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured;",
                "FLAKY one: failed, and passed when it was run again alone\n\
                 FAILED two\n\
                 8 passed, 1 failed, 0 skipped\n",
            ),
            // They were not run.
            (
                "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured;",
                "FAILED one\n\
                 FAILED two\n\
                 7 passed, 2 failed, 0 skipped\n",
            ),
        ] {
            let mut tally = tally_of(first);
            tally.settle(&names, &tally_of(second));
            assert_eq!(tally.to_string().trim_start(), expected);
        }
    }

    #[test]
    fn a_skipped_test_is_not_also_counted_as_passed() {
        let mut tally = tally_of("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured;");
        tally.skipped("SKIPPED jumbo_frames: no interface takes them");
        tally.skipped("SKIPPED jumbo_frames: no interface takes them");
        assert_eq!(closing_line(&tally), "2 passed, 0 failed, 1 skipped");
        assert!(
            tally
                .to_string()
                .contains("SKIPPED jumbo_frames: no interface takes them\n")
        );
    }

    #[test]
    fn programs_without_tests_leave_the_tally_empty() {
        let output = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out;";
        assert!(tally_of(output).is_empty());
    }
}
