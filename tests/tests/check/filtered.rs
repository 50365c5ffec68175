//! Hosts with a firewall, of nftables, or a guard.

use std::time::{Duration, Instant};

use crate::{
    documents::{Outcome, Verdict},
    remote::{all_are, outcomes},
    scene::{HOST, NAME, Scene, nft, rpcguard},
};

#[test]
fn with_udp_filtered_alone_it_is_exposed_over_tcp() {
    let test = "with_udp_filtered_alone_it_is_exposed_over_tcp";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("-r");
    nft(&scene.host, "iifname eth0 udp dport 111 drop;");
    let asked = scene.ask(HOST[0], 3);
    let address = &asked.addresses[0];
    assert!(all_are(address, "udp", Outcome::Silent), "{address:?}");
    assert!(all_are(address, "tcp", Outcome::Answered));
    assert_eq!(address.amplification, None);
    assert_eq!(
        asked.summary,
        "EXPOSED: 192.0.2.1 answers who asks from here over TCP"
    );
}

#[test]
fn with_tcp_filtered_alone_it_is_exposed_over_udp() {
    let test = "with_tcp_filtered_alone_it_is_exposed_over_udp";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    nft(&scene.host, "tcp dport 111 drop;");
    let asked = scene.ask(HOST[1], 3);
    let address = &asked.addresses[0];
    assert!(all_are(address, "tcp", Outcome::Silent), "{address:?}");
    assert_eq!(
        address.amplification.as_ref().unwrap().payload,
        684.0 / 40.0
    );
    assert!(
        asked
            .summary
            .contains("over UDP and amplifies at least 17.1 times"),
        "{}",
        asked.summary
    );
    assert!(address.registrations.is_some());
}

#[test]
fn a_silent_host_is_sent_so_many_packets_for_so_long_and_no_more() {
    let test = "a_silent_host_is_sent_so_many_packets_for_so_long_and_no_more";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    nft(
        &scene.host,
        "udp dport 111 counter drop; tcp dport 111 counter drop; meta l4proto {tcp, udp} counter;",
    );
    let started = Instant::now();
    let asked = scene.ask(NAME, 0);
    let taken = started.elapsed();
    assert!(taken < Duration::from_secs(8), "{taken:?}");
    assert_eq!(asked.verdict, Verdict::NotExposed);
    for address in &asked.addresses {
        assert!(all_are(address, "udp", Outcome::Silent), "{address:?}");
        assert!(all_are(address, "tcp", Outcome::Silent), "{address:?}");
        assert!(
            address
                .probes
                .iter()
                .filter(|probe| probe.transport == "udp")
                .all(|p| p.attempts == 4)
        );
    }
    assert!(
        asked.summary.contains(
            "gives no answer from here within 2 s: filtered (here, too: replies from another address"
        ),
        "{}",
        asked.summary
    );
    let rules = scene
        .host
        .run("nft", &["list", "chain", "inet", "test", "in"])
        .unwrap();
    let packets: Vec<u64> = rules
        .split("packets ")
        .skip(1)
        .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
        .collect();
    // Six probes, four times, at two addresses; no answer came from which to learn of another
    // port. Linux repeats a SYN after a second; since 6.5, after each. Another connection is begun.
    assert_eq!(packets[0], 2 * 24, "{rules}");
    assert!((2..=2 * 5).contains(&packets[1]), "{rules}");
    assert_eq!(packets[2], 0, "{rules}");
}

#[test]
fn a_host_that_rejects_is_told_from_one_that_is_silent() {
    let test = "a_host_that_rejects_is_told_from_one_that_is_silent";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    // Errors of ICMP come at a limited rate, which is not the matter here.
    for setting in ["net/ipv4/icmp_ratelimit=0", "net/ipv6/icmp/ratelimit=0"] {
        // Those of IPv4 are the same for all hosts on older kernels.
        let _ = scene.host.sysctl(setting);
    }
    nft(
        &scene.host,
        "meta l4proto {tcp, udp} th dport 111 reject with icmpx type admin-prohibited;",
    );
    let started = Instant::now();
    for host in HOST {
        let asked = scene.ask(host, 0);
        let address = &asked.addresses[0];
        assert_eq!(asked.verdict, Verdict::NotExposed);
        assert!(all_are(address, "tcp", Outcome::Rejected), "{address:?}");
        assert!(all_are(address, "udp", Outcome::Rejected), "{address:?}");
        assert!(
            asked.summary.contains("rejects what comes from here"),
            "{}",
            asked.summary
        );
    }
    assert!(
        started.elapsed() < Duration::from_secs(6),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn what_a_guard_lets_through_is_what_is_found() {
    let test = "what_a_guard_lets_through_is_what_is_found";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    for host in HOST {
        let _ = scene.ask(host, 3);
    }
    scene.does("attach eth0 --tcp --allow 198.51.100.1");
    assert_eq!(
        scene.check(0).summary,
        "not exposed: every interface guards the portmapper"
    );
    let asked = scene.ask(NAME, 0);
    for address in &asked.addresses {
        assert!(all_are(address, "udp", Outcome::Silent), "{address:?}");
        assert!(all_are(address, "tcp", Outcome::Silent), "{address:?}");
    }
    // Who is allowed sees it all.
    scene.does("allow add 192.0.2.2");
    let asked = scene.ask(HOST[0], 3);
    assert!(all_are(&asked.addresses[0], "tcp", Outcome::Answered));
    scene.does("detach eth0");
}

#[test]
fn a_rate_policy_serves_what_is_of_no_use_to_an_attacker() {
    let test = "a_rate_policy_serves_what_is_of_no_use_to_an_attacker";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    nft(&scene.host, "tcp dport 111 drop;");
    scene.does("attach eth0 --tcp --rate 5/s");
    let asked = scene.ask(HOST[0], 0);
    assert_eq!(asked.verdict, Verdict::Limited);
    let address = &asked.addresses[0];
    assert_eq!(
        outcomes(address, "udp"),
        [
            ("DUMP", 4, Outcome::Silent),
            ("DUMP", 3, Outcome::Silent),
            ("DUMP", 2, Outcome::Silent),
            ("GETSTAT", 4, Outcome::Silent),
            ("NULL", 2, Outcome::Answered),
            ("NULL", 4, Outcome::Answered),
            // Asked for since the others are silent: it would fit into one packet.
            ("GETADDRLIST", 4, Outcome::Silent),
        ]
    );
    assert!(address.amplification.as_ref().unwrap().payload < 1.0);
    let here = scene.check(0);
    assert_eq!(here.verdict, Verdict::Limited);
    let text = rpcguard(&scene.host, "check").exited_with(0).stdout;
    assert!(
        text.contains("limited: anybody is served, at a limited rate, on UDP port 111"),
        "{text}"
    );
    scene.does("detach eth0");
}
