//! What promtool says.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use rpcguard_tests::lab::{Finished, find_tool, missing_tools, skip};

use crate::status::busy_site;

/// promtool, or says that `test` is skipped.
pub(crate) fn promtool_or_skip(test: &str) -> Option<Command> {
    let missing = missing_tools(&["promtool"]);
    if !missing.is_empty() {
        skip(test, "promtool is missing: `cargo xtask setup` unpacks it");
        return None;
    }
    find_tool("promtool").map(Command::new)
}

/// Lints a text as `promtool check metrics` does.
fn lint(mut promtool: Command, text: &str) -> Finished {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    promtool.args(["check", "metrics"]).stdin(Stdio::from(file));
    Finished::wait_for(&mut promtool)
}

#[test]
fn promtool_has_nothing_to_say_against_the_metrics() {
    const TEST: &str = "promtool_has_nothing_to_say_against_the_metrics";
    let Some(promtool) = promtool_or_skip(TEST) else {
        return;
    };
    let Some(site) = busy_site(TEST) else {
        return;
    };
    let text = site.rpcguard("metrics");
    let linted = lint(promtool, &text).succeeded();
    assert_eq!((&*linted.stdout, &*linted.stderr), ("", ""));

    // It does look.
    let wrong = text.replace("_packets_total", "_packets");
    let linted = lint(promtool_or_skip(TEST).unwrap(), &wrong);
    assert!(!linted.is_success(), "{linted}");
    site.rpcguard("detach --all");
}
