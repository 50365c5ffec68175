//! ICMP errors, and errors of this host itself.

use crate::{
    documents::{Outcome, Verdict},
    remote::all_are,
    scene::{HOST, NAME, Scene, nft},
};

/// The kinds of IPv4, as nftables names them, the outcome, and what is said.
const KINDS: [(&str, Outcome, &str); 7] = [
    (
        "net-unreachable",
        Outcome::Rejected,
        "network unreachable, says 192.0.2.1",
    ),
    (
        "host-unreachable",
        Outcome::Rejected,
        "host unreachable, says 192.0.2.1",
    ),
    ("prot-unreachable", Outcome::Closed, "no answer within"),
    ("port-unreachable", Outcome::Closed, "no answer within"),
    (
        "net-prohibited",
        Outcome::Rejected,
        "network prohibited, says 192.0.2.1",
    ),
    (
        "host-prohibited",
        Outcome::Rejected,
        "host prohibited, says 192.0.2.1",
    ),
    (
        "admin-prohibited",
        Outcome::Rejected,
        "administratively prohibited, says 192.0.2.1",
    ),
];

fn unlimited(scene: &Scene) {
    // Errors of ICMP come at a limited rate, which is not the matter here.
    for setting in ["net/ipv4/icmp_ratelimit=0", "net/ipv6/icmp/ratelimit=0"] {
        // Those of IPv4 are the same for all hosts on older kernels.
        let _ = scene.host.sysctl(setting);
        let _ = scene.asker.sysctl(setting);
    }
}

#[test]
fn each_kind_of_rejection_by_a_firewall_is_no_exposure() {
    let test = "each_kind_of_rejection_by_a_firewall_is_no_exposure";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    unlimited(&scene);
    for (kind, outcome, said) in KINDS {
        nft(
            &scene.host,
            &format!(
                "ip protocol udp udp dport 111 reject with icmp type {kind}; tcp dport 111 drop;"
            ),
        );
        let asked = scene.ask(HOST[0], 0);
        assert_eq!(asked.verdict, Verdict::NotExposed, "{kind}");
        assert!(all_are(&asked.addresses[0], "udp", outcome), "{asked:#?}");
        assert!(asked.summary.contains(said), "{kind}: {}", asked.summary);
        scene.host.run("nft", &["delete table inet test"]).unwrap();
    }
    for (kind, said) in [
        ("no-route", "no route, says 2001:db8::1"),
        ("addr-unreachable", "address unreachable, says 2001:db8::1"),
        (
            "policy-fail",
            "source address failed policy, says 2001:db8::1",
        ),
        ("reject-route", "rejected route, says 2001:db8::1"),
    ] {
        nft(
            &scene.host,
            &format!("udp dport 111 reject with icmpv6 type {kind}; tcp dport 111 drop;"),
        );
        let asked = scene.ask(HOST[1], 0);
        assert!(
            all_are(&asked.addresses[0], "udp", Outcome::Rejected),
            "{asked:#?}"
        );
        assert!(asked.summary.contains(said), "{kind}: {}", asked.summary);
        scene.host.run("nft", &["delete table inet test"]).unwrap();
    }
}

#[test]
fn an_error_that_came_once_does_not_hide_a_reply() {
    let test = "an_error_that_came_once_does_not_hide_a_reply";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    unlimited(&scene);
    nft(
        &scene.host,
        "tcp dport 111 drop; udp dport 111 limit rate 1/hour burst 5 packets reject with icmp type \
         host-unreachable;",
    );
    let asked = scene.ask(HOST[0], 3);
    assert_eq!(asked.verdict, Verdict::Exposed);
    assert!(
        all_are(&asked.addresses[0], "udp", Outcome::Answered),
        "{asked:#?}"
    );
}

#[test]
fn what_this_host_itself_says_is_nothing_about_the_other() {
    let test = "what_this_host_itself_says_is_nothing_about_the_other";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    unlimited(&scene);
    // No neighbour has the address.
    for host in ["192.0.2.77", "2001:db8::77"] {
        let asked = scene.ask(&format!("{host} --wait 6"), 1);
        assert_eq!(asked.verdict, Verdict::Unknown);
        assert!(
            asked.summary.contains("could not be asked from here: ")
                && asked.summary.contains("says this host itself"),
            "{}",
            asked.summary
        );
    }
    // Its own firewall is in the way.
    for verdict in ["drop", "reject"] {
        let rules = format!(
            "table inet own {{\n chain out {{\n type filter hook output priority 0; \
             udp dport 111 {verdict}; tcp dport 111 {verdict};\n }}\n }}"
        );
        scene.asker.run("nft", &[&rules]).unwrap();
        for host in HOST {
            let asked = scene.ask(host, 1);
            assert!(
                all_are(&asked.addresses[0], "udp", Outcome::Failed),
                "{verdict}: {asked:#?}"
            );
        }
        scene.asker.run("nft", &["delete table inet own"]).unwrap();
    }
}

#[test]
fn the_verdict_of_one_family_is_kept_if_the_other_cannot_be_asked() {
    let test = "the_verdict_of_one_family_is_kept_if_the_other_cannot_be_asked";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let both = |code| {
        let asked = scene.ask(NAME, code);
        for host in HOST {
            assert!(asked.summary.contains(host), "{}", asked.summary);
        }
        assert!(
            asked.summary.contains("could not be asked from here: "),
            "{}",
            asked.summary
        );
        asked.verdict
    };
    for family in ["-6", "-4"] {
        scene
            .asker
            .ip(&format!("{family} address flush dev eth0"))
            .unwrap();
        assert_eq!(both(0), Verdict::NotExposed);
        let rpcbind = scene.rpcbind("");
        assert_eq!(both(3), Verdict::Exposed);
        drop(rpcbind);
        for address in ["192.0.2.2/24", "2001:db8::2/64 nodad"] {
            let _ = scene
                .asker
                .ip(&format!("address replace {address} dev eth0"));
        }
    }
}
