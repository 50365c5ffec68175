//! What another host finds out.

use std::time::Instant;

use crate::{
    documents::{Address, Outcome, Probe, Verdict},
    local::IPV6_ALONE,
    rpcinfo::{as_lines, rpcinfo},
    scene::{ASKER, HOST, NAME, Scene, nft, register, replace_file, rpcguard},
};

/// The probes of a transport: procedure, version, outcome.
pub(crate) fn outcomes<'a>(address: &'a Address, transport: &str) -> Vec<(&'a str, u32, Outcome)> {
    let probes = address.probes.iter();
    probes
        .filter(|probe| probe.transport == transport)
        .map(|probe| (&*probe.procedure, probe.version, probe.outcome))
        .collect()
}

/// Whether all probes of a transport came to this.
pub(crate) fn all_are(address: &Address, transport: &str, outcome: Outcome) -> bool {
    let outcomes = outcomes(address, transport);
    !outcomes.is_empty() && outcomes.iter().all(|(.., found)| *found == outcome)
}

fn probe<'a>(address: &'a Address, transport: &str, procedure: &str, version: u32) -> &'a Probe {
    let mut probes = address.probes.iter();
    probes
        .find(|probe| {
            (&*probe.transport, &*probe.procedure, probe.version) == (transport, procedure, version)
        })
        .unwrap()
}

#[test]
fn each_address_of_a_name_is_asked_everything() {
    let test = "each_address_of_a_name_is_asked_everything";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    let asked = scene.ask(NAME, 3);
    assert_eq!((&*asked.host, asked.verdict), (NAME, Verdict::Exposed));
    assert_eq!(asked.more_addresses, 0);
    let mut addresses: Vec<_> = asked.addresses.iter().collect();
    addresses.sort_by_key(|address| address.address.contains(':'));
    assert_eq!(addresses.len(), 2);
    let answered = |procedure, version| (procedure, version, Outcome::Answered);
    for (family, (address, oldest)) in addresses.into_iter().zip([2, 3]).enumerate() {
        assert_eq!(address.address, HOST[family]);
        assert_eq!(address.asked_from.as_deref(), Some(ASKER[family]));
        assert!(!address.own);
        assert_eq!(
            outcomes(address, "udp"),
            [
                answered("DUMP", 4),
                answered("DUMP", 3),
                answered("DUMP", 2),
                answered("GETSTAT", 4),
                answered("NULL", oldest),
                answered("NULL", 4),
            ]
        );
        assert_eq!(
            outcomes(address, "tcp"),
            [
                answered("DUMP", 4),
                answered("DUMP", 3),
                answered("DUMP", 2),
                answered("GETSTAT", 4),
                answered("NULL", oldest),
            ]
        );
        let registrations = address.registrations.as_ref().unwrap();
        assert_eq!(
            as_lines(registrations),
            rpcinfo(&scene.asker, &[HOST[family]])
        );
    }
    // What rpcbind 1.2.6 answers with nothing but itself registered.
    let v4 = asked
        .addresses
        .iter()
        .find(|address| address.address == HOST[0])
        .unwrap();
    for (procedure, version, request, reply) in [
        ("NULL", 2, 40, 24),
        ("DUMP", 2, 40, 148),
        ("DUMP", 3, 40, 684),
        ("DUMP", 4, 40, 684),
        ("GETSTAT", 4, 40, 228),
    ] {
        for transport in ["udp", "tcp"] {
            let probe = probe(v4, transport, procedure, version);
            assert_eq!(probe.request_bytes, request, "{probe:?}");
            assert_eq!(probe.reply_bytes, Some(reply), "{probe:?}");
            assert_eq!(probe.attempts, 1);
        }
    }
    let factors = v4.amplification.as_ref().unwrap();
    assert_eq!(factors.payload, 684.0 / 40.0);
    assert_eq!(factors.wire, (684.0 + 42.0) / (40.0 + 42.0));
    assert!(
        asked
            .summary
            .contains("amplifies at least 17.1 times (8.9 on the wire"),
        "{}",
        asked.summary
    );
}

