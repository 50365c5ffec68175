//! Servers that lie. Whatever they send, the command ends in time, says what it found, and nothing that they chose
//! reaches the terminal as it is.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rpcguard_tests::lab::{Finished, Host};

use crate::{
    documents::{HostDocument, LocalDocument, Outcome, Verdict},
    remote::all_are,
    scene::{HOST, Scene, read, rpcguard},
};

/// How long the command may take for an address.
const LIMIT: Duration = Duration::from_secs(9);

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = [words(&[bytes.len() as u32]), bytes.to_vec()].concat();
    encoded.resize(encoded.len().next_multiple_of(4), 0);
    encoded
}

/// An accepted reply with these results.
fn success(xid: u32, results: &[u8]) -> Vec<u8> {
    [words(&[xid, 1, 0, 0, 0, 0]), results.to_vec()].concat()
}

/// `struct rpcb` of a list.
fn entry(netid: &[u8], address: &[u8], owner: &[u8]) -> Vec<u8> {
    [
        words(&[1, 100_000, 4]),
        string(netid),
        string(address),
        string(owner),
    ]
    .concat()
}

fn record(message: &[u8]) -> Vec<u8> {
    [&words(&[1 << 31 | message.len() as u32]), message].concat()
}

/// What a server does with a call: the datagrams that it sends, and what it writes to a connection.
struct Lie {
    udp: fn(u32) -> Vec<Vec<u8>>,
    tcp: fn(u32, &mut TcpStream) -> std::io::Result<()>,
}

/// The host itself, on loopback.
const LOOPBACK: &str = "127.0.0.1";

/// Runs the commands against a server at this address of the host that behaves like this.
fn against(scene: &Scene, address: &str, lie: &Lie, commands: impl FnOnce()) {
    let place = (address, 111);
    let udp = scene.host.enter(|| UdpSocket::bind(place)).unwrap();
    let tcp = scene.host.enter(|| TcpListener::bind(place)).unwrap();
    udp.set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    tcp.set_nonblocking(true).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut call = [0; 512];
                let Ok((_, client)) = udp.recv_from(&mut call) else {
                    continue;
                };
                for datagram in (lie.udp)(xid(&call)) {
                    // The client may have what it wanted.
                    let _ = udp.send_to(&datagram, client);
                }
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                match tcp.accept() {
                    Ok((stream, _)) => serve(stream, lie),
                    Err(_) => thread::sleep(Duration::from_millis(10)),
                }
            }
        });
        let _end = End(&over);
        commands();
    });
}

/// Ends the server, also if a command fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn serve(mut stream: TcpStream, lie: &Lie) {
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut mark = [0; 4];
    while stream.read_exact(&mut mark).is_ok() {
        let len = (u32::from_be_bytes(mark) & 0x7fff_ffff) as usize;
        let mut call = vec![0; len.min(4096)];
        if stream.read_exact(&mut call).is_err() || (lie.tcp)(xid(&call), &mut stream).is_err() {
            break;
        }
    }
}

fn xid(call: &[u8]) -> u32 {
    u32::from_be_bytes(*call.first_chunk().unwrap())
}

/// Runs a command that must end in time and print nothing that a terminal would obey.
#[track_caller]
fn run(host: &Host, arguments: &str) -> Finished {
    let started = Instant::now();
    let finished = rpcguard(host, arguments);
    assert!(
        started.elapsed() < LIMIT,
        "{:?}: {finished}",
        started.elapsed()
    );
    assert!([0, 1, 3].contains(&finished.code.unwrap()), "{finished}");
    let obeyed = |letter: char| letter.is_control() && letter != '\n';
    assert!(!finished.stdout.contains(obeyed), "{:?}", finished.stdout);
    assert!(!finished.stderr.contains(obeyed), "{:?}", finished.stderr);
    finished
}

/// Looks and asks; what is found must come to this.
#[track_caller]
fn survives(test: &str, lie: &Lie, verdict: Verdict) {
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    against(&scene, HOST[0], lie, || {
        let _ = run(&scene.asker, "check --wait 3 192.0.2.1");
        let asked: HostDocument = read(&run(&scene.asker, "check --wait 3 192.0.2.1 --json"));
        assert_eq!(asked.verdict, verdict, "{asked:#?}");
    });
    against(&scene, LOOPBACK, lie, || {
        let _ = run(&scene.host, "check");
        let looked: LocalDocument = read(&run(&scene.host, "check --json"));
        // A socket on loopback alone.
        assert_eq!(looked.verdict, Verdict::NotExposed);
        assert_eq!(looked.sockets.len(), 2);
    });
}

