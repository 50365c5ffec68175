//! Changes by hand beside the daemon, and those that rpcbind makes.

use std::{thread, time::Duration};

use rpcguard_tests::{
    lab::{Rpcbind, STRANGERS_TOOLS, Stranger, missing_tools, skip},
    site::Site,
};

use crate::harness::{Scene, table};

#[test]
fn what_is_changed_by_hand_stays_until_the_next_reload() {
    let test = "what_is_changed_by_hand_stays_until_the_next_reload";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let daemon = scene.start(&table("\"eth*\", \"!*-peer\"", "\"192.0.2.1\""));
    scene.site.rpcguard("allow add 198.51.100.7");
    scene.site.rpcguard("set eth0 --tcp on");
    scene.site.add_interface("eth1");
    scene.wait_until("guarded", || scene.guarded() == ["eth0", "eth1"]);
    assert_eq!(scene.allowed("eth0"), ["192.0.2.1/32", "198.51.100.7/32"]);
    scene
        .site
        .rpcguard("allow add 198.51.100.8 --for 1h -i eth0");
    daemon.reload();
    assert_eq!(
        scene.allowed("eth0"),
        ["192.0.2.1/32", "198.51.100.8/32"],
        "what has an end stays until then"
    );
    scene.site.rpcguard("allow remove 198.51.100.8 -i eth0");
    assert_eq!(scene.status("eth0")["policy"]["tcp"], false);

    scene.site.rpcguard("detach eth0");
    scene.site.add_interface("eth2");
    scene.wait_until("guarded", || scene.guarded() == ["eth1", "eth2"]);
    daemon.reload();
    assert_eq!(scene.guarded(), ["eth0", "eth1", "eth2"]);

    // Another guard in the place of the first is not taken for it, though it is as often changed.
    scene.site.rpcguard("detach eth0");
    scene.site.rpcguard("attach eth0 --allow 10.0.0.1");
    daemon.reload();
    assert_eq!(scene.allowed("eth0"), ["192.0.2.1/32"]);
    daemon.end();
    scene.detach_all();
}

#[test]
fn guards_that_are_in_no_table_are_left_alone_and_told_of_once() {
    let test = "guards_that_are_in_no_table_are_left_alone_and_told_of_once";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    scene.site.add_interface("lan0");
    scene.site.rpcguard("attach lan0 --allow 10.0.0.1");
    let daemon = scene.start(&table("\"eth0\"", ""));
    daemon.reload();
    assert_eq!(scene.allowed("lan0"), ["10.0.0.1/32"]);
    let log = daemon.end();
    assert_eq!(
        log.matches("lan0 is guarded and in no table").count(),
        1,
        "{log}"
    );
    scene.detach_all();
}

#[test]
fn the_ports_of_rpcbind_are_followed() {
    let Some(scene) = Scene::or_skip("the_ports_of_rpcbind_are_followed") else {
        return;
    };
    let extra = |site: &Site| {
        let ports = site.rpcguard("status --json");
        let json: serde_json::Value = serde_json::from_str(&ports).unwrap();
        let status = json["interfaces"][0].clone();
        let guarded = status["policy"]["ports"].as_array().unwrap().len();
        (
            guarded,
            status["unguarded_rpcbind_ports"].as_array().unwrap().len(),
        )
    };
    let rpcbind = Rpcbind::start_relaying(&scene.site.host).unwrap();
    let config = table("\"eth0\"", "") + "ports = [111, 2049]\nrpcbind_ports = true\n";
    let daemon = scene.start(&config);
    assert_eq!(extra(&scene.site), (4, 0), "one in each family");
    drop(rpcbind);
    scene.wait_until("forgotten", || extra(&scene.site) == (2, 0));
    let _rpcbind = Rpcbind::start_relaying(&scene.site.host).unwrap();
    scene.wait_until("guarded", || extra(&scene.site) == (4, 0));
    scene.site.rpcguard("set eth0 --tcp on");
    daemon.reload();
    assert_eq!(extra(&scene.site), (4, 0));
    assert_eq!(
        scene.status("eth0")["policy"]["tcp"],
        false,
        "the file is followed"
    );
    daemon.end();
    scene.detach_all();
}

#[test]
fn the_ports_of_a_stranger_called_rpcbind_are_not_followed() {
    let test = "the_ports_of_a_stranger_called_rpcbind_are_not_followed";
    let missing = missing_tools(&STRANGERS_TOOLS);
    if !missing.is_empty() {
        skip(test, &format!("not installed: {}", missing.join(", ")));
        return;
    }
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let script = r#"$0 = "rpcbind"; deaf("/run/theirs/rpcbind.sock"); my @s = (udp(40053), udp(53053)); ready(); answer(@s)"#;
    let stranger = Stranger::start(&scene.site.host, script).unwrap();
    let daemon = scene.start(&(table("\"eth0\"", "") + "rpcbind_ports = true\n"));
    let ports = || scene.status("eth0")["policy"]["ports"].clone();
    assert_eq!(ports(), serde_json::json!([111]));
    // Beside a real one, it adds nothing; what that has is guarded as soon as it is heard.
    let _rpcbind = Rpcbind::start_relaying(&scene.site.host).unwrap();
    scene.wait_until("guarded", || ports().as_array().unwrap().len() == 3);
    for port in [40053, 53053] {
        assert!(!ports().as_array().unwrap().contains(&port.into()));
    }
    drop(stranger);
    // A port that another process has as well is left to both, and the log has it.
    let taken = ports().as_array().unwrap()[1].clone();
    // One of TCP is not its port: the daemon, which looks every five seconds, keeps it guarded.
    let script = format!("tcp({taken})");
    let _of_tcp = Stranger::start(&scene.site.host, &script).unwrap();
    thread::sleep(Duration::from_secs(6));
    assert_eq!(ports().as_array().unwrap().len(), 3);
    // rpcbind has it in one family alone.
    let script = format!("eval {{ udp6_loopback({taken}) }} or udp({taken})");
    let _of_udp = Stranger::start(&scene.site.host, &script).unwrap();
    scene.wait_until("left alone", || ports().as_array().unwrap().len() == 2);
    assert!(!ports().as_array().unwrap().contains(&taken));
    let log = daemon.log();
    let warning = format!("rpcbind answers on UDP port {taken} too, which is not guarded");
    assert!(log.contains(&warning), "{log}");
    daemon.end();
    scene.detach_all();
}
