//! The alert rules in `deploy/prometheus`.

use std::{collections::BTreeSet, path::PathBuf};

use rpcguard_ebpf::build::workspace;
use rpcguard_tests::lab::Finished;

use crate::promtool::promtool_or_skip;

pub(crate) fn directory() -> PathBuf {
    workspace().join("deploy/prometheus")
}

#[track_caller]
fn promtool(test: &str, arguments: &[&str]) -> Option<Finished> {
    let mut promtool = promtool_or_skip(test)?;
    promtool.current_dir(directory()).args(arguments);
    Some(Finished::wait_for(&mut promtool).succeeded())
}

#[test]
fn promtool_has_nothing_to_say_against_the_rules() {
    const TEST: &str = "promtool_has_nothing_to_say_against_the_rules";
    let checked = promtool(
        TEST,
        &["check", "rules", "--lint-fatal", "rpcguard.rules.yml"],
    );
    if let Some(checked) = checked {
        assert!(
            checked.stdout.contains("SUCCESS: 11 rules found"),
            "{checked}"
        );
    }
}

#[test]
fn each_alert_fires_when_it_should_and_not_otherwise() {
    const TEST: &str = "each_alert_fires_when_it_should_and_not_otherwise";
    if let Some(tested) = promtool(TEST, &["test", "rules", "rpcguard.rules.test.yml"]) {
        assert!(tested.stdout.contains("SUCCESS"), "{tested}");
    }
}

/// The words that follow a key, without the braces of a mapping on one line.
fn values_of<'a>(text: &'a str, key: &str) -> BTreeSet<&'a str> {
    text.match_indices(key)
        .map(|(at, _)| &text[at + key.len()..])
        .filter_map(|rest| {
            rest.split([' ', '\n', '}', ',', '"'])
                .find(|word| !word.is_empty())
        })
        .collect()
}

#[test]
fn each_alert_has_a_case_that_fires_and_one_that_does_not() {
    let read = |name| std::fs::read_to_string(directory().join(name)).unwrap();
    let (rules, tests) = (read("rpcguard.rules.yml"), read("rpcguard.rules.test.yml"));
    let (well, wrong) = tests.split_once("all is wrong").unwrap();
    let alerts = values_of(&rules, "- alert: ");
    assert_eq!(alerts.len(), 11);
    assert_eq!(values_of(well, "alertname: "), alerts);
    let firing = values_of(wrong, "alertname=\"");
    assert_eq!(firing, alerts);
    for alert in &alerts {
        assert!(alert.starts_with("Rpcguard"), "{alert}");
    }
    for part in ["summary: ", "description: ", "severity: "] {
        assert_eq!(rules.matches(part).count(), alerts.len(), "{part}");
    }
}
