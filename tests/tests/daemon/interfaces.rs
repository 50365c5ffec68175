//! Interfaces that appear, vanish, get other names, or cannot be guarded.

use rpcguard_tests::lab::LabProgram;

use crate::harness::{Scene, table};

#[test]
fn interfaces_are_guarded_when_they_appear_and_forgotten_when_they_vanish() {
    let test = "interfaces_are_guarded_when_they_appear_and_forgotten_when_they_vanish";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let daemon = scene.start(&table(
        "\"eth*\", \"!*-peer\", \"lan0\"",
        "\"192.0.2.0/24\"",
    ));
    assert!(
        daemon.log().contains("lan0 is not there"),
        "{}",
        daemon.log()
    );
    for _ in 0..3 {
        scene.site.add_interface("eth1");
        scene.wait_until("guarded", || scene.guarded() == ["eth0", "eth1"]);
        assert_eq!(scene.allowed("eth1"), ["192.0.2.0/24"]);
        scene.site.host.ip("link delete eth1").unwrap();
        scene.wait_until("forgotten", || scene.guarded() == ["eth0"]);
    }
    scene.site.add_interface("lan0");
    scene.site.add_interface("docker0");
    scene.wait_until("guarded", || scene.guarded() == ["eth0", "lan0"]);
    daemon.end();
    scene.detach_all();
}

#[test]
fn one_that_vanishes_while_no_daemon_runs_leaves_nothing_behind() {
    let test = "one_that_vanishes_while_no_daemon_runs_leaves_nothing_behind";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("eth1");
    scene.site.add_interface("lan0");
    scene.site.rpcguard("attach lan0");
    scene.start(&table("\"eth*\", \"!*-peer\"", "")).kill();
    scene.site.host.ip("link delete eth1").unwrap();
    scene.site.host.ip("link delete lan0").unwrap();
    assert_eq!(scene.guarded(), ["eth0", "eth1", "lan0"]);
    let daemon = scene.start_again();
    assert_eq!(scene.guarded(), ["eth0", "lan0"], "lan0 is not in the file");
    daemon.end();
    scene.detach_all();
}

#[test]
fn an_interface_with_another_name_goes_by_the_table_of_that() {
    let test = "an_interface_with_another_name_goes_by_the_table_of_that";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("eth1");
    let config = table("\"eth1\"", "\"192.0.2.1\"") + &table("\"lan*\"", "\"192.0.2.2\"");
    let daemon = scene.start(&config);
    let before = scene.status("eth1");
    let rename = |from: &str, to: &str| {
        scene
            .site
            .host
            .ip(&format!("link set {from} down"))
            .unwrap();
        scene
            .site
            .host
            .ip(&format!("link set {from} name {to}"))
            .unwrap();
        scene.site.host.ip(&format!("link set {to} up")).unwrap();
    };
    rename("eth1", "lan5");
    scene.wait_until("another table's", || {
        scene.allowed("lan5") == ["192.0.2.2/32"]
    });
    assert_eq!(
        scene.status("lan5")["link_id"],
        before["link_id"],
        "without a gap"
    );
    rename("lan5", "wan0");
    scene.wait_until("detached", || scene.guarded().is_empty());
    rename("wan0", "lan6");
    scene.wait_until("guarded", || scene.guarded() == ["lan6"]);
    assert_eq!(scene.allowed("lan6"), ["192.0.2.2/32"]);
    daemon.end();
    scene.detach_all();
}

#[test]
fn one_that_cannot_be_guarded_is_said_once_and_tried_again_while_others_are_served() {
    let test = "one_that_cannot_be_guarded_is_said_once_and_tried_again_while_others_are_served";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("eth1");
    let mut foreign = LabProgram::load(LabProgram::DROP).unwrap();
    let link = foreign.attach(&scene.site.host, "eth1").unwrap();
    let daemon = scene.start(&table("\"eth*\", \"!*-peer\"", ""));
    assert_eq!(scene.guarded(), ["eth0"]);
    let why = "eth1: NOT guarded, tried again later: `eth1` has an XDP program of somebody else";
    assert_eq!(daemon.log().matches(why).count(), 1, "{}", daemon.log());
    scene.site.add_interface("eth2");
    scene.wait_until("guarded", || scene.guarded() == ["eth0", "eth2"]);
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(daemon.log().matches(why).count(), 1, "{}", daemon.log());
    foreign.detach(link).unwrap();
    scene.wait_until("guarded", || scene.guarded() == ["eth0", "eth1", "eth2"]);
    daemon.end();
    scene.detach_all();
}

#[test]
fn a_driver_that_refuses_native_mode_gets_generic_mode_with_a_note() {
    let test = "a_driver_that_refuses_native_mode_gets_generic_mode_with_a_note";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let daemon = scene.start(&table("\"br*\"", ""));
    scene.site.host.ip("link add br0 type bridge").unwrap();
    scene.wait_until("guarded", || scene.status("br0")["mode"] == "generic");
    let log = daemon.end();
    assert!(
        log.contains("running in generic mode, which is slower"),
        "{log}"
    );
    scene.detach_all();
}
