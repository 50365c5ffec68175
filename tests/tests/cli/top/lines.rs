//! The live view without a terminal.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Stdio},
    time::{Duration, Instant},
};

use expect_test::expect_file;
use rpcguard_common::{reason::Reason, rpc::Request};

use super::document::{Interface, State, TopDocument};
use crate::{documents, json::is_schema_of, machine::Machine};

/// How long anything may take that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// `UPDATE_EXPECT=1` writes it.
#[test]
fn the_schema_in_the_documentation_is_that_of_the_document() {
    is_schema_of::<TopDocument>(&expect_file!["../../../../docs/schema/top.json"]);
}

/// A command that prints a document every tenth of a second.
struct Follower {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follower {
    fn start(machine: &Machine, interfaces: &str) -> Self {
        let mut child = machine
            .command(&format!("top --json --interval 0.1 {interfaces}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> TopDocument {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        let document = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        documents::read(&document)
    }

    /// The first document that is as wanted.
    #[track_caller]
    fn until(&mut self, wanted: impl Fn(&[Interface]) -> bool) -> Vec<Interface> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let interfaces = self.next().interfaces;
            if wanted(&interfaces) {
                return interfaces;
            }
            assert!(Instant::now() < deadline, "only {interfaces:#?}");
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn rates_by_the_time_come_to_the_packets_that_came() {
    const TEST: &str = "rates_by_the_time_come_to_the_packets_that_came";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0 --allow 10.0.0.0/8");
    // What came before is not counted in.
    machine.call_portmapper([203, 0, 113, 9], 40);
    let mut top = Follower::start(&machine, "eth0");
    let first = top.next();
    assert!(first.interfaces[0].measured);
    for number in 0..50 {
        machine.call_portmapper([203, 0, 113, 77], 58);
        if number % 5 == 0 {
            machine.call_portmapper([10, 0, 0, 7], 58);
        }
    }
    let (mut dropped, mut passed, mut bytes) = (0.0, 0.0, 0.0);
    // Sources are estimated, and they and hits are read at times of their own.
    let (mut host, mut hits) = (0, 0);
    // The counters are read a little before the end of the interval.
    let close = |sum: f64, exact: f64| (sum - exact).abs() < 0.1 * exact;
    let deadline = Instant::now() + PATIENCE;
    while !(close(dropped, 50.0) && close(passed, 10.0) && (40..=60).contains(&host) && hits == 10)
    {
        assert!(
            Instant::now() < deadline,
            "{dropped} dropped, {passed} passed, {host} of the host, {hits} hits"
        );
        let document = top.next();
        let seconds = document.interval_seconds;
        let [interface] = &document.interfaces[..] else {
            panic!("{document:?}");
        };
        let unlisted = interface.reasons["unlisted"].packets_per_second;
        assert_eq!(interface.dropped_packets_per_second, unlisted);
        dropped += unlisted * seconds;
        passed += interface.procedures["malformed"].passed.packets_per_second * seconds;
        bytes += interface.bytes_per_second * seconds;
        let mut hosts = interface.sources.hosts.iter();
        if let Some(source) = hosts.find(|source| source.prefix == "203.0.113.77/32") {
            host = source.flow.packets;
        }
        for prefix in interface.prefixes.as_ref().unwrap() {
            assert_eq!(prefix.prefix, "10.0.0.0/8");
            hits = prefix.flow.packets;
        }
    }
    assert!(close(bytes, 60.0 * 100.0), "{bytes} bytes");
}

#[test]
fn a_document_says_everything_about_a_guard() {
    let Some(machine) = Machine::or_skip("a_document_says_everything_about_a_guard") else {
        return;
    };
    machine.does("attach eth0 --allow 10.0.0.0/8 --rate 5/s --observe --mode native");
    machine.call_portmapper([10, 0, 0, 7], 58);
    let finished = machine.does("top --json --count 1 --interval 0.1");
    assert_eq!(finished.stderr, "");
    assert_eq!(finished.stdout.lines().count(), 1, "one document, one line");
    let document: TopDocument = documents::read(&finished.json());
    let interval = document.interval_seconds;
    assert!((0.09..10.0).contains(&interval), "{interval} seconds");
    let time: jiff::Timestamp = document.time.parse().unwrap();
    assert!(time <= jiff::Timestamp::now());
    let [interface] = &document.interfaces[..] else {
        panic!("{document:?}");
    };
    assert_eq!(interface.name, "eth0");
    assert_eq!(interface.state, State::Observing);
    assert_eq!(interface.mode, Some(documents::Mode::Native));
    assert_eq!(interface.unlisted, Some(documents::Unlisted::Rate));
    assert_eq!(interface.reasons.len(), Reason::COUNT);
    assert_eq!(interface.procedures.len(), Request::COUNT);
    assert_eq!(interface.reasons["allowed"].packets, 1);
    assert_eq!(interface.reasons["allowed"].bytes, 100);
    assert_eq!(interface.prefixes.as_ref().unwrap()[0].flow.packets, 1);
}

#[test]
fn guards_that_come_and_go_are_followed() {
    let Some(machine) = Machine::or_skip("guards_that_come_and_go_are_followed") else {
        return;
    };
    let mut top = Follower::start(&machine, "");
    assert_eq!(top.next().interfaces, []);
    machine.does("attach eth0 eth1");
    let both = top.until(|interfaces| interfaces.len() == 2);
    assert!(both.iter().all(|i| i.state == State::Guarded));
    machine.does("detach eth1");
    // For an instant, there is only half of a guard left.
    let gone = top.until(|interfaces| interfaces[1].state == State::NotGuarded);
    assert_eq!(
        (gone[0].name.as_str(), gone[0].state),
        ("eth0", State::Guarded)
    );
    assert_eq!((gone[1].name.as_str(), &gone[1].mode), ("eth1", &None));
    assert_eq!(top.next().interfaces.len(), 1);

    // One that was asked for stays, and comes back.
    let mut top = Follower::start(&machine, "eth0");
    assert_eq!(top.next().interfaces[0].state, State::Guarded);
    machine.does("detach eth0");
    top.until(|interfaces| interfaces[0].state == State::NotGuarded);
    assert_eq!(top.next().interfaces[0].state, State::NotGuarded);
    machine.call_portmapper([203, 0, 113, 9], 40);
    machine.does("attach eth0");
    machine.call_portmapper([203, 0, 113, 9], 40);
    let back = top.until(|i| i[0].reasons["unlisted"].packets == 1);
    assert_eq!(back[0].state, State::Guarded);
    machine.host().ip("link del eth0").unwrap();
    top.until(|interfaces| interfaces[0].state == State::Gone);
    machine.does("detach eth0");
}

#[test]
fn a_line_is_printed_for_each_interface_where_there_is_no_terminal() {
    const TEST: &str = "a_line_is_printed_for_each_interface_where_there_is_no_terminal";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let printed = |arguments: &str| -> Vec<String> {
        let mut command = machine.command(arguments);
        let finished =
            rpcguard_tests::lab::Finished::wait_for(command.env("TERM", "xterm")).succeeded();
        assert_eq!(finished.stderr, "");
        assert!(!finished.stdout.contains('\x1b'), "{finished}");
        let lines = finished.stdout.lines();
        lines
            .map(|line| {
                let (time, rest) = line.split_once(' ').unwrap();
                let _: jiff::Timestamp = time.parse().unwrap();
                rest.to_owned()
            })
            .collect()
    };
    let nothing = printed("top --count 1 --interval 0.1");
    assert_eq!(nothing, ["no interface is guarded"]);
    machine.does("attach eth0");
    machine.does("attach eth1 --observe");
    for arguments in [
        "top --count 2 --interval 0.1",
        "top --count 2 --interval 0.1 --plain eth0 eth1 eth0",
    ] {
        let lines = printed(arguments);
        assert_eq!(lines.len(), 4, "{lines:?}");
        for pair in lines.chunks(2) {
            assert_eq!(pair[0], "eth0 guarded: dropped 0/s 0B/s, passed 0/s 0B/s");
            assert_eq!(
                pair[1],
                "eth1 observing: would have dropped 0/s 0B/s, passed 0/s 0B/s"
            );
        }
    }
}

#[test]
fn nobody_reading_ends_it_quietly() {
    let Some(machine) = Machine::or_skip("nobody_reading_ends_it_quietly") else {
        return;
    };
    machine.does("attach eth0");
    for arguments in ["top --interval 0.1", "top --json --interval 0.1"] {
        let mut child = machine
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let Some(machine) = Machine::or_skip("what_cannot_be_shown_is_refused") else {
        return;
    };
    machine
        .refuses("top eth0")
        .exited_with(1)
        .saying("`eth0` is not guarded")
        .hinting("rpcguard attach eth0");
    machine
        .refuses("top eth9")
        .exited_with(1)
        .saying("no interface `eth9`");
    for arguments in [
        "top --interval 0.05",
        "top --interval 3601",
        "top --interval soon",
        "top --count 0",
        "top --plain --json",
    ] {
        let _ = machine.refuses(arguments).exited_with(2);
    }
}