#[test]
fn a_relay_is_found_with_its_port() {
    let test = "a_relay_is_found_with_its_port";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("-r");
    let extra: Vec<u16> = scene
        .check(3)
        .sockets
        .iter()
        .filter_map(|socket| socket.port.filter(|port| *port != 111))
        .collect();
    for (host, version) in [(HOST[0], 2), (HOST[1], 3)] {
        let asked = scene.ask(&format!("{host} --relay"), 3);
        let address = &asked.addresses[0];
        let relayed = probe(address, "udp", "CALLIT", version);
        assert_eq!(relayed.outcome, Outcome::Answered);
        assert_eq!(relayed.reply_address.as_deref(), Some(host));
        let port = relayed.reply_port.unwrap();
        assert!(extra.contains(&port), "{port} is none of {extra:?}");
        let dump = address
            .probes
            .iter()
            .find(|probe| probe.port == port)
            .unwrap();
        assert_eq!(
            (&*dump.procedure, dump.outcome),
            ("DUMP", Outcome::Answered)
        );
        assert_eq!(dump.reply_port, Some(port));
    }
    let text = rpcguard(&scene.asker, &format!("check {} --relay", HOST[0]))
        .exited_with(3)
        .stdout;
    assert!(text.contains("answered from port"), "{text}");
}

#[test]
fn an_rpcbind_of_ipv6_alone_is_exposed_there_alone() {
    let test = "an_rpcbind_of_ipv6_alone_is_exposed_there_alone";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    replace_file(&scene.host, "/etc/netconfig", IPV6_ALONE);
    let _rpcbind = scene.rpcbind("");
    let started = Instant::now();
    let asked = scene.ask(NAME, 3);
    for address in &asked.addresses {
        if address.address == HOST[1] {
            assert_eq!(address.verdict, Verdict::Exposed);
            assert!(all_are(address, "tcp", Outcome::Answered));
        } else {
            assert_eq!(address.verdict, Verdict::NotExposed);
            assert!(all_are(address, "tcp", Outcome::Closed), "{address:?}");
            assert!(all_are(address, "udp", Outcome::Closed), "{address:?}");
        }
    }
    assert_eq!(
        scene.ask(HOST[0], 0).summary,
        "not exposed: 192.0.2.1 has no portmapper, or rejects what comes from here"
    );
    assert!(started.elapsed().as_secs() < 8, "{:?}", started.elapsed());
}

#[test]
fn what_is_said_to_be_on_the_wire_is_what_the_interface_counts() {
    let test = "what_is_said_to_be_on_the_wire_is_what_the_interface_counts";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    // Enough for a reply that has to be fragmented.
    for number in 0..40 {
        register(&scene.host, 300_000 + number, 1, 20_000 + number as u16);
    }
    // Nothing else on the wire.
    nft(&scene.host, "tcp dport 111 drop;");
    for (host, neighbour, address) in [
        (&scene.host, &scene.asker, ASKER[0]),
        (&scene.asker, &scene.host, HOST[0]),
    ] {
        host.sysctl("net/ipv6/conf/eth0/disable_ipv6=1").unwrap();
        let mac = neighbour
            .mac("eth0")
            .unwrap()
            .map(|byte| format!("{byte:02x}"))
            .join(":");
        host.ip(&format!(
            "neigh replace {address} lladdr {mac} nud permanent dev eth0"
        ))
        .unwrap();
    }
    let before = scene.host.statistics("eth0").unwrap();
    let asked = scene.ask(HOST[0], 3);
    let after = scene.host.statistics("eth0").unwrap();
    let probes = &asked.addresses[0].probes;
    let replies: usize = probes
        .iter()
        .filter_map(|probe| probe.reply_wire_bytes)
        .sum();
    assert_eq!(after.tx_bytes - before.tx_bytes, replies as u64);
    let dump = probe(&asked.addresses[0], "udp", "DUMP", 3);
    assert!(dump.reply_bytes.unwrap() > 1472, "{dump:?}");
    let requests: usize = probes
        .iter()
        .filter_map(|probe| Some(probe.request_wire_bytes? * probe.attempts as usize))
        .sum();
    // Besides, segments that open a connection: 74 bytes each, and two in the time that is waited.
    let received = after.rx_bytes - before.rx_bytes - requests as u64;
    assert!(
        received.is_multiple_of(74) && (74..=4 * 74).contains(&received),
        "{received}"
    );
}

