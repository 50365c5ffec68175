//! Addresses and names of this host itself: it is looked at, and not asked over loopback.

use crate::{
    documents::{HostDocument, LocalDocument, Verdict},
    scene::{ASKER, HOST, Scene, read, replace_file, rpcguard},
};

/// A name of the host, and of the host and the asker both.
const NAMES: &str =
    "192.0.2.1 self.test\n192.0.2.9 self.test\n192.0.2.1 both.test\n192.0.2.2 both.test\n";

#[test]
fn every_address_of_this_host_is_looked_at_and_not_asked_past_the_guard() {
    let test = "every_address_of_this_host_is_looked_at_and_not_asked_past_the_guard";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    scene.host.ip("address add 192.0.2.9/24 dev eth0").unwrap();
    scene.host.ip("address add fe80::99/64 dev eth0").unwrap();
    // An address that only a route makes the host's own.
    scene
        .host
        .ip("route add local 203.0.113.0/24 dev lo")
        .unwrap();
    replace_file(&scene.host, "/etc/hosts", NAMES);
    scene.does("attach eth0 --allow 198.51.100.1 --tcp");
    for address in [
        HOST[0],
        HOST[1],
        "192.0.2.9",
        "0.0.0.0",
        "::",
        "[::]",
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "::ffff:192.0.2.9",
        "::ffff:0.0.0.0",
        "203.0.113.5",
        "fe80::99%eth0",
        "fe80::99",
        "self.test",
    ] {
        let finished = rpcguard(&scene.host, &format!("check {address} --json"));
        let found: LocalDocument = read(&finished.exited_with(0));
        assert_eq!(found.verdict, Verdict::NotExposed, "{address}");
        assert!(found.summary.contains("guards the portmapper"), "{found:?}");
        assert_eq!(found.named.unwrap().host, address);
    }
    let text = scene.does("check 192.0.2.9").stdout;
    assert!(
        text.starts_with("192.0.2.9 is this host (192.0.2.9): looked at from inside"),
        "{text}"
    );
    // There is no evidence against oneself.
    let refused = rpcguard(&scene.host, "check 127.0.0.1 --evidence /run/evidence");
    let refused = refused.exited_with(1).stderr;
    assert!(refused.contains("is this host itself"), "{refused}");
    scene.does("detach --all");
}

#[test]
fn a_name_of_this_host_and_another_is_looked_at_and_asked() {
    let test = "a_name_of_this_host_and_another_is_looked_at_and_asked";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    replace_file(&scene.host, "/etc/hosts", NAMES);
    let check = |code| -> HostDocument {
        read(&rpcguard(&scene.host, "check both.test --json").exited_with(code))
    };
    let nothing = check(0);
    assert_eq!(nothing.addresses.len(), 1);
    assert_eq!(nothing.addresses[0].address, ASKER[0]);
    assert_eq!(nothing.local.unwrap().verdict, Verdict::NotExposed);
    // The findings of this host about itself count.
    let _rpcbind = scene.rpcbind("");
    let exposed = check(3);
    assert_eq!(exposed.verdict, Verdict::Exposed);
    assert_eq!(exposed.addresses[0].verdict, Verdict::NotExposed);
    assert_eq!(exposed.local.unwrap().verdict, Verdict::Exposed);
}
