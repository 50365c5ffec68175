//! What stands in the daemon's way, and keeps nothing else from being guarded.

use std::{
    fs,
    io::Write as _,
    process::{Child, Stdio},
    sync::Barrier,
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use rpcguard_tests::lab::{LabProgram, rpcguard_binary};

use crate::harness::{Daemon, Scene, table};

/// Longer than it takes to look at what nobody tells of.
const A_LOOK: Duration = Duration::from_millis(6500);

/// How long a daemon has run on processors, in hundredths of a second.
fn processor_time(daemon: &Daemon) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.id())).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields = rest.split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}

#[track_caller]
fn assert_idle(daemon: &Daemon) {
    let before = processor_time(daemon);
    thread::sleep(Duration::from_secs(2));
    let used = processor_time(daemon) - before;
    assert!(
        used < 40,
        "{used} hundredths of a second:\n{}",
        daemon.log()
    );
}

/// An `attach --confirm` of eth0 that waits to be confirmed.
fn try_out(scene: &Scene, seconds: &str) -> Child {
    let mut attach = scene.site.host.command(rpcguard_binary());
    attach
        .args([
            "attach",
            "eth0",
            "--allow",
            "10.0.0.1",
            "--confirm",
            seconds,
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let child = attach.spawn().unwrap();
    scene.wait_until("tried out", || scene.status("eth0")["confirmed"] == false);
    child
}

#[test]
fn what_is_not_to_be_guarded_any_more_is_not_tried_any_more() {
    let test = "what_is_not_to_be_guarded_any_more_is_not_tried_any_more";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("eth1");
    let mut foreign = LabProgram::load(LabProgram::DROP).unwrap();
    let link = foreign.attach(&scene.site.host, "eth1").unwrap();
    let daemon = scene.start(&table("\"eth*\", \"!*-peer\"", ""));
    assert!(
        daemon.log().contains("1 cannot be guarded yet"),
        "{}",
        daemon.log()
    );
    scene.write("rpcguard.toml", &table("\"eth0\"", ""));
    daemon.await_notification("STATUS=guarding 1 interface");
    assert_idle(&daemon);
    foreign.detach(link).unwrap();
    daemon.end();
    scene.detach_all();
}

#[test]
fn one_that_cannot_be_guarded_again_is_tried_until_it_can() {
    let test = "one_that_cannot_be_guarded_again_is_tried_until_it_can";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let daemon = scene.start(&table("\"eth0\"", ""));
    scene.detach_all();
    let mut foreign = LabProgram::load(LabProgram::DROP).unwrap();
    let link = foreign.attach(&scene.site.host, "eth0").unwrap();
    daemon.reload();
    let said = "eth0: NOT guarded, tried again later: `eth0` has an XDP program of somebody else";
    scene.wait_until("told of", || daemon.log().contains(said));
    assert_idle(&daemon);
    foreign.detach(link).unwrap();
    scene.wait_until("guarded", || scene.guarded() == ["eth0"]);
    daemon.end();
    scene.detach_all();
}

#[test]
fn a_configuration_that_is_being_written_or_has_become_empty_detaches_nothing() {
    let test = "a_configuration_that_is_being_written_or_has_become_empty_detaches_nothing";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("eth1");
    let both = table("\"eth0\"", "") + &table("\"eth1\"", "\"192.0.2.1\"");
    let daemon = scene.start(&both);
    let guarded = || scene.guarded();
    // Files that are so new are read once more.
    thread::sleep(Duration::from_secs(4));
    // A part of it, for less time than it takes to look twice.
    let mut file = fs::File::create(scene.config()).unwrap();
    file.write_all(table("\"eth0\"", "\"192.0.2.2\"").as_bytes())
        .unwrap();
    thread::sleep(Duration::from_millis(4500));
    assert_eq!(guarded(), ["eth0", "eth1"], "{}", daemon.log());
    file.write_all(table("\"eth1\"", "\"192.0.2.1\"").as_bytes())
        .unwrap();
    drop(file);
    scene.wait_until("reloaded", || scene.allowed("eth0") == ["192.0.2.2/32"]);
    assert_eq!(guarded(), ["eth0", "eth1"]);

    fs::write(scene.config(), "").unwrap();
    let refused = "has no [[guard]] table any more, and 2 of its interfaces are guarded";
    scene.wait_until("refused", || daemon.log().contains(refused));
    assert_eq!(guarded(), ["eth0", "eth1"]);
    // It is what is meant if nothing is guarded.
    scene.detach_all();
    scene.wait_until("noticed", || {
        daemon.log().matches("detached by somebody else").count() == 2
    });
    daemon.reload();
    scene.wait_until("reloaded", || daemon.log().contains("reloaded: guarding 0"));
    daemon.end();
}

#[test]
fn that_a_reload_was_refused_is_said_as_long_as_it_is_so() {
    let test = "that_a_reload_was_refused_is_said_as_long_as_it_is_so";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let daemon = scene.start(&table("\"eth0\"", ""));
    fs::write(scene.config(), "[[guard]").unwrap();
    daemon.await_notification("STATUS=not reloaded, see the log; guarding 1 interface");
    // Whoever asks again is told again.
    let refused = || daemon.log().matches("not reloaded, the former").count();
    assert_eq!(refused(), 1, "{}", daemon.log());
    daemon.reload();
    assert_eq!(refused(), 2, "{}", daemon.log());
    scene.site.add_interface("eth1");
    thread::sleep(A_LOOK);
    assert_eq!(refused(), 2, "{}", daemon.log());
    while let Some(told) = daemon.notification(Duration::ZERO) {
        assert!(!told.contains("STATUS=guarding"), "{told}");
    }
    scene.write("rpcguard.toml", &table("\"eth0\", \"eth1\"", ""));
    daemon.await_notification("STATUS=guarding 2 interfaces");
    daemon.end();
    scene.detach_all();
}

#[test]
fn metrics_that_cannot_be_served_yet_keep_nothing_from_being_guarded() {
    let test = "metrics_that_cannot_be_served_yet_keep_nothing_from_being_guarded";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let text =
        |allow| "metrics_listen = \"203.0.113.77:1\"\n".to_owned() + &table("\"eth0\"", allow);
    let daemon = scene.start(&text(""));
    assert_eq!(scene.guarded(), ["eth0"]);
    let said = "cannot serve metrics at 203.0.113.77:1";
    assert!(daemon.log().contains(said), "{}", daemon.log());
    scene.write("rpcguard.toml", &text("\"192.0.2.1\""));
    scene.wait_until("reloaded", || scene.allowed("eth0") == ["192.0.2.1/32"]);
    scene
        .site
        .host
        .ip("address add 203.0.113.77/32 dev lo")
        .unwrap();
    let served = "metrics are served at http://203.0.113.77:1/metrics";
    scene.wait_until("served", || daemon.log().contains(served));
    assert_eq!(daemon.log().matches(said).count(), 1, "{}", daemon.log());
    daemon.end();
    scene.detach_all();
}

#[test]
fn a_guard_that_is_tried_out_is_left_alone_until_that_is_over() {
    let test = "a_guard_that_is_tried_out_is_left_alone_until_that_is_over";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("eth1");
    let text = table("\"eth0\", \"eth1\"", "\"192.0.2.1\"") + "rate = \"5/s\"\n";
    for confirmed in [false, true] {
        let mut tried = try_out(&scene, if confirmed { "600" } else { "4" });
        let daemon = scene.start(&text);
        assert_eq!(
            scene.allowed("eth1"),
            ["192.0.2.1/32"],
            "others are guarded"
        );
        assert_eq!(scene.allowed("eth0"), ["10.0.0.1/32"]);
        let said = "eth0: guarded by an `attach --confirm` that is not confirmed yet";
        assert!(daemon.log().contains(said), "{}", daemon.log());
        if confirmed {
            scene.site.rpcguard("confirm");
        }
        assert_eq!(tried.wait().unwrap().success(), confirmed);
        // Taken on, or attached.
        scene.wait_until("as the table says", || {
            let status = scene.status("eth0");
            status["confirmed"] == true && scene.allowed("eth0") == ["192.0.2.1/32"]
        });
        daemon.end();
        scene.detach_all();
    }
}

#[test]
fn being_told_to_reload_ends_nobody_however_early() {
    let test = "being_told_to_reload_ends_nobody_however_early";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.write("rpcguard.toml", &table("\"eth0\"", ""));
    let (begun, over) = (Barrier::new(2), Barrier::new(2));
    let daemon = thread::scope(|scope| {
        scope.spawn(|| {
            scene.site.registry(|registry| {
                let _lock = registry.lock_to_attach().unwrap();
                begun.wait();
                over.wait();
            });
        });
        begun.wait();
        // It waits for the lock.
        let daemon = scene.spawn(&[]);
        thread::sleep(Duration::from_secs(1));
        daemon.signal(Signal::SIGHUP);
        over.wait();
        daemon
    });
    daemon.await_notification("READY=1");
    daemon.end();
    scene.detach_all();
}
