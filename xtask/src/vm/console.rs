//! Reading what a virtual machine says.

use super::kernels::Unpacked;
use crate::tally::Tally;

/// What the kernel says when it has found a fault in itself.
const TROUBLE: [&str; 9] = [
    "WARNING: ",
    "BUG: ",
    "Oops",
    "Kernel panic",
    "general protection fault",
    "unable to handle",
    "detected stall",
    "blocked for more than",
    "kernel BUG at",
];

/// What it says just before it warns of a card whose offloads the host has fixed, which XDP in generic
/// mode would have switched off: one of the tests has such a card.
const EXPECTED: [&str; 2] = ["failed to disable GRO_HW!", "failed to disable LRO!"];

/// What is before those lines that `init.sh` prints itself.
const MARK: &str = "@@ ";

/// What the tests said so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    tally: Tally,
    release: Option<String>,
    /// The program that runs.
    running: Option<String>,
    recorded: Vec<String>,
    done: bool,
}

impl Reader {
    /// Reads a line of the serial port that tests print to.
    pub(super) fn line(&mut self, line: &str) {
        let Some(said) = line.strip_prefix(MARK) else {
            return self.tally.read_line(line);
        };
        match said.split_once(' ').unwrap_or((said, "")) {
            ("KERNEL", release) => self.release = Some(release.to_owned()),
            ("RUN", program) => self.running = Some(program.to_owned()),
            ("END", rest) => self.end(rest),
            ("SKIPPED", _) => self.tally.skipped(said),
            ("RECORDED", figures) => self.recorded.push(figures.to_owned()),
            ("DONE", _) => self.done = true,
            _ => self
                .tally
                .record("the virtual machine", Err(said.to_owned())),
        }
    }

    /// A program has ended: its name, its exit code, and when it began and ended.
    fn end(&mut self, rest: &str) {
        self.running = None;
        let mut words = rest.split(' ');
        let (name, code) = (words.next().unwrap_or(rest), words.next().unwrap_or(""));
        // A test program exits with 101 if a test failed, and has said which.
        if !matches!(code, "0" | "101") || code == "101" && self.tally.succeeded() {
            let why = if code == "137" {
                "it was killed, as after its time limit".to_owned()
            } else {
                format!("exit code {code}")
            };
            self.tally.record(name, Err(why));
        }
    }

    /// The lines that were to be recorded.
    pub(super) fn recorded(&self) -> &[String] {
        &self.recorded
    }

    /// What it comes to: with why the machine stopped early, if it did, and what its kernel said, which
    /// can be read at `console`.
    pub(super) fn finish(
        mut self,
        stopped: Option<String>,
        messages: &str,
        console: &str,
        kernel: &Unpacked,
    ) -> Tally {
        if !self.done || stopped.is_some() {
            let during = self.running.as_deref().unwrap_or("boot");
            let why = stopped.unwrap_or_else(|| "the machine stopped".to_owned());
            self.tally
                .record(during, Err(format!("{why}; see {console}")));
        }
        if let Some(release) = self.release
            && release != kernel.release
        {
            let why = format!("{release} was booted, and not {}", kernel.release);
            self.tally.record("the kernel", Err(why));
        }
        let trouble = trouble_in(messages);
        self.tally.record(
            "the kernel finds no fault in itself",
            trouble.map_or(Ok(()), |line| Err(format!("{line}; see {console}"))),
        );
        self.tally
    }
}

/// The first line that tells of a fault.
fn trouble_in(messages: &str) -> Option<&str> {
    let has = |line: &str, any: &[&str]| any.iter().any(|words| line.contains(words));
    let mut previous = "";
    messages.lines().map(str::trim).find(|line| {
        let is_expected = has(previous, &EXPECTED);
        previous = line;
        has(line, &TROUBLE) && !is_expected
    })
}

#[cfg(test)]
mod tests {
    use super::{Reader, trouble_in};
    use crate::{tally::Tally, vm::kernels::Unpacked};

    fn tally_of(output: &str, stopped: Option<&str>, messages: &str) -> Tally {
        let mut reader = Reader::default();
        output.lines().for_each(|line| reader.line(line));
        let kernel = Unpacked {
            release: "6.1.0-50-amd64".to_owned(),
            image: "vmlinuz".into(),
            modules: "modules".into(),
        };
        reader.finish(stopped.map(ToOwned::to_owned), messages, "console", &kernel)
    }

    const WHOLE: &str = "@@ KERNEL 6.1.0-50-amd64\n\
                         @@ RUN packet_table\n\
                         test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured;\n\
                         @@ END packet_table 0 4.20 5.10\n\
                         @@ SKIPPED jumbo: no frags before Linux 5.18\n\
                         @@ DONE\n";

    #[test]
    fn a_whole_run_counts_tests_and_skips() {
        let tally = tally_of(WHOLE, None, "[    1.0] systemd is not here\n");
        assert!(tally.succeeded(), "{tally}");
        assert_eq!(tally.counts(), "3 passed, 0 failed, 1 skipped");
        assert!(tally.to_string().contains("jumbo: no frags"));
    }

    #[test]
    fn a_machine_that_stops_early_has_failed_where_it_was() {
        let (begun, _) = WHOLE.split_once("@@ END").unwrap();
        for (stopped, why) in [(None, "the machine stopped"), (Some("silent"), "silent")] {
            let tally = tally_of(begun, stopped, "");
            assert!(!tally.succeeded());
            let expected = format!("FAILED packet_table: {why}");
            assert!(tally.to_string().contains(&expected), "{tally}");
        }
        assert!(!tally_of("", None, "").succeeded());
    }

    #[test]
    fn a_program_that_is_killed_has_failed() {
        let killed = WHOLE.replace("packet_table 0", "packet_table 137");
        assert!(!tally_of(&killed, None, "").succeeded());
        let crashed = WHOLE.replace("packet_table 0", "packet_table 101");
        assert!(!tally_of(&crashed, None, "").succeeded());
    }

    #[test]
    fn another_kernel_than_was_asked_for_is_a_failure() {
        let other = WHOLE.replace("6.1.0-50", "6.12");
        assert!(!tally_of(&other, None, "").succeeded());
    }

    #[test]
    fn faults_of_the_kernel_are_failures() {
        for message in [
            "[   12.3] WARNING: CPU: 0 PID: 77 at net/core/dev.c:1 dev_xdp_install+0x1/0x2",
            "[   12.3] BUG: sleeping function called from invalid context",
            "[   12.3] Kernel panic - not syncing: Attempted to kill init!",
            "[   12.3] rcu: INFO: rcu_preempt self-detected stall on CPU",
        ] {
            assert_eq!(trouble_in(&format!("fine\n{message}\n")), Some(message));
            assert!(!tally_of(WHOLE, None, message).succeeded());
        }
        let warning =
            "[  1.2] WARNING: CPU: 0 PID: 7 at net/core/dev.c:1 generic_xdp_install+0x1/0x2";
        let expected = format!("[  1.1] netdevice: eth0: failed to disable LRO!\n{warning}\n");
        assert_eq!(trouble_in(&expected), None);
        assert_eq!(trouble_in(&format!("{expected}{warning}")), Some(warning));
    }
}
