//! The short form of `cargo xtask soak`.

use std::{process::Command, time::Duration};

use nix::unistd::Uid;
use rpcguard_tests::lab::{Finished, rpcguard_binary, skip};

#[test]
fn everything_adds_up_and_nothing_grows_under_changes_a_flood_and_readers() {
    if !Uid::effective().is_root() {
        return skip(
            "everything_adds_up_and_nothing_grows_under_changes_a_flood_and_readers",
            "needs root, for network namespaces and BPF",
        );
    }
    let mut soak = Command::new(env!("CARGO_BIN_EXE_soak"));
    soak.arg("--quick").env("RPCGUARD_BIN", rpcguard_binary());
    let finished = Finished::wait_at_most(&mut soak, Duration::from_secs(120)).succeeded();
    eprintln!("{}", finished.stdout);
    let checkpoints = finished
        .stdout
        .lines()
        .filter(|line| line.contains(" packets, "));
    assert!(checkpoints.count() >= 3, "{finished}");
}
