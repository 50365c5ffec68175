//! What `attach`, `set` and `status` say about ports that stay open.

use std::{io::ErrorKind, time::Duration};

use rpcguard_tests::{
    lab::{Host, skip},
    packet::rpc,
};
use serde_json::json;

use crate::{
    documents::LocalDocument,
    scene::{HOST, Scene, read, rpcguard},
};

/// Whether the portmapper answers somebody over UDP at this port.
fn answers(asker: &Host, port: u16) -> bool {
    let socket = asker
        .enter(|| std::net::UdpSocket::bind("0.0.0.0:0"))
        .unwrap();
    socket.connect((HOST[0], port)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    socket.send(&rpc::DUMP).unwrap();
    match socket.recv(&mut [0; 2048]) {
        Ok(len) => len > rpc::DUMP.len(),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    }
}

/// The ports of rpcbind besides 111, that of IPv4 first.
fn extra_ports(scene: &Scene) -> [u16; 2] {
    let found: LocalDocument = read(&rpcguard(&scene.host, "check --json"));
    let port = |address: &str| {
        let mut sockets = found.sockets.iter();
        let socket = sockets.find(|socket| {
            socket.address == address && socket.port.is_some_and(|port| port != 111)
        });
        socket.unwrap().port.unwrap()
    };
    [port("0.0.0.0"), port("::")]
}

fn in_order(mut ports: Vec<u16>) -> Vec<u16> {
    ports.sort_unstable();
    ports
}

#[test]
fn rpcbinds_other_ports_are_guarded_if_asked_for_and_warned_of_if_not() {
    let test = "rpcbinds_other_ports_are_guarded_if_asked_for_and_warned_of_if_not";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let rpcbind = scene.rpcbind("-r");
    let ports = extra_ports(&scene);
    let unguarded = || {
        let status = scene.does("status --json").json();
        status["interfaces"][0]["unguarded_rpcbind_ports"].clone()
    };
    assert!(answers(&scene.asker, 111) && answers(&scene.asker, ports[0]));

    scene.does("attach eth0 --allow 198.51.100.1");
    assert!(!answers(&scene.asker, 111) && answers(&scene.asker, ports[0]));
    assert_eq!(unguarded(), json!(in_order(ports.to_vec())));
    let status = scene.does("status").stdout;
    assert!(
        status.contains("  WARNING: rpcbind answers on UDP ports "),
        "{status}"
    );

    // To a guard that is there, they are added.
    scene.does("set eth0 --port 111 --port 2049");
    scene.does("attach eth0 --replace --rpcbind-ports");
    assert!(!answers(&scene.asker, 111) && !answers(&scene.asker, ports[0]));
    assert_eq!(unguarded(), json!([]));
    let status = scene.does("status --json").json();
    let guarded = in_order(vec![111, 2049, ports[0], ports[1]]);
    assert_eq!(status["interfaces"][0]["policy"]["ports"], json!(guarded));
    assert!(!scene.does("status").stdout.contains("WARNING"));
    scene.does("detach eth0");

    // At first, they are guarded beside the usual one.
    scene.does("attach eth0 --rpcbind-ports");
    let status = scene.does("status --json").json();
    let guarded = in_order(vec![111, ports[0], ports[1]]);
    assert_eq!(status["interfaces"][0]["policy"]["ports"], json!(guarded));

    // After its next start, they are others.
    drop(rpcbind);
    let _rpcbind = scene.rpcbind("-r");
    let now = extra_ports(&scene);
    assert_ne!(now, ports);
    let warned = unguarded();
    assert_eq!(warned, json!(in_order(now.to_vec())));
    let status = scene.does("status").stdout;
    let (_, command) = status.split_once("`rpcguard ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    // The warning says how.
    scene.does(command);
    assert_eq!(unguarded(), json!([]));
    assert!(!answers(&scene.asker, now[0]));
    scene.does("detach eth0");
}

#[test]
fn attach_says_what_remains_exposed() {
    let test = "attach_says_what_remains_exposed";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let remains = |arguments: &str| {
        let said = scene.does(arguments).stderr;
        let line = said.strip_prefix("note: the portmapper can still be used by anybody on ");
        let line = line.map(|line| {
            line.strip_suffix("; `rpcguard check` tells more\n")
                .unwrap()
        });
        assert!(line.is_some() || said.is_empty(), "{said}");
        line.map(str::to_owned)
    };
    // Without portmapper, there is nothing to expose.
    assert_eq!(remains("attach eth0"), None);
    scene.does("detach eth0");

    let _rpcbind = scene.rpcbind("");
    assert_eq!(
        remains("attach eth0").as_deref(),
        Some("TCP port 111 (through eth0)")
    );
    assert_eq!(remains("attach eth0 --replace --tcp"), None);
    scene.does("detach eth0");
    scene
        .host
        .ip("link add eth1 type veth peer name wire")
        .unwrap();
    scene.host.ip("link set eth1 up").unwrap();
    assert_eq!(
        remains("attach eth0 --tcp").as_deref(),
        Some("UDP port 111 and TCP port 111 (through eth1)")
    );
    assert_eq!(remains("attach eth1 --tcp"), None);
    assert_eq!(
        remains("attach eth0 --replace --observe").as_deref(),
        Some("UDP port 111 and TCP port 111 (through eth0)")
    );
    scene.does("detach --all");
}

#[test]
fn the_next_step_of_check_is_what_helps() {
    let test = "the_next_step_of_check_is_what_helps";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("-r");
    let [v4, v6] = extra_ports(&scene);
    let [low, high] = [v4.min(v6), v4.max(v6)];
    for begun in [
        "attach eth0 --port 2049",
        "attach eth0 --observe",
        "attach eth0 --tcp",
        "attach eth0",
    ] {
        scene.does(begun);
        let next = scene.check(3).next_step.unwrap();
        scene.does(next.strip_prefix("rpcguard ").unwrap());
        let found = rpcguard(&scene.host, "check");
        assert_eq!(found.code, Some(0), "after {begun} and {next}: {found}");
        scene.does("detach eth0");
    }
    scene.does("attach eth0");
    assert_eq!(
        scene.check(3).next_step.unwrap(),
        format!("rpcguard set eth0 --tcp on --port 111 --port {low} --port {high}")
    );
    // Everybody is allowed: that is no guard.
    scene.does("attach eth0 --replace --rpcbind-ports --tcp --allow 0.0.0.0/0");
    let found = scene.check(3);
    assert_eq!(
        found.next_step.as_deref(),
        Some("rpcguard allow list -i eth0")
    );
    scene.does("allow remove 0.0.0.0/0");
    let _ = scene.check(0);
    scene.does("detach eth0");
}

#[test]
fn rpcbinds_ports_may_be_none() {
    let test = "rpcbinds_ports_may_be_none";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let said = scene.does("attach eth0 --rpcbind-ports").stderr;
    assert!(
        said.starts_with("note: no rpcbind listens here now"),
        "{said}"
    );
    scene.does("detach eth0");
    let _rpcbind = scene.rpcbind("");
    let said = scene.does("attach eth0 --rpcbind-ports --tcp").stderr;
    assert_eq!(said, "note: rpcbind has no UDP port open besides 111\n");
    let status = scene.does("status --json").json();
    assert_eq!(status["interfaces"][0]["policy"]["ports"], json!([111]));
    scene.does("detach eth0");
}

/// The interfaces that the portmapper is exposed through.
fn exposed_through(scene: &Scene) -> Vec<String> {
    let found: LocalDocument = read(&rpcguard(&scene.host, "check --json"));
    let mut names: Vec<_> = found
        .exposures
        .into_iter()
        .flat_map(|exposure| exposure.interfaces)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn what_arrives_on_a_vlan_is_guarded_where_it_arrived_before() {
    let test = "what_arrives_on_a_vlan_is_guarded_where_it_arrived_before";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    if let Err(error) = scene
        .host
        .ip("link add link eth0 name eth0.7 type vlan id 7")
    {
        skip(test, &format!("no VLAN devices here: {error}"));
        return;
    }
    scene.host.ip("link set eth0.7 up").unwrap();
    // To guard that one is enough.
    assert_eq!(exposed_through(&scene), ["eth0"]);
    scene.does("attach eth0 --tcp");
    assert_eq!(exposed_through(&scene), [""; 0]);
    let text = scene.host.rpcguard(["check"]).exited_with(0).stdout;
    assert!(
        text.contains("eth0.7     guarded where its packets pass as well"),
        "{text}"
    );
    scene.does("detach eth0");
    scene.does("attach eth0.7 --tcp");
    assert_eq!(exposed_through(&scene), ["eth0"]);
    scene.does("detach eth0.7");
}

#[test]
fn a_bridge_is_guarded_by_itself_or_at_each_of_its_ports() {
    let test = "a_bridge_is_guarded_by_itself_or_at_each_of_its_ports";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    for command in [
        "link add br0 type bridge",
        "link add port type veth peer name guest",
        "link set eth0 master br0",
        "link set port master br0",
        "link set br0 up",
        "link set port up",
    ] {
        scene.host.ip(command).unwrap();
    }
    // It has the address now, as bridges do.
    scene
        .host
        .ip(&format!("address delete {}/24 dev eth0", HOST[0]))
        .unwrap();
    scene
        .host
        .ip(&format!("address add {}/24 dev br0", HOST[0]))
        .unwrap();
    let answers = |code| scene.ask(HOST[0], code);
    // To guard it is enough.
    assert_eq!(exposed_through(&scene), ["br0"]);
    answers(3);
    scene.does("attach br0 --tcp");
    assert_eq!(exposed_through(&scene), [""; 0]);
    answers(0);
    scene.does("detach br0");
    scene.does("attach eth0 --tcp");
    assert_eq!(exposed_through(&scene), ["br0"]);
    scene.does("attach port --tcp");
    assert_eq!(exposed_through(&scene), [""; 0]);
    answers(0);
    scene.does("detach --all");
}
