//! The short form of `cargo xtask endure`.

use std::{process::Command, time::Duration};

use nix::unistd::Uid;
use rpcguard_tests::lab::{Finished, Flood, rpcguard_binary, skip};

#[test]
fn the_daemon_endures_reloads_under_a_flood_while_interfaces_come_and_go() {
    let test = "the_daemon_endures_reloads_under_a_flood_while_interfaces_come_and_go";
    if !Uid::effective().is_root() {
        return skip(test, "needs root, for network namespaces and BPF");
    }
    if !Flood::is_possible_or_skip(test) {
        return;
    }
    let mut endure = Command::new(env!("CARGO_BIN_EXE_endure"));
    endure
        .args([
            "--reloads",
            "20",
            "--interfaces",
            "12",
            "--prefixes",
            "3000",
        ])
        .args(["--rate", "5000", "--flood", "20000"])
        .env("RPCGUARD_BIN", rpcguard_binary());
    let finished = Finished::wait_at_most(&mut endure, Duration::from_secs(300)).succeeded();
    eprintln!("{}", finished.stdout);
    for said in [
        "20 reloads, of which 2 were refused as they should",
        "Not one wrong verdict.",
    ] {
        assert!(finished.stdout.contains(said), "{said}: {finished}");
    }
}
