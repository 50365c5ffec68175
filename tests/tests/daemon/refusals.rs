//! Daemons that do not start.

use std::fs;

use rpcguard_tests::lab::Finished;
use rpcguard_tests::{lab::rpcguard_binary, site::PATIENCE};

use crate::harness::{Scene, table};

#[test]
fn without_a_good_file_it_does_not_start_and_says_why() {
    let test = "without_a_good_file_it_does_not_start_and_says_why";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let run = || {
        let mut command = scene.site.host.command(rpcguard_binary());
        let command = command.args(["run", "--config"]).arg(scene.config());
        Finished::wait_at_most(command, PATIENCE)
            .exited_with(1)
            .stderr
    };
    let missing = run();
    assert!(
        missing.contains("rpcguard.toml cannot be read: No such file"),
        "{missing}"
    );
    fs::write(
        scene.config(),
        "[[guard]]\ninterfaces = [\"eth0\"]\nallow = [\"x\"]\n",
    )
    .unwrap();
    let bad = run();
    assert!(
        bad.contains("rpcguard.toml:3:10: `x` is not an IPv4 or IPv6 address"),
        "{bad}"
    );
    fs::write(scene.config(), table("\"eth0\"", "") + &table("\"e*\"", "")).unwrap();
    let twice = run();
    assert!(
        twice.contains("the interface `eth0` is matched by"),
        "{twice}"
    );
    assert_eq!(scene.guarded(), [""; 0]);
}

#[test]
fn somebody_who_is_not_root_is_told_what_is_missing() {
    let test = "somebody_who_is_not_root_is_told_what_is_missing";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    fs::write(scene.config(), table("\"eth0\"", "")).unwrap();
    let mut command = scene.site.host.command("setpriv");
    let command = command
        .args(["--bounding-set=-all", "--inh-caps=-all"])
        .arg(rpcguard_binary())
        .args(["run", "--config"])
        .arg(scene.config());
    let refused = Finished::wait_at_most(command, PATIENCE).exited_with(1);
    assert!(
        refused
            .stderr
            .contains("lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON"),
        "{refused}"
    );
}
