//! Where nothing was heard, it is not called safe before everything was asked that can be.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rpcguard_tests::lab::PacketReceiver;

use crate::{
    documents::{Outcome, Verdict},
    fake::{ADDRESS_LIST, Call, DUMP, NULL, answering, socket},
    remote::all_are,
    scene::{ASKER, HOST, Scene, nft},
};

#[test]
fn what_this_hosts_own_firewall_does_to_tcp_is_not_taken_for_the_other_hosts_answer() {
    let test = "what_this_hosts_own_firewall_does_to_tcp_is_not_taken_for_the_other_hosts_answer";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    nft(&scene.host, "udp dport 111 drop;");
    for verdict in ["drop", "reject", "reject with tcp reset"] {
        let rules = format!(
            "table inet own {{\n chain out {{\n type filter hook output priority 0;\n \
             tcp dport 111 {verdict};\n }}\n }}"
        );
        scene.asker.run("nft", &[&rules]).unwrap();
        for host in HOST {
            let asked = scene.ask(host, 1);
            assert_eq!(asked.verdict, Verdict::Unknown, "{verdict}");
            assert!(
                all_are(&asked.addresses[0], "tcp", Outcome::Failed),
                "{verdict}: {asked:#?}"
            );
            let why = "could not all be asked from here: TCP to there does not leave this host";
            assert!(asked.summary.contains(why), "{}", asked.summary);
        }
        scene.asker.run("nft", &["delete table inet own"]).unwrap();
    }
    // Its routes: of IPv4.
    scene
        .asker
        .ip("rule add pref 10 ipproto tcp dport 111 prohibit")
        .unwrap();
    let asked = scene.ask(HOST[0], 1);
    assert!(
        asked.summary.contains("says this host itself"),
        "{}",
        asked.summary
    );
}

#[test]
fn questions_that_this_host_itself_held_back_expose_nobody() {
    let test = "questions_that_this_host_itself_held_back_expose_nobody";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    let rules = "table inet own {\n chain out {\n type filter hook output priority 0;\n \
                 udp dport 111 @th,224,32 != 0 drop\n }\n }";
    scene.asker.run("nft", &[rules]).unwrap();
    let small = |call: Call| match call.procedure {
        NULL => vec![call.success(&[])],
        _ => Vec::new(),
    };
    answering(&scene, small, || {
        assert_eq!(scene.ask(HOST[0], 1).verdict, Verdict::Unknown);
    });
}

#[test]
fn records_that_are_no_reply_are_not_silence() {
    let test = "records_that_are_no_reply_are_not_silence";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    nft(&scene.host, "udp dport 111 drop;");
    let other = |call: Call| {
        let xid = !call.xid;
        Some(Call { xid, ..call }.list(3))
    };
    over_tcp(&scene, 9, other, || {
        let asked = scene.ask(HOST[0], 1);
        assert!(all_are(&asked.addresses[0], "tcp", Outcome::Garbage));
    });
}

#[test]
fn a_reply_after_an_icmp_error_is_one() {
    let test = "a_reply_after_an_icmp_error_is_one";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    for setting in ["net/ipv4/icmp_ratelimit=0", "net/ipv6/icmp/ratelimit=0"] {
        let _ = scene.host.sysctl(setting);
    }
    // Nothing listens on 111, and the kernel says so; what sees the packet answers all the same.
    let (frames, other) = (
        PacketReceiver::open(&scene.host, "eth0", 0x0800, 1 << 20).unwrap(),
        socket(&scene, &format!("{}:7777", HOST[0])),
    );
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 2048];
            while !over.load(Ordering::Relaxed) {
                let frame = frames.next(&mut buffer, Duration::from_millis(20)).unwrap();
                // Ethernet, IPv4 without options, UDP to port 111.
                let Some(frame) = frame.filter(|frame| frame.len() > 42) else {
                    continue;
                };
                if frame[23] != 17 || frame[36..38] != [0, 111] {
                    continue;
                }
                let port = u16::from_be_bytes([frame[34], frame[35]]);
                let call = Call::read(&frame[42..]).unwrap();
                thread::sleep(Duration::from_millis(20));
                let _ = other.send_to(&call.list(20), (ASKER[0], port));
            }
        });
        // A panic ends the thread as well.
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            scene.ask(&format!("{} --wait 15", HOST[0]), 3)
        }));
        over.store(true, Ordering::Relaxed);
        assert!(asked.unwrap().summary.contains("from 192.0.2.1 port 7777"));
    });
}