#[test]
fn a_reply_to_another_call_is_none() {
    let lie = Lie {
        udp: |xid| vec![success(!xid, &words(&[0]))],
        tcp: |xid, stream| stream.write_all(&record(&success(!xid, &words(&[0])))),
    };
    let test = "a_reply_to_another_call_is_none";
    survives(test, &lie, Verdict::Unknown);
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    against(&scene, HOST[0], &lie, || {
        let asked: HostDocument =
            read(&run(&scene.asker, "check --wait 3 192.0.2.1 --json").exited_with(1));
        assert!(
            all_are(&asked.addresses[0], "udp", Outcome::Garbage),
            "{asked:#?}"
        );
    });
}

#[test]
fn lengths_that_lie_are_not_believed() {
    let lie = Lie {
        // A string of 2 GiB; a verifier of 4.
        udp: |xid| {
            vec![
                words(&[xid, 1, 0, 0, u32::MAX, 0]),
                success(xid, &words(&[1, 100_000, 4, 1 << 31])),
            ]
        },
        tcp: |xid, stream| {
            let message = success(xid, &words(&[1, 100_000, 4, u32::MAX, 0, 0]));
            stream.write_all(&record(&message))
        },
    };
    // It does answer.
    survives("lengths_that_lie_are_not_believed", &lie, Verdict::Exposed);
}

#[test]
fn a_list_without_end_is_cut_off() {
    let lie = Lie {
        udp: |xid| {
            vec![success(
                xid,
                &entry(b"udp", b"0.0.0.0.0.111", b"x").repeat(1000),
            )]
        },
        tcp: |xid, stream| {
            let list = entry(b"udp", b"0.0.0.0.0.111", b"x").repeat(10_000);
            stream.write_all(&record(&success(xid, &list)))
        },
    };
    survives("a_list_without_end_is_cut_off", &lie, Verdict::Exposed);
}

#[test]
fn a_record_without_end_is_given_up() {
    let lie = Lie {
        udp: |_| vec![],
        tcp: |xid, stream| {
            // Fragment after fragment, none of them the last.
            stream.write_all(&words(&[24]))?;
            stream.write_all(&success(xid, &[]))?;
            loop {
                stream.write_all(&words(&[16, 0, 0, 0, 0]).repeat(1000))?;
            }
        },
    };
    survives("a_record_without_end_is_given_up", &lie, Verdict::Unknown);
}

#[test]
fn a_record_that_promises_more_than_comes_is_given_up() {
    let lie = Lie {
        udp: |_| vec![],
        tcp: |xid, stream| {
            stream.write_all(&words(&[1 << 31 | 0xf_0000]))?;
            stream.write_all(&success(xid, &[]))?;
            // A byte now and then, for longer than anybody should wait.
            loop {
                stream.write_all(&[0])?;
                thread::sleep(Duration::from_millis(100));
            }
        },
    };
    survives(
        "a_record_that_promises_more_than_comes_is_given_up",
        &lie,
        Verdict::NotExposed,
    );
}

#[test]
fn fragments_of_a_true_reply_are_put_together() {
    let lie = Lie {
        udp: |xid| vec![success(xid, &words(&[0]))],
        tcp: |xid, stream| {
            let list = [entry(b"tcp", b"0.0.0.0.0.111", b"superuser"), words(&[0])].concat();
            let message = success(xid, &list);
            let (last, others) = message.split_last().unwrap();
            for byte in others {
                stream.write_all(&[&words(&[1])[..], &[*byte]].concat())?;
            }
            stream.write_all(&[&words(&[1 << 31 | 1])[..], &[*last]].concat())
        },
    };
    let test = "fragments_of_a_true_reply_are_put_together";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    against(&scene, HOST[0], &lie, || {
        let asked: HostDocument =
            read(&run(&scene.asker, "check --wait 3 192.0.2.1 --json").exited_with(3));
        let registrations = asked.addresses[0].registrations.as_ref().unwrap();
        assert_eq!(registrations.len(), 1);
        assert_eq!(registrations[0].owner, "superuser");
        let looked: LocalDocument = read(&run(&scene.host, "check --json"));
        assert_eq!(looked.registrations.unwrap().len(), 1);
    });
}

