//! What the service manager is told.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{Scene, table};

#[test]
fn the_service_manager_is_told_when_it_is_ready_reloads_and_ends() {
    let test = "the_service_manager_is_told_when_it_is_ready_reloads_and_ends";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.write("rpcguard.toml", &table("\"eth0\"", ""));
    let mut daemon = scene.spawn(&[]);
    let ready = daemon.await_notification("READY=1");
    assert!(ready.contains("STATUS=guarding 1 interface"), "{ready}");
    assert_eq!(scene.guarded(), ["eth0"], "it is ready only then");
    daemon.signal(Signal::SIGHUP);
    let reloading = daemon.await_notification("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    daemon.await_notification("READY=1");
    std::fs::write(scene.config(), "x").unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.await_notification("RELOADING=1");
    let refused = daemon.await_notification("READY=1");
    assert!(
        refused.contains("STATUS=not reloaded, see the log; guarding 1 interface"),
        "{refused}"
    );
    daemon.signal(Signal::SIGTERM);
    daemon.await_notification("STOPPING=1");
    assert!(daemon.wait().success());
    scene.detach_all();
}

#[test]
fn the_watchdog_is_told_in_time_and_only_if_it_is_asked_for() {
    let test = "the_watchdog_is_told_in_time_and_only_if_it_is_asked_for";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.write("rpcguard.toml", &table("\"eth0\"", ""));
    let daemon = scene.spawn(&[("WATCHDOG_USEC", "400000")]);
    for _ in 0..5 {
        daemon.await_notification("WATCHDOG=1");
    }
    let second = Duration::from_secs(1);
    // A daemon that is stopped says nothing, and that is what a watchdog is for.
    daemon.signal(Signal::SIGSTOP);
    while daemon.notification(Duration::from_millis(100)).is_some() {}
    assert_eq!(daemon.notification(second), None);
    daemon.signal(Signal::SIGCONT);
    daemon.await_notification("WATCHDOG=1");
    daemon.end();

    let daemon = scene.start_again();
    assert_eq!(daemon.notification(second), None, "nobody has asked");
    daemon.end();
    scene.detach_all();
}

#[test]
fn a_start_that_takes_long_asks_for_more_time() {
    let test = "a_start_that_takes_long_asks_for_more_time";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.write("rpcguard.toml", &table("\"eth0\"", ""));
    // A start takes longer than several of these.
    let daemon = scene.spawn(&[("WATCHDOG_USEC", "2000")]);
    let mut extended = 0;
    loop {
        let told = daemon.notification(Duration::from_secs(60)).unwrap();
        if told.contains("READY=1") {
            break;
        }
        extended += usize::from(told.contains("EXTEND_TIMEOUT_USEC=3000"));
    }
    assert!(extended > 0);
    while let Some(told) = daemon.notification(Duration::from_millis(20)) {
        assert!(!told.contains("EXTEND"), "it has started: {told}");
        if told.contains("STOPPING=1") {
            break;
        }
        daemon.signal(Signal::SIGTERM);
    }
    scene.detach_all();
}
