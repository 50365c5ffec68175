//! Interfaces and namespaces that go while they are guarded.

use std::{
    thread,
    time::{Duration, Instant},
};

use rpcguard::{Error, guard::Entry};
use rpcguard_tests::{
    lab::{Lab, connect},
    site::{CleanLab, HOST_ADDRESSES, NEIGHBOUR_ADDRESSES, Site},
};

#[test]
fn the_guard_of_a_deleted_interface_is_gone_until_it_is_detached() {
    let Some(site) = Site::or_skip("the_guard_of_a_deleted_interface_is_gone") else {
        return;
    };
    site.rpcguard("attach eth0 --allow 192.0.2.0/24");
    site.host.ip("link delete eth0").unwrap();
    let status = site.host.rpcguard(["status", "--json"]).succeeded().json();
    assert_eq!(status["interfaces"][0]["name"], "eth0");
    assert_eq!(status["interfaces"][0]["state"], "gone", "{status}");
    assert!(site.rpcguard("status").contains("gone"));
    site.registry(|registry| {
        assert!(matches!(
            registry.find("eth0"),
            Ok(Some(Entry::Leftover(_)))
        ));
        assert!(matches!(
            registry.guard("eth0"),
            Err(Error::InterfaceGone(_))
        ));
    });
    let refused = site
        .host
        .rpcguard(["allow", "add", "10.0.0.1", "-i", "eth0"]);
    assert!(refused.exited_with(1).stderr.contains("gone"));
    site.rpcguard("detach eth0");
    assert_eq!(site.lab.pins(), [""; 0]);
}

#[test]
fn a_new_interface_of_the_name_of_a_deleted_one_can_be_guarded() {
    let Some(site) = Site::or_skip("a_new_interface_of_the_name_of_a_deleted_one") else {
        return;
    };
    site.rpcguard("attach eth0 --allow 192.0.2.0/24");
    site.host.ip("link delete eth0").unwrap();
    connect(
        (&site.host, ("eth0", &HOST_ADDRESSES)),
        (&site.neighbour, ("eth0", &NEIGHBOUR_ADDRESSES)),
    )
    .unwrap();
    site.rpcguard("attach eth0 --allow 198.51.100.0/24");
    let status = site.host.rpcguard(["status", "--json"]).succeeded().json();
    let interfaces = status["interfaces"].as_array().unwrap();
    assert_eq!(interfaces.len(), 1, "{status}");
    assert_eq!(interfaces[0]["mode"], "native");
    assert_eq!(
        site.rpcguard("allow list")
            .matches("198.51.100.0/24")
            .count(),
        1
    );
    site.rpcguard("detach eth0");
}

#[test]
fn an_interface_that_moves_away_is_gone_and_not_mistaken_for_another() {
    let Some(site) = Site::or_skip("an_interface_that_moves_away_is_gone") else {
        return;
    };
    let elsewhere = site.lab.host();
    site.rpcguard("attach eth0 --allow 192.0.2.0/24");
    let index = site.host.ifindex("eth0").unwrap();
    let holder = elsewhere.command("sleep").arg("60").spawn();
    let mut holder = holder.unwrap();
    site.host
        .ip(&format!("link set eth0 netns {}", holder.id()))
        .unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    site.host
        .ip(&format!(
            "link add other index {index} type veth peer name peer"
        ))
        .unwrap();
    let status = site.host.rpcguard(["status", "--json"]).succeeded().json();
    assert_eq!(status["interfaces"][0]["state"], "gone", "{status}");
    site.rpcguard("detach eth0");
    assert!(!elsewhere.ip("link show eth0").unwrap().contains("prog/xdp"));
}

#[test]
fn guards_of_deleted_namespaces_do_not_pile_up() {
    let Some(lab) = Lab::or_skip("guards_of_deleted_namespaces_do_not_pile_up") else {
        return;
    };
    let lab = CleanLab::new(lab);
    let [stays, wire_end] = [lab.host(), lab.host()];
    for _ in 0..3 {
        let goes = lab.mortal_host();
        connect(
            (&goes, ("eth0", &HOST_ADDRESSES)),
            (&stays, ("eth0", &NEIGHBOUR_ADDRESSES)),
        )
        .unwrap();
        let _ = goes.rpcguard(["attach", "eth0"]).succeeded();
        drop(goes);
        // The namespace takes its end of the wire along, and the kernel its time.
        while stays.ifindex("eth0").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    }
    connect(
        (&stays, ("eth0", &HOST_ADDRESSES)),
        (&wire_end, ("eth0", &NEIGHBOUR_ADDRESSES)),
    )
    .unwrap();
    // A namespace of another test may have been given the number of one that is gone, and until it is
    // gone as well the guard is taken for one of its.
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let _ = stays.rpcguard(["attach", "eth0"]).succeeded();
        let _ = stays.rpcguard(["detach", "eth0"]).succeeded();
        let pins = lab.pins();
        if pins.is_empty() {
            break;
        }
        assert!(Instant::now() < patience, "{pins:?}");
        thread::sleep(Duration::from_millis(100));
    }
}