#[test]
fn what_a_terminal_would_obey_is_not_printed() {
    let lie = Lie {
        udp: |xid| {
            let list = [
                entry(b"\x1b[2J", b"\x07\n\r\x9b1m", "\u{202e}\0".as_bytes()),
                words(&[0]),
            ];
            vec![success(xid, &list.concat())]
        },
        tcp: |xid, stream| {
            let list = [
                entry(b"\x1b]0;title\x07", b"\x1b[31m", b"\xff\xfe"),
                words(&[0]),
            ];
            stream.write_all(&record(&success(xid, &list.concat())))
        },
    };
    let test = "what_a_terminal_would_obey_is_not_printed";
    survives(test, &lie, Verdict::Exposed);
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    against(&scene, HOST[0], &lie, || {
        for (host, command) in [
            (&scene.asker, "check --wait 3 192.0.2.1"),
            (&scene.host, "check"),
        ] {
            let text = run(host, command).stdout;
            assert!(text.contains("\\u{1b}]0;title\\u{7}"), "{text}");
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("evidence");
        let _ = run(
            &scene.asker,
            &format!("check --wait 3 192.0.2.1 --evidence {}", file.display()),
        );
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'));
    });
}

#[test]
fn a_flood_of_datagrams_is_given_up() {
    let lie = Lie {
        udp: |xid| vec![success(!xid, &[0; 1024]); 2000],
        tcp: |_, stream| stream.shutdown(std::net::Shutdown::Both),
    };
    survives("a_flood_of_datagrams_is_given_up", &lie, Verdict::Unknown);
}

#[test]
fn what_is_no_rpc_at_all_is_no_answer() {
    let lie = Lie {
        udp: |_| vec![b"hello".to_vec(), Vec::new(), vec![0xff; 65_000]],
        tcp: |_, stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"),
    };
    survives("what_is_no_rpc_at_all_is_no_answer", &lie, Verdict::Unknown);
}

/// Refusals are answers, but none that is of use to an attacker.
#[test]
fn refusals_are_answers_and_no_exposure() {
    let lie = Lie {
        udp: |xid| vec![words(&[xid, 1, 0, 0, 0, 2, 7, 9])],
        tcp: |xid, stream| stream.write_all(&record(&words(&[xid, 1, 1, 1, 5]))),
    };
    let test = "refusals_are_answers_and_no_exposure";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    against(&scene, HOST[0], &lie, || {
        let asked: HostDocument =
            read(&run(&scene.asker, "check --wait 3 192.0.2.1 --json").exited_with(0));
        let address = &asked.addresses[0];
        assert!(all_are(address, "udp", Outcome::Answered), "{address:#?}");
        let detail = |transport: &str| {
            let mut probes = address.probes.iter();
            let probe = probes.find(|probe| probe.transport == transport).unwrap();
            probe.detail.clone().unwrap()
        };
        assert_eq!(detail("udp"), "versions 7 to 9 only");
        assert_eq!(detail("tcp"), "credentials refused");
        let looked: LocalDocument = read(&run(&scene.host, "check --json"));
        assert_eq!(looked.registrations, None);
        assert!(looked.registrations_error.is_some());
    });
}

#[test]
fn a_relay_that_names_another_host_is_not_followed_there() {
    // The reply to CALLIT comes from somewhere else.
    let test = "a_relay_that_names_another_host_is_not_followed_there";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    scene.host.ip("address add 192.0.2.8/24 dev eth0").unwrap();
    let elsewhere: SocketAddr = "192.0.2.8:7777".parse().unwrap();
    let portmapper = scene
        .host
        .enter(|| UdpSocket::bind((HOST[0], 111)))
        .unwrap();
    let other = scene.host.enter(|| UdpSocket::bind(elsewhere)).unwrap();
    portmapper
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let over = AtomicBool::new(false);
    let asked: HostDocument = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut call = [0; 512];
                let Ok((_, client)) = portmapper.recv_from(&mut call) else {
                    continue;
                };
                // Procedure 5.
                if call[20..24] == [0, 0, 0, 5] {
                    let _ = other.send_to(&success(xid(&call), &words(&[111, 0])), client);
                }
            }
        });
        let _end = End(&over);
        read(&run(&scene.asker, "check --wait 3 192.0.2.1 --relay --json").exited_with(3))
    });
    let probes = &asked.addresses[0].probes;
    let relayed = probes
        .iter()
        .find(|probe| probe.procedure == "CALLIT")
        .unwrap();
    assert_eq!(relayed.reply_address.as_deref(), Some("192.0.2.8"));
    assert_eq!(relayed.reply_port, Some(7777));
    // The host that was named is asked, at that port, and nobody else.
    let dump = probes.iter().find(|probe| probe.port == 7777).unwrap();
    assert_eq!(dump.outcome, Outcome::Closed);
    other.set_nonblocking(true).unwrap();
    assert!(other.recv(&mut [0; 64]).is_err(), "somebody else was asked");
}
