//! Names: of interfaces that a bpffs would not have, of two interfaces at once, and changing ones.

use rpcguard_tests::{
    lab::{Lab, connect},
    site::{CleanLab, HOST_ADDRESSES, NEIGHBOUR_ADDRESSES, Site},
};
use serde_json::Value;

/// The names in `status --json`.
fn guarded(status: &Value) -> Vec<&str> {
    let interfaces = status["interfaces"].as_array().unwrap();
    interfaces
        .iter()
        .map(|interface| interface["name"].as_str().unwrap())
        .collect()
}

fn status(site: &Site) -> Value {
    serde_json::from_str(&site.rpcguard("status --json")).unwrap()
}

#[test]
fn interfaces_may_have_any_name_that_the_kernel_allows() {
    const NAMES: [&str; 7] = [
        "eth0.100",
        "a@b",
        "..x",
        "-x",
        "fifteen-bytes-x",
        "ünïc",
        "x.y.z",
    ];
    let Some(site) = Site::or_skip("interfaces_may_have_any_name_that_the_kernel_allows") else {
        return;
    };
    for (number, name) in NAMES.into_iter().enumerate() {
        let peer = format!("peer{number}");
        site.host
            .ip(&format!(
                "link add {peer} type veth peer name other{number}"
            ))
            .unwrap();
        let rename = ["link", "set", "dev", &peer, "name", name];
        site.host.run("ip", &rename).unwrap();
    }
    let attach = ["attach", "--allow", "192.0.2.0/24", "--"];
    let finished = site.host.rpcguard(attach.iter().chain(&NAMES));
    let _ = finished.succeeded();
    let mut expected = NAMES.to_vec();
    expected.sort_unstable();
    let status = status(&site);
    let mut found = guarded(&status);
    found.sort_unstable();
    assert_eq!(found, expected);
    for name in NAMES {
        let add = ["allow", "add", "198.51.100.0/24", &format!("-i{name}")];
        let _ = site.host.rpcguard(add).succeeded();
        let _ = site.host.rpcguard(["detach", "--", name]).succeeded();
    }
}

#[test]
fn a_renamed_interface_is_known_by_its_present_name_and_frees_the_old_one() {
    let Some(site) = Site::or_skip("a_renamed_interface_is_known_by_its_present_name") else {
        return;
    };
    site.rpcguard("attach eth0 --allow 192.0.2.0/24");
    site.host.ip("link set eth0 down").unwrap();
    site.host.ip("link set eth0 name lan0").unwrap();
    assert_eq!(guarded(&status(&site)), ["lan0"]);
    let refused = site
        .host
        .rpcguard(["allow", "add", "10.0.0.1", "-i", "eth0"]);
    let _ = refused.exited_with(1);
    site.rpcguard("allow add 10.0.0.1 -i lan0");

    // Another interface takes the name, and one more after that.
    for (next, other) in [("lan1", "peer1"), ("lan2", "peer2")] {
        site.host
            .ip(&format!("link add eth0 type veth peer name {other}"))
            .unwrap();
        site.rpcguard("attach eth0 --deny 198.51.100.0/24");
        site.host.ip(&format!("link set eth0 name {next}")).unwrap();
    }
    let status = status(&site);
    let mut names = guarded(&status);
    names.sort_unstable();
    assert_eq!(names, ["lan0", "lan1", "lan2"]);
    for interface in status["interfaces"].as_array().unwrap() {
        let (allow, deny) = match interface["name"].as_str().unwrap() {
            "lan0" => (2, 0),
            _ => (0, 1),
        };
        assert_eq!(interface["prefixes"]["allow"]["v4"], allow);
        assert_eq!(interface["prefixes"]["deny"]["v4"], deny);
    }
    site.rpcguard("detach lan1");
    assert_eq!(guarded(&self::status(&site)).len(), 2);
    site.rpcguard("detach --all");
}

#[test]
fn equal_names_and_indexes_in_two_namespaces_are_two_guards() {
    let test = "equal_names_and_indexes_in_two_namespaces_are_two_guards";
    let Some(lab) = Lab::or_skip(test) else {
        return;
    };
    let lab = CleanLab::new(lab);
    let (one, two) = (lab.host(), lab.host());
    connect(
        (&one, ("eth0", &HOST_ADDRESSES)),
        (&two, ("eth0", &NEIGHBOUR_ADDRESSES)),
    )
    .unwrap();
    assert_eq!(one.ifindex("eth0").unwrap(), two.ifindex("eth0").unwrap());
    let run = |host: &rpcguard_tests::lab::Host, arguments: &str| {
        host.rpcguard(arguments.split(' ')).succeeded()
    };
    run(&one, "attach eth0 --allow 192.0.2.1");
    assert!(run(&two, "status --json").json()["interfaces"] == serde_json::json!([]));
    run(&two, "attach eth0 --allow 192.0.2.2 --tcp");
    run(&one, "allow add 192.0.2.3");
    run(&two, "set eth0 --port 2049");
    let status = [&one, &two].map(|host| run(host, "status --json").json()["interfaces"].clone());
    assert_eq!(status[0].as_array().unwrap().len(), 1);
    assert_eq!(status[0][0]["prefixes"]["allow"]["v4"], 2);
    assert_eq!(status[0][0]["policy"]["ports"][0], 111);
    assert_eq!(status[1].as_array().unwrap().len(), 1);
    assert_eq!(status[1][0]["prefixes"]["allow"]["v4"], 1);
    assert_eq!(status[1][0]["policy"]["ports"][0], 2049);
    assert_ne!(status[0][0]["link_id"], status[1][0]["link_id"]);
    run(&one, "detach --all");
    assert_eq!(
        run(&two, "status --json").json()["interfaces"][0]["policy"]["tcp"],
        true
    );
    run(&two, "detach eth0");
}
