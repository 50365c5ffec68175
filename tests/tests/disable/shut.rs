//! What `rpcguard disable --apply` says when the port is shut.

use rpcguard_tests::lab::Finished;

/// Asserts that all four probes were refused.
#[track_caller]
pub(crate) fn assert_shut(finished: &Finished) {
    for probe in [
        "UDP  127.0.0.1:111  connection refused",
        "UDP  [::1]:111      connection refused",
        "TCP  127.0.0.1:111  connection refused",
        "TCP  [::1]:111      connection refused",
    ] {
        assert!(
            finished.stdout.contains(probe),
            "{probe} is not in {finished}"
        );
    }
}

/// The lines that a person would type, which come first.
pub(crate) fn steps(finished: &Finished) -> Vec<&str> {
    let is_step = |line: &&str| !line.starts_with("  ") && !line.starts_with("the portmapper is");
    finished.stdout.lines().take_while(is_step).collect()
}
