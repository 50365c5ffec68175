//! `rpcguard events` and `rpcguard report`: who is being attacked, and with what.

use std::{
    net::{Ipv4Addr, UdpSocket},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use rpcguard::guard::{Events, Reason, Registry};
use rpcguard_tests::{
    lab::{PacketSocket, Rpcbind},
    packet::{Frame, rpc},
};
use serde_json::{Value, json};

use crate::{
    attack_documents::{EventDocument, ReportDocument},
    documents,
    machine::Machine,
};

const VICTIM: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// Bytes of a DUMP call with its Ethernet, IPv4 and UDP headers.
const DUMP_LEN: u64 = 14 + 20 + 8 + 40;

/// Sends a DUMP call, many times, as from the victim.
fn dump(machine: &Machine, times: usize) {
    let frame = Frame::ethernet()
        .to_mac(machine.host().mac("eth0").unwrap())
        .ipv4(VICTIM)
        .to_v4([192, 0, 2, 1].into())
        .udp(111)
        .payload(&rpc::DUMP)
        .build();
    let wire = PacketSocket::open(machine.neighbour(), "eth0").unwrap();
    for _ in 0..times {
        wire.send(&frame).unwrap();
    }
}

/// Runs `rpcguard events` while the victim's calls come, a few a second, until it has enough of them.
fn events(machine: &Machine, arguments: &str) -> Vec<String> {
    let mut command = machine.command(arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        dump(machine, 1);
        thread::sleep(Duration::from_millis(20));
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
        }
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    let printed = String::from_utf8(output.stdout).unwrap();
    printed.lines().map(str::to_owned).collect()
}

#[test]
fn single_drops_are_all_told_of() {
    let Some(machine) = Machine::or_skip("single_drops_are_all_told_of") else {
        return;
    };
    machine.does("attach eth0");
    let started = jiff::Timestamp::now();
    let lines = events(&machine, "events eth0 --json --count 5");
    assert_eq!(lines.len(), 5);
    for line in lines {
        let event: Value = serde_json::from_str(&line).unwrap();
        documents::read::<EventDocument>(&event);
        let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
        assert!(time >= started && time <= jiff::Timestamp::now(), "{event}");
        let expected = json!({
            "schema_version": 1,
            "time": event["time"],
            "interface": "eth0",
            "source": VICTIM.to_string(),
            "reason": "unlisted",
            "procedure": "v2.DUMP",
            "bytes": DUMP_LEN,
            "observed": false,
            "skipped": 0,
        });
        assert_eq!(event, expected);
    }
    machine.does("set eth0 --observe on");
    let lines = events(&machine, "events --count 1");
    assert!(lines[0].ends_with("82 bytes, passed"), "{lines:?}");
}

/// The reader is slow on purpose: it comes when all is over.
#[test]
fn a_flood_is_told_of_by_samples_that_account_for_all_of_it() {
    const TEST: &str = "a_flood_is_told_of_by_samples_that_account_for_all_of_it";
    const FLOOD: usize = 50_000;
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    machine.host().enter(|| {
        let guard = Registry::at("/sys/fs/bpf").unwrap().guard("eth0").unwrap();
        let mut following = Events::follow([&guard]).unwrap();
        dump(&machine, FLOOD);
        let mut events = Vec::new();
        following.read(Duration::ZERO, &mut events).unwrap();
        let told = events.len() as u64;
        let accounted: u64 = events.iter().map(|event| 1 + event.skipped).sum();
        println!("{told} events for {FLOOD} drops, {accounted} of them accounted for so far");
        // A burst of 500 a CPU, and 500 a second.
        assert!((100..5_000).contains(&told), "{told} events");

        // Some time later, the next event tells how many there were in between.
        thread::sleep(Duration::from_millis(100));
        dump(&machine, 2 * 64);
        following.read(Duration::ZERO, &mut events).unwrap();
        let accounted: u64 = events.iter().map(|event| 1 + event.skipped).sum();
        let dropped = guard.counters().unwrap().reason(Reason::Unlisted).packets;
        assert_eq!(dropped, (FLOOD + 2 * 64) as u64);
        assert!(accounted <= dropped, "{accounted} of {dropped}");
        // A CPU that sees no more drops keeps what came in the two milliseconds after its last event.
        assert!(
            dropped - accounted <= FLOOD as u64 / 20,
            "{accounted} of {dropped}"
        );
    });
}

#[test]
fn events_go_to_one_reader_and_end_with_the_guard() {
    let Some(machine) = Machine::or_skip("events_go_to_one_reader_and_end_with_the_guard") else {
        return;
    };
    machine.does("attach eth0");
    machine.host().enter(|| {
        let guard = Registry::at("/sys/fs/bpf").unwrap().guard("eth0").unwrap();
        let mut following = Events::follow([&guard]).unwrap();
        machine
            .refuses("events eth0")
            .exited_with(1)
            .saying("another process follows the events of `eth0` already")
            .hinting("end it first");
        // The reader does not hold up anybody else.
        machine.does("set eth0 --tcp on");
        machine.does("detach eth0");
        assert_eq!(following.leave_detached(), ["eth0"]);
        assert!(following.is_over());
    });
    machine
        .refuses("events eth0")
        .exited_with(1)
        .saying("`eth0` is not guarded");
}

fn report(machine: &Machine) -> Value {
    let report = machine.does("report --json").json();
    documents::read::<ReportDocument>(&report);
    report["interfaces"][0].clone()
}

#[test]
fn a_report_multiplies_requests_by_the_replies_that_this_portmapper_gives() {
    const TEST: &str = "a_report_multiplies_requests_by_the_replies_that_this_portmapper_gives";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    dump(&machine, 30);
    let without = report(&machine);
    let expected = json!([{
        "name": "v2.DUMP",
        "requests": 30,
        "reply_size": 148,
        "reply_size_is": "typical",
        "reply_bytes": 30 * 148,
    }]);
    assert_eq!(without["procedures"], expected);
    let source =
        |prefix: &str| json!([{ "prefix": prefix, "requests": 30, "bytes": 30 * DUMP_LEN }]);
    assert_eq!(without["sources"], source("203.0.113.9/32"));
    assert_eq!(without["neighbourhoods"], source("203.0.113.0/24"));
    assert_eq!(without["requests"], 30);
    assert_eq!(without["request_bytes"], 30 * DUMP_LEN);
    assert_eq!(without["reply_bytes"], 30 * 148);

    let _rpcbind = Rpcbind::start(machine.host()).unwrap();
    let measured = report(&machine)["procedures"][0].clone();
    assert_eq!(measured["reply_size_is"], "measured");
    let size = machine.host().enter(|| reply_len(&rpc::DUMP));
    assert_eq!(measured["reply_size"], size);
    assert_eq!(measured["reply_bytes"], 30 * size);

    let text = machine.does("report").stdout;
    for words in [
        "30 requests",
        "v2.DUMP",
        "measured",
        "~30",
        "203.0.113.9/32",
    ] {
        assert!(text.contains(words), "no `{words}` in {text}");
    }
}

/// The length of the reply that the portmapper of this namespace gives to a call.
fn reply_len(call: &[u8]) -> usize {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket.send_to(call, "127.0.0.1:111").unwrap();
    socket.recv(&mut [0; 65_536]).unwrap()
}
