//! The test programs that run in virtual machines.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process;

/// Linked statically: a virtual machine has no libraries of its own.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A program in the virtual machine.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    /// Where it was built.
    pub(super) path: PathBuf,
    /// How it is run; the command is only there for the others.
    run: Option<Run>,
}

#[derive(Clone, Debug)]
struct Run {
    /// In seconds.
    limit: u32,
    arguments: Vec<String>,
    /// Further ones, on all kernels but the newest.
    elsewhere: Vec<String>,
}

/// A test program, and what of it is left out of the quick run.
struct Suite {
    name: &'static str,
    /// In seconds.
    limit: u32,
    /// Parts of names of tests that take long, or are much like others.
    slow: &'static [&'static str],
    /// Of tests that the quick run has on the newest kernel only.
    once: &'static [&'static str],
    /// Whether its tests must not run at once, as those must not that run programs without an interface:
    /// Linux 5.10 rewrites `bpf_dispatcher_xdp_func` each time, and two of them at a time have left both
    /// processors of an emulated machine in it for good.
    one_by_one: bool,
}

/// In the order in which they run.
const SUITES: [Suite; 6] = [
    Suite {
        name: "packet_table",
        limit: 300,
        slow: &["a_program_without_the_limiter", "for_several_buffers"],
        once: &[],
        one_by_one: true,
    },
    Suite {
        name: "packet_table_kernel",
        limit: 300,
        slow: &["constants::", "tries::"],
        once: &[],
        one_by_one: true,
    },
    Suite {
        name: "verifier",
        limit: 300,
        slow: &[],
        once: &[],
        one_by_one: false,
    },
    Suite {
        name: "devices",
        limit: 600,
        slow: &[
            "adopt::a_long_list",
            "bond::a_bond_that_",
            "bridge::what_a_guest_sends",
            "btf::",
            "jumbo::veth",
            "layer3::",
            "refusals::virtio_net_is_guarded",
            "vlan::a_vlan_device",
            "vlan::a_guard_of_a_vlan",
        ],
        once: &["bond::", "bridge::", "e1000", "jumbo::", "refusals::"],
        one_by_one: false,
    },
    Suite {
        name: "hunt",
        limit: 900,
        slow: &[
            "in_generic_mode",
            "no_jumbo_frame",
            "no_packet_is_judged",
            "what_was_found",
            "every_mistake",
        ],
        once: &[],
        one_by_one: false,
    },
    Suite {
        name: "lifecycle",
        limit: 3600,
        slow: &[
            "concurrent::",
            "gone::guards_of",
            "hits::",
            "names::interfaces_may",
            "interrupted::",
            "failing::",
            "killed::",
            "model::",
            "flood::",
            "temporary::the_last",
            "temporary::there_is",
            "temporary::what_is_listed_for_some_time_lapses_in",
        ],
        once: &["gone::a_new", "gone::the_guard", "library::"],
        one_by_one: false,
    },
];

/// The test program that records figures.
const FIGURES: &str = "verifier";

/// The test programs that run under systemd, and on this machine.
const DISABLE: &str = "disable";
const PACKAGES: &str = "packages";

/// The package that the tests are in.
const TESTS: &str = "rpcguard-tests";

/// The command, which tests run.
const COMMAND: &str = "rpcguard";

impl Program {
    /// Its line in the list that a virtual machine works through, whose kernel may be the newest.
    pub(super) fn line(&self, newest: bool) -> Option<String> {
        let run = self.run.as_ref()?;
        let elsewhere = run.elsewhere.iter().filter(|_| !newest);
        let arguments = run.arguments.iter().chain(elsewhere);
        let arguments: Vec<_> = arguments.map(String::as_str).collect();
        let Run { limit, .. } = run;
        Some(format!("{limit} {} {}\n", self.name, arguments.join(" ")))
    }
}

impl Program {
    /// The program, to run these tests alone, one by one.
    pub(super) fn with_only(&self, names: &[String]) -> Self {
        let mut program = self.clone();
        if let Some(run) = &mut program.run {
            run.arguments = ["--exact", "--test-threads=1"]
                .map(ToOwned::to_owned)
                .to_vec();
            run.arguments.extend_from_slice(names);
            run.elsewhere.clear();
        }
        program
    }
}

