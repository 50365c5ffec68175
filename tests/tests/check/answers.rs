//! The verdict is what an attacker would get: late replies, replies from elsewhere, refusals, and
//! those that are lost on the way.

use std::{
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use rpcguard_tests::packet::rpc;

use crate::{
    documents::{Address, Outcome, Verdict},
    fake::{CALLIT, Call, NULL, answering, serving, socket, words},
    remote::{all_are, outcomes},
    scene::{HOST, Scene, nft, register, replace_file, rpcguard},
};

/// Another address of the host.
const OTHER: &str = "192.0.2.3";

fn outcome(address: &Address, procedure: &str, version: u32) -> Option<Outcome> {
    outcomes(address, "udp")
        .into_iter()
        .find(|found| (found.0, found.1) == (procedure, version))
        .map(|found| found.2)
}

#[test]
fn a_reply_from_another_address_and_port_of_the_host_is_one() {
    let test = "a_reply_from_another_address_and_port_of_the_host_is_one";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    scene
        .host
        .ip(&format!("address add {OTHER}/24 dev eth0"))
        .unwrap();
    for from in [
        format!("{OTHER}:111"),
        format!("{OTHER}:7777"),
        format!("{}:7777", HOST[0]),
    ] {
        let other = socket(&scene, &from);
        let there = format!("{}:111", HOST[0]);
        let serve = |_: &UdpSocket, call: Call, client| {
            let _ = other.send_to(&call.list(20), client);
        };
        serving(&scene, &there, serve, || {
            let asked = scene.ask(HOST[0], 3);
            let (ip, port) = from.split_once(':').unwrap();
            let dump = &asked.addresses[0].probes[1];
            assert_eq!(dump.reply_address.as_deref(), Some(ip));
            assert_eq!(dump.reply_port.unwrap().to_string(), port);
            let source = format!("over UDP, from {ip} port {port}");
            assert!(asked.summary.contains(&source), "{}", asked.summary);
        });
    }
}

#[test]
fn what_is_not_a_reply_to_the_call_is_none() {
    let test = "what_is_not_a_reply_to_the_call_is_none";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    // Another transaction, a call, a header that ends early, another message type.
    let junk = |call: Call| {
        vec![
            Call {
                xid: !call.xid,
                ..call
            }
            .list(20),
            words(&[call.xid, 0, 2, 100_000, 2, 0, 0, 0, 0, 0]),
            words(&[call.xid, 1, 0, 0, 0]),
            words(&[call.xid, 2, 0, 0, 0, 0]),
        ]
    };
    answering(&scene, junk, || {
        let asked = scene.ask(HOST[0], 1);
        assert!(all_are(&asked.addresses[0], "udp", Outcome::Garbage));
    });
    // From another address, it says nothing about this one.
    scene
        .host
        .ip(&format!("address add {OTHER}/24 dev eth0"))
        .unwrap();
    let other = socket(&scene, &format!("{OTHER}:111"));
    let serve = |_: &UdpSocket, call, client| {
        for datagram in junk(call) {
            let _ = other.send_to(&datagram, client);
        }
    };
    serving(&scene, &format!("{}:111", HOST[0]), serve, || {
        let asked = scene.ask(HOST[0], 0);
        assert!(all_are(&asked.addresses[0], "udp", Outcome::Silent));
    });
}

#[test]
fn refused_credentials_are_no_exposure() {
    let test = "refused_credentials_are_no_exposure";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    answering(
        &scene,
        |call| vec![call.denial()],
        || {
            let asked = scene.ask(HOST[0], 0);
            assert_eq!(asked.verdict, Verdict::Limited);
            assert_eq!(
                asked.summary,
                "limited: 192.0.2.1 answers over UDP, but refuses: credentials refused; it can reflect, \
             and was not seen to amplify"
            );
        },
    );
    // No such program, arguments, error of the system; another version of RPC.
    for refusal in [
        &[0, 0, 0, 1][..],
        &[0, 0, 0, 4],
        &[0, 0, 0, 5],
        &[1, 0, 3, 3],
    ] {
        let refuse = |call: Call| vec![words(&[&[call.xid, 1], refusal].concat())];
        answering(&scene, refuse, || {
            assert_eq!(scene.ask(HOST[0], 0).addresses[0].finding, "refuses");
        });
    }
    // hosts.deny has rpcbind refuse everything but NULL.
    replace_file(&scene.host, "/etc/hosts.deny", "ALL: 192.0.2.\n");
    let rpcbind = scene.rpcbind("");
    let asked = scene.ask(HOST[0], 0);
    assert_eq!(asked.verdict, Verdict::Limited);
    assert_eq!(asked.addresses[0].finding, "small_only");
    assert_eq!(scene.ask(HOST[1], 3).verdict, Verdict::Exposed);
    drop(rpcbind);
    // A reply that is larger than the question amplifies, whatever is in it.
    let long = |call: Call| vec![[call.denial(), vec![0; 380]].concat()];
    answering(&scene, long, || {
        let asked = scene.ask(HOST[0], 3);
        assert_eq!(asked.addresses[0].finding, "amplifies");
        assert_eq!(
            asked.addresses[0].amplification.as_ref().unwrap().payload,
            10.0
        );
    });
}

#[test]
fn a_refusal_to_relay_alone_says_nothing() {
    let test = "a_refusal_to_relay_alone_says_nothing";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let refuse = |call: Call| match call.procedure {
        CALLIT => vec![call.no_such_procedure()],
        _ => Vec::new(),
    };
    answering(&scene, refuse, || {
        let asked = scene.ask(&format!("{} --relay", HOST[0]), 0);
        assert_eq!(asked.verdict, Verdict::NotExposed);
        assert_eq!(
            outcome(&asked.addresses[0], "CALLIT", 2),
            Some(Outcome::Answered)
        );
    });
}

/// Has rpcbind's statistics grow: GETPORT of programs that nobody has.
fn look_up(scene: &Scene, programs: u32) {
    let socket = scene.host.enter(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    socket.connect("127.0.0.1:111").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    for program in 0..programs {
        let mapping = words(&[500_000 + program, 1, 17, 0]);
        let call = [&rpc::call(2, 3)[..], &mapping].concat();
        socket.send(&call).unwrap();
        assert_eq!(socket.recv(&mut [0; 64]).unwrap(), 28);
    }
}

#[test]
fn an_amplifier_whose_fragments_get_lost_is_exposed() {
    let test = "an_amplifier_whose_fragments_get_lost_is_exposed";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    for number in 0..100 {
        register(&scene.host, 300_000 + number, 1, 20_000 + number as u16);
    }
    nft(&scene.host, "tcp dport 111 drop;");
    let lose = "table ip lost {\n chain in {\n type filter hook prerouting priority -500;\n \
                ip frag-off & 0x3fff != 0 drop\n }\n }";
    scene.asker.run("nft", &[lose]).unwrap();
    for (statistics, procedure, payload) in [
        (0, "GETSTAT", 228.0 / 40.0),
        (100, "GETADDRLIST", 132.0 / 64.0),
    ] {
        look_up(&scene, statistics);
        let asked = scene.ask(HOST[0], 3);
        let address = &asked.addresses[0];
        assert_eq!(asked.verdict, Verdict::Exposed);
        assert!(address.may_lose_large_replies);
        assert_eq!(outcome(address, "DUMP", 2), Some(Outcome::Silent));
        assert_eq!(outcome(address, procedure, 4), Some(Outcome::Answered));
        let measured = address.amplification.as_ref().unwrap().payload;
        assert!(measured >= payload, "{measured}");
        assert!(
            asked.summary.contains("amplifies at least ")
                && asked
                    .summary
                    .contains("larger replies may be lost on the way to here"),
            "{}",
            asked.summary
        );
    }
}

#[test]
fn an_old_portmapper_whose_list_gets_lost_is_not_called_limited() {
    let test = "an_old_portmapper_whose_list_gets_lost_is_not_called_limited";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let old = |call: Call| match (call.version, call.procedure) {
        (2, NULL) => vec![call.success(&[])],
        (2, _) => Vec::new(),
        _ => vec![call.version_2_only()],
    };
    answering(&scene, old, || {
        let asked = scene.ask(HOST[0], 3);
        assert_eq!(asked.addresses[0].finding, "answers");
        assert!(
            asked.summary.ends_with(
                "answers who asks from here over UDP; larger replies may be lost on the way to here: what they \
                 amplify cannot be told from here"
            ),
            "{}",
            asked.summary
        );
    });
}

#[test]
fn a_late_reply_is_waited_for_and_one_that_was_not_is_said_not_to_be() {
    let test = "a_late_reply_is_waited_for_and_one_that_was_not_is_said_not_to_be";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let late = Duration::from_millis(3700);
    let serve = |socket: &UdpSocket, call: Call, client| {
        let (socket, reply) = (socket.try_clone().unwrap(), call.list(20));
        let _ = thread::spawn(move || {
            thread::sleep(late);
            let _ = socket.send_to(&reply, client);
        });
    };
    serving(&scene, &format!("{}:111", HOST[0]), serve, || {
        let started = Instant::now();
        let asked = scene.ask(&format!("{} --wait 6", HOST[0]), 3);
        // The reply to what was sent first counts, however often it was sent since.
        assert!(started.elapsed() < Duration::from_millis(5500));
        let dump = &asked.addresses[0].probes[1];
        assert_eq!(dump.outcome, Outcome::Answered);
        assert!(dump.milliseconds.unwrap() >= 3700.0, "{dump:?}");
        assert!(dump.attempts > 1);

        let asked = scene.ask(&format!("{} --wait 1", HOST[0]), 0);
        assert_eq!(asked.wait_seconds, 1.0);
        assert!(
            asked.summary.contains("no answer within 1 s"),
            "{}",
            asked.summary
        );
    });
    // As long as rpcinfo waits, and no longer.
    for (seconds, code) in [("60", 0), ("0", 2), ("61", 2)] {
        let command = format!("check --wait {seconds} 127.0.0.1");
        let _ = rpcguard(&scene.asker, &command).exited_with(code);
    }
}

#[test]
fn services_that_are_registered_are_said_to_be_reachable_or_not() {
    let test = "services_that_are_registered_are_said_to_be_reachable_or_not";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    register(&scene.host, 100_003, 3, 2049);
    register(&scene.host, 100_005, 3, 30_000);
    let mut calls = 0;
    let serve = |socket: &UdpSocket, call: Call, client| {
        assert_eq!(
            (call.program, call.version, call.procedure),
            (100_003, 3, NULL)
        );
        calls += 1;
        let _ = socket.send_to(&call.success(&[]), client);
    };
    serving(&scene, &format!("{}:2049", HOST[0]), serve, || {
        let asked = scene.ask(HOST[0], 3);
        let services: Vec<_> = asked.addresses[0]
            .services
            .iter()
            .map(|service| (&*service.service, service.port, service.outcome))
            .collect();
        assert_eq!(
            services,
            [
                ("mountd", 30_000, Outcome::Closed),
                ("nfs", 2049, Outcome::Answered)
            ]
        );
        let command = format!("check {} --wait 2", HOST[0]);
        let text = rpcguard(&scene.asker, &command).exited_with(3).stdout;
        assert!(
            text.contains("  nfs on UDP port 2049 can be reached too\n"),
            "{text}"
        );
    });
    assert_eq!(calls, 2, "each check sends one call");
    // mountd is there now, with a name that a terminal would obey.
    let exports = [
        &[
            1,
            4,
            u32::from_be_bytes(*b"/srv"),
            1,
            1,
            u32::from_be_bytes(*b"*\0\0\0"),
            0,
        ][..],
        &[1, 4, u32::from_be_bytes(*b"/\x1b[J"), 0, 0],
    ];
    let serve = |socket: &UdpSocket, call: Call, client| {
        let reply = match call.procedure {
            NULL => call.success(&[]),
            _ => call.success(&exports.concat()),
        };
        let _ = socket.send_to(&reply, client);
    };
    serving(&scene, &format!("{}:30000", HOST[0]), serve, || {
        let asked = scene.ask(HOST[0], 3);
        let mountd = &asked.addresses[0].services[0];
        assert_eq!(
            mountd.exports_to_everybody.as_deref().unwrap(),
            ["/srv", "/\x1b[J"]
        );
        let command = format!("check {} --wait 2", HOST[0]);
        let text = rpcguard(&scene.asker, &command).exited_with(3).stdout;
        let line = "can be reached too, and exports to everybody: /srv, /\\u{1b}[J\n";
        assert!(text.contains(line), "{text}");
    });
}