#[test]
fn what_cannot_be_asked_cannot_be_told() {
    let test = "what_cannot_be_asked_cannot_be_told";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    // No route.
    let asked = scene.ask("203.0.113.1", 1);
    assert_eq!(asked.verdict, Verdict::Unknown);
    assert_eq!(asked.addresses[0].asked_from, None);
    assert!(all_are(&asked.addresses[0], "udp", Outcome::Failed));
    assert!(asked.summary.contains("unreachable"), "{}", asked.summary);
    // No such name, and no name server either.
    let failed = rpcguard(&scene.asker, "check no-such-host.test").exited_with(1);
    assert_eq!(failed.stdout, "");
    assert!(
        failed
            .stderr
            .starts_with("error: cannot find the addresses of `no-such-host.test`: "),
        "{failed}"
    );
    assert!(
        failed.stderr.contains("\nhint: give an address"),
        "{failed}"
    );
    let failed = rpcguard(&scene.asker, "check 224.0.0.1").exited_with(1);
    assert!(failed.stderr.contains("multicast"), "{failed}");
    // Brackets are how ports are told from IPv6 addresses elsewhere.
    let bracketed = scene.ask(&format!("[{}]", HOST[1]), 0);
    assert_eq!(bracketed.addresses[0].address, HOST[1]);
    // An IPv4 address in IPv6's clothes.
    let mapped = scene.ask(&format!("::ffff:{}", HOST[0]), 0);
    assert_eq!(mapped.addresses[0].address, HOST[0]);
}

#[test]
fn of_a_name_with_many_addresses_eight_are_asked() {
    let test = "of_a_name_with_many_addresses_eight_are_asked";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let rpcbind = scene.rpcbind("");
    let addresses = (101..=110).map(|last| format!("192.0.2.{last}"));
    let addresses: Vec<_> = addresses.collect();
    for address in &addresses {
        let command = format!("address add {address}/24 dev eth0");
        scene.host.ip(&command).unwrap();
    }
    let hosts = addresses.iter();
    let hosts: String = hosts
        .map(|address| format!("{address} many.test\n"))
        .collect();
    replace_file(&scene.asker, "/etc/hosts", &hosts);
    let finished = rpcguard(&scene.asker, "check many.test --json --wait 2").exited_with(3);
    assert_eq!(
        finished.stderr,
        "note: `many.test` has 2 more addresses than the 8 that were asked\n"
    );
    let asked: crate::documents::HostDocument = crate::scene::read(&finished);
    assert_eq!((asked.addresses.len(), asked.more_addresses), (8, 2));
    for address in &asked.addresses {
        assert!(all_are(address, "tcp", Outcome::Answered), "{address:?}");
    }
    let left_out = "; could not tell: 2 more addresses, not asked";
    assert!(asked.summary.ends_with(left_out), "{}", asked.summary);
    // One of those may be the one that is exposed.
    drop(rpcbind);
    let asked = scene.ask("many.test", 1);
    assert_eq!(asked.verdict, Verdict::Unknown);
    let start = "could not tell: 2 more addresses, not asked; not exposed: ";
    assert!(asked.summary.starts_with(start), "{}", asked.summary);
}

#[test]
fn an_address_of_the_link_is_asked_through_its_interface() {
    let test = "an_address_of_the_link_is_asked_through_its_interface";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("-r");
    let addresses = scene
        .host
        .ip("-6 -o address show dev eth0 scope link")
        .unwrap();
    let address = addresses
        .split_whitespace()
        .find(|word| word.starts_with("fe80:"))
        .unwrap();
    let address = address.split('/').next().unwrap();
    let asked = scene.ask(&format!("{address}%eth0 --relay"), 3);
    let [report] = &asked.addresses[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(report.address, address);
    assert!(all_are(report, "udp", Outcome::Answered), "{report:#?}");
    assert!(all_are(report, "tcp", Outcome::Answered));
}