/// Runs `body` while port 111 of the host, over TCP, does this about each call of a connection;
/// it is ended where there is no reply.
fn over_tcp(
    scene: &Scene,
    calls: usize,
    reply: impl Fn(Call) -> Option<Vec<u8>> + Sync,
    body: impl FnOnce(),
) {
    let listener = scene
        .host
        .enter(|| TcpListener::bind((HOST[0], 111)))
        .unwrap();
    listener.set_nonblocking(true).unwrap();
    let over = AtomicBool::new(false);
    let serve = |mut stream: TcpStream| {
        stream.set_nonblocking(false).unwrap();
        for _ in 0..calls {
            let mut record = [0; 44];
            if stream.read_exact(&mut record).is_err() {
                return;
            }
            let Some(reply) = reply(Call::read(&record[4..]).unwrap()) else {
                return;
            };
            let mark = 1 << 31 | reply.len() as u32;
            let _ = stream.write_all(&[&mark.to_be_bytes(), &reply[..]].concat());
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let _ = scope.spawn(|| serve(stream));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        over.store(true, Ordering::Relaxed);
        ran.unwrap();
    });
}

#[test]
fn each_question_over_tcp_is_asked_whatever_came_of_the_others() {
    let test = "each_question_over_tcp_is_asked_whatever_came_of_the_others";
    let Some(scene) = Scene::or_skip(test, &["nft"]) else {
        return;
    };
    nft(&scene.host, "udp dport 111 drop;");
    let list = |call: Call| call.success(&[0]);
    let expect_exposed = || {
        let asked = scene.ask(HOST[0], 3);
        assert_eq!(asked.addresses[0].finding, "tells");
        let probes = asked.addresses[0].probes.iter();
        let mut over_tcp = probes.filter(|probe| probe.transport == "tcp");
        assert!(over_tcp.all(|probe| probe.attempts == 1), "{asked:#?}");
    };
    // One call for each connection.
    over_tcp(&scene, 1, |call| Some(list(call)), expect_exposed);
    // Connections end on any version but the fourth, and on all but one procedure of that.
    let version_4 = |call: Call| (call.version == 4 && call.procedure == DUMP).then(|| list(call));
    over_tcp(&scene, 9, version_4, expect_exposed);
    // The same, in silence.
    let silent = |call: Call| {
        version_4(call).or_else(|| {
            thread::sleep(Duration::from_secs(3));
            None
        })
    };
    over_tcp(&scene, 9, silent, expect_exposed);
}

#[test]
fn a_portmapper_of_one_version_whose_long_replies_get_lost_is_exposed() {
    let test = "a_portmapper_of_one_version_whose_long_replies_get_lost_is_exposed";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let of_version = |version| {
        move |call: Call| match call.procedure {
            _ if call.version != version => Vec::new(),
            NULL => vec![call.success(&[])],
            ADDRESS_LIST => vec![call.success(&[0; 27])],
            _ => Vec::new(),
        }
    };
    for (version, finding) in [(2, "answers"), (4, "amplifies")] {
        answering(&scene, of_version(version), || {
            assert_eq!(scene.ask(HOST[0], 3).addresses[0].finding, finding);
        });
    }
    // The list of addresses amplifies, though everything else is refused.
    let refuses = |call: Call| match call.procedure {
        ADDRESS_LIST => vec![call.success(&[0; 27])],
        _ => vec![call.denial()],
    };
    answering(&scene, refuses, || {
        assert_eq!(scene.ask(HOST[0], 3).addresses[0].finding, "amplifies");
    });
}