/// Which tests to run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    All,
    /// Without those that take long.
    Quick,
    /// Those whose names contain one of these.
    Named(&'a [String]),
    /// Only the program's figures.
    Figures,
}

/// What was built.
#[derive(Clone, Debug)]
pub(super) struct Built {
    /// The command, and the test programs for all kernels.
    pub(super) programs: Vec<Program>,
    /// The command, and its tests for systemd.
    pub(super) systemd: [Program; 3],
}

/// Builds the command and the test programs.
pub(super) fn build(which: Which<'_>) -> Result<Built> {
    let mut cargo = process::cargo(&["build", "--profile", "vm", "--target", TARGET]);
    cargo
        .args(["--package", COMMAND, "--bin", COMMAND, "--package", TESTS])
        .args(SUITES.iter().flat_map(|suite| ["--test", suite.name]))
        .args(["--test", DISABLE, "--test", PACKAGES])
        .args(["--message-format", "json-render-diagnostics"])
        // For this target alone: build scripts are for this machine, and stay as they are.
        .env(
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
            "-Ctarget-feature=+crt-static",
        )
        .stderr(std::process::Stdio::inherit());
    let output = cargo
        .output()
        .with_context(|| process::cannot_run(&cargo))?;
    if !output.status.success() {
        bail!("the programs for virtual machines cannot be built");
    }
    let built = executables(&String::from_utf8_lossy(&output.stdout));
    let path_of = |name: &str| {
        let found = built.iter().find(|(built, _)| built == name);
        found
            .map(|(_, path)| path.clone())
            .with_context(|| format!("cargo built no {name}"))
    };
    let only_there = |name: &'static str| -> Result<Program> {
        Ok(Program {
            name,
            path: path_of(name)?,
            run: None,
        })
    };
    let mut programs = vec![only_there(COMMAND)?];
    for suite in SUITES.iter().filter(|suite| suite.is_in(which)) {
        programs.push(Program {
            name: suite.name,
            path: path_of(suite.name)?,
            run: Some(Run {
                limit: suite.limit,
                arguments: suite.arguments(which),
                elsewhere: match which {
                    Which::Quick => without(suite.once),
                    _ => Vec::new(),
                },
            }),
        });
    }
    Ok(Built {
        programs,
        systemd: [
            only_there(COMMAND)?,
            only_there(DISABLE)?,
            only_there(PACKAGES)?,
        ],
    })
}

impl Suite {
    fn is_in(&self, which: Which<'_>) -> bool {
        !matches!(which, Which::Figures) || self.name == FIGURES
    }

    fn arguments(&self, which: Which<'_>) -> Vec<String> {
        let mut arguments = match which {
            Which::All | Which::Figures => Vec::new(),
            Which::Quick => without(self.slow),
            Which::Named(filters) => filters.to_vec(),
        };
        if self.one_by_one {
            arguments.push("--test-threads=1".to_owned());
        }
        arguments
    }
}

/// Arguments that leave out tests whose names contain one of these.
fn without(names: &[&str]) -> Vec<String> {
    names
        .iter()
        .flat_map(|name| ["--skip".to_owned(), (*name).to_owned()])
        .collect()
}

/// The names and paths of the command and of the test programs in cargo's messages: other programs of the
/// package may have the names of tests.
fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            let path = message["executable"].as_str()?;
            let is_test = message["target"]["kind"][0] == "test";
            (is_test || name == COMMAND).then(|| (name.to_owned(), PathBuf::from(path)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::executables;

    #[test]
    fn programs_are_found_in_what_cargo_says() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"hunt"},"executable":"/t/deps/hunt-1"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"hunt"},"executable":"/t/hunt"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"rpcguard"},"executable":"/t/rpcguard"}
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"serde"},"executable":null}
{"reason":"build-finished","success":true}
"#;
        let expected = [("hunt", "/t/deps/hunt-1"), ("rpcguard", "/t/rpcguard")];
        let found = executables(messages);
        assert_eq!(
            found,
            expected.map(|(name, path)| (name.to_owned(), path.into()))
        );
    }
}
