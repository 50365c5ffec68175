//! From the daemon's start to its end, and what is left then.

use nix::sys::signal::Signal;

use crate::harness::{Scene, table};

#[test]
fn at_the_start_what_matches_is_attached_and_what_is_attached_is_taken_on() {
    let test = "at_the_start_what_matches_is_attached_and_what_is_attached_is_taken_on";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("eth1");
    scene.site.add_interface("lan0");
    scene
        .site
        .rpcguard("attach eth1 --allow 192.0.2.0/24 --allow 10.0.0.0/8");
    let before = scene.status("eth1");

    let daemon = scene.start(&table(
        "\"eth*\", \"!*-peer\"",
        "\"192.0.2.0/24\", \"198.51.100.7\"",
    ));
    assert_eq!(scene.guarded(), ["eth0", "eth1"]);
    for interface in ["eth0", "eth1"] {
        assert_eq!(
            scene.allowed(interface),
            ["192.0.2.0/24", "198.51.100.7/32"]
        );
    }
    let after = scene.status("eth1");
    for same in ["link_id", "program_id", "attached_at"] {
        assert_eq!(after[same], before[same], "it was not attached anew");
    }
    let log = daemon.end();
    assert!(log.contains("eth0: guarded in native mode"), "{log}");
    assert_eq!(scene.guarded(), ["eth0", "eth1"], "they stay");
    scene.detach_all();
}

#[test]
fn killed_and_started_again_it_loses_nothing() {
    let Some(scene) = Scene::or_skip("killed_and_started_again_it_loses_nothing") else {
        return;
    };
    let daemon = scene.start(&table("\"eth0\"", "\"192.0.2.0/24\""));
    let before = scene.status("eth0");
    daemon.kill();
    assert_eq!(scene.status("eth0"), before);
    let daemon = scene.start_again();
    assert_eq!(scene.status("eth0"), before);
    assert!(daemon.log().contains("as before"), "{}", daemon.log());
    // What changed meanwhile is caught up with.
    daemon.kill();
    scene.write(
        "rpcguard.toml",
        &table("\"eth0\"", "\"192.0.2.0/24\", \"10.0.0.1\""),
    );
    let daemon = scene.start_again();
    assert_eq!(scene.allowed("eth0"), ["10.0.0.1/32", "192.0.2.0/24"]);
    assert_eq!(scene.status("eth0")["link_id"], before["link_id"]);
    daemon.end();
    scene.detach_all();
}

#[test]
fn told_so_by_the_file_it_detaches_what_it_guards_when_it_ends() {
    let test = "told_so_by_the_file_it_detaches_what_it_guards_when_it_ends";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("lan0");
    scene.site.rpcguard("attach lan0 --allow 192.0.2.0/24");
    let config = format!("on_stop = \"detach\"\n{}", table("\"eth0\"", ""));
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = scene.start(&config);
        assert_eq!(scene.guarded(), ["eth0", "lan0"]);
        daemon.signal(signal);
        assert!(daemon.wait().success());
        assert_eq!(scene.guarded(), ["lan0"], "what it was not told of stays");
    }
    scene.detach_all();
}

#[test]
fn a_second_daemon_is_refused_and_names_the_first() {
    let Some(scene) = Scene::or_skip("a_second_daemon_is_refused_and_names_the_first") else {
        return;
    };
    let first = scene.start(&table("\"eth0\"", ""));
    let config = scene.config();
    let second = scene
        .site
        .host
        .rpcguard(["run", "--config", config.to_str().unwrap()]);
    let second = second.exited_with(1);
    let name = format!(
        "another rpcguard daemon runs in this network namespace: process {}",
        first.id()
    );
    assert!(second.stderr.contains(&name), "{second}");
    // That of another network namespace is none of its business.
    let elsewhere = scene.path("elsewhere.toml");
    std::fs::write(&elsewhere, "[[guard]]\ninterfaces = [\"nothing\"]\n").unwrap();
    let mut other = scene
        .site
        .neighbour
        .command(rpcguard_tests::lab::rpcguard_binary());
    let mut other = other
        .args(["run", "--config"])
        .arg(&elsewhere)
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(other.try_wait().unwrap().is_none(), "it runs");
    other.kill().unwrap();
    other.wait().unwrap();
    // The claim goes with the process.
    first.kill();
    scene.start_again().end();
    scene.detach_all();
}

#[test]
fn a_file_of_what_is_attached_changes_nothing_when_it_is_run() {
    let test = "a_file_of_what_is_attached_changes_nothing_when_it_is_run";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("eth1");
    scene
        .site
        .rpcguard("attach eth0 --allow 192.0.2.0/24 --allow 2001:db8::/32 --deny 192.0.2.7 --only-to 203.0.113.1");
    scene
        .site
        .rpcguard("attach eth1 --port 7 --tcp --observe --rate 7/m --burst 3 --rate-total 900/s");
    scene.site.rpcguard("set eth1 --procedures v3.DUMP,NULL");
    let before = [scene.status("eth0"), scene.status("eth1")];
    let shown = scene.site.rpcguard("config show");
    let daemon = scene.start(&shown);
    assert_eq!([scene.status("eth0"), scene.status("eth1")], before);
    daemon.reload();
    assert_eq!([scene.status("eth0"), scene.status("eth1")], before);
    let log = daemon.end();
    assert!(!log.contains("changed"), "{log}");
    assert_eq!(scene.site.rpcguard("config show"), shown);
    scene.detach_all();
}
