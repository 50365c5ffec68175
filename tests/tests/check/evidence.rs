//! What an abuse desk is given.

use std::{fs, thread, time::Duration};

use nix::{
    mount::{MsFlags, mount},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rpcguard_tests::lab::rpcguard_binary;

use crate::scene::{ASKER, HOST, Scene, nft, rpcguard};

#[test]
fn evidence_has_times_addresses_probes_and_the_verdict() {
    let test = "evidence_has_times_addresses_probes_and_the_verdict";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("-r");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("evidence.txt");
    let command = format!("check {} --relay --evidence {}", HOST[0], file.display());
    let before = jiff::Timestamp::now();
    let finished = rpcguard(&scene.asker, &command).exited_with(3);
    let after = jiff::Timestamp::now();
    let text = fs::read_to_string(&file).unwrap();
    // All that is said on the terminal, and more.
    let (shown, next) = finished.stdout.split_once("next: ").unwrap();
    assert!(text.ends_with(shown), "{text}");
    // It is for another one than who asks.
    assert_eq!(next.lines().count(), 1);
    assert!(
        !text.contains("next: ") && !text.contains("as root"),
        "{text}"
    );
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].trim().to_owned()
    };
    assert_eq!(field("asked by"), node_name());
    let asked = format!("asked      {} from {}\n", HOST[0], ASKER[0]);
    assert!(text.contains(&asked), "{text}");
    let time = |text: &str| {
        text.split(' ')
            .next()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let (begun, ended) = (time(&field("begun")), time(&field("ended")));
    // To the millisecond.
    let slack = jiff::Span::new().milliseconds(1);
    assert!(
        before - slack <= begun && begun <= ended && ended <= after,
        "{text}"
    );

    let probes: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" port ") && line.starts_with("20"))
        .collect();
    assert_eq!(probes.len(), 8 + 5, "{text}");
    for probe in &probes {
        let sent = time(probe);
        assert!(begun - slack <= sent && sent <= ended, "{probe}");
    }
    let dump = probes
        .iter()
        .find(|line| line.contains("UDP port 111  v3 DUMP"))
        .unwrap();
    assert!(
        dump.contains(", 40 bytes, sent once: answered, 684 bytes from 192.0.2.1:111 after "),
        "{dump}"
    );
    // The reply itself: a transaction, REPLY, accepted, success, an entry, the portmapper.
    let lines: Vec<_> = text.lines().collect();
    let at = lines.iter().position(|line| line == dump).unwrap();
    assert!(
        lines[at + 1].contains(" 00000001 00000000 00000000 00000000 00000000 00000001 000186a0 "),
        "{text}"
    );

    // What is evidence stays as it is.
    let refused = rpcguard(&scene.asker, &command).exited_with(1);
    assert!(
        refused
            .stderr
            .contains("is there already, and evidence is not overwritten"),
        "{refused}"
    );
    assert_eq!(refused.stdout, "", "nothing was asked");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

fn node_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn evidence_is_of_other_hosts_and_in_files_that_can_be_written() {
    let test = "evidence_is_of_other_hosts_and_in_files_that_can_be_written";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let usage = rpcguard(&scene.host, "check --evidence x").exited_with(2);
    assert!(usage.stderr.contains("<HOST>"), "{usage}");
    let failed = rpcguard(&scene.asker, "check 192.0.2.1 --evidence /nonexistent/x").exited_with(1);
    assert!(
        failed.stderr.contains("cannot write /nonexistent/x"),
        "{failed}"
    );
}

#[test]
fn evidence_says_if_the_vantage_point_is_a_private_address() {
    let test = "evidence_says_if_the_vantage_point_is_a_private_address";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    for (net, kind) in [
        ("10.1.2", "a private"),
        ("100.64.0", "a carrier's shared (CGNAT)"),
    ] {
        for (host, last) in [(&scene.host, 1), (&scene.asker, 2)] {
            host.ip(&format!("address add {net}.{last}/24 dev eth0"))
                .unwrap();
        }
        let file = directory.path().join(net);
        let command = format!("check {net}.1 --wait 1 --evidence {}", file.display());
        let _ = rpcguard(&scene.asker, &command).exited_with(0);
        let text = fs::read_to_string(&file).unwrap();
        let line = format!("asked      {net}.1 from {net}.2, {kind} address: ");
        assert!(text.contains(&line), "{text}");
        assert!(text.contains("\nwaited     1 s for answers"), "{text}");
    }
}

#[test]
fn an_interrupted_check_leaves_no_file() {
    let test = "an_interrupted_check_leaves_no_file";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    nft(&scene.host, "udp dport 111 drop; tcp dport 111 drop;");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("evidence.txt");
    let mut child = scene
        .asker
        .command(rpcguard_binary())
        .args(["check", HOST[0], "--wait", "10", "--evidence"])
        .arg(&file)
        .spawn()
        .unwrap();
    // It asks for ten seconds.
    thread::sleep(Duration::from_millis(500));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn what_was_found_is_said_though_the_evidence_finds_no_room() {
    let test = "what_was_found_is_said_though_the_evidence_finds_no_room";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    scene.asker.enter(|| {
        fs::create_dir("/run/full").unwrap();
        mount(
            Some("tmpfs"),
            "/run/full",
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=4k"),
        )
        .unwrap();
        fs::write("/run/full/other", [0; 4096]).unwrap();
    });
    let command = format!("check {} --wait 2 --evidence /run/full/x", HOST[0]);
    let failed = rpcguard(&scene.asker, &command).exited_with(1);
    assert!(failed.stdout.contains("\nEXPOSED: 192.0.2.1 "), "{failed}");
    assert!(
        failed.stderr.contains("cannot write /run/full/x"),
        "{failed}"
    );
}
