//! Which procedures the real rpcbind is asked for by sources in no list, and which it is not.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use rpcguard_common::rpc::Request;
use rpcguard_tests::{lab::Host, packet::rpc, site::PATIENCE};

use super::town::Town;
use crate::{
    in_both_modes,
    segment::{FRIEND, HOST, Segment},
};

/// How long to wait for replies that must not come.
const IMPATIENCE: Duration = Duration::from_millis(300);

/// A rate that no test uses up.
pub(super) const AMPLE: &str = "--rate 1000/s --burst 1000";

/// What is served unless `--procedures` says otherwise.
const DEFAULT: [&str; 14] = [
    "v0.NULL",
    "v2.NULL",
    "v2.GETPORT",
    "v3.NULL",
    "v3.GETADDR",
    "v3.GETTIME",
    "v3.UADDR2TADDR",
    "v3.TADDR2UADDR",
    "v4.NULL",
    "v4.GETADDR",
    "v4.GETTIME",
    "v4.UADDR2TADDR",
    "v4.TADDR2UADDR",
    "v4.GETVERSADDR",
];

const DUMPS: [&str; 3] = ["v2.DUMP", "v3.DUMP", "v4.DUMP"];

/// Those that make rpcbind call another service.
const RELAYS: [&str; 4] = ["v2.CALLIT", "v3.CALLIT", "v4.BCAST", "v4.INDIRECT"];

type Names = BTreeSet<&'static str>;

fn every_procedure() -> Names {
    rpc::procedures().map(name).collect()
}

fn name((version, procedure): (u32, u32)) -> &'static str {
    Request::procedure(version, procedure).unwrap().name()
}

/// Calls every procedure once, and returns the names of those that the portmapper replied to: waits
/// for all of `expected`, and then a little longer.
fn answered(client: &Host, server: IpAddr, expected: &Names) -> Names {
    let any = match server {
        IpAddr::V4(_) => "0.0.0.0:0",
        IpAddr::V6(_) => "[::]:0",
    };
    let socket = client.enter(|| UdpSocket::bind(any)).unwrap();
    socket.set_read_timeout(Some(IMPATIENCE)).unwrap();
    let procedures: Vec<_> = rpc::procedures().collect();
    for (transaction, (version, procedure)) in (0_u32..).zip(&procedures) {
        let mut call = rpc::whole_call(*version, *procedure);
        call[..4].copy_from_slice(&transaction.to_be_bytes());
        socket.send_to(&call, SocketAddr::new(server, 111)).unwrap();
    }
    let deadline = Instant::now() + PATIENCE;
    let mut names = Names::new();
    loop {
        let mut reply = [0; 65_536];
        if socket.recv(&mut reply).is_ok() {
            let transaction = u32::from_be_bytes([reply[0], reply[1], reply[2], reply[3]]);
            names.insert(name(procedures[transaction as usize]));
        } else if names.is_superset(expected) || Instant::now() > deadline {
            return names;
        }
    }
}

/// Asserts that the counters tell what became of one call of each procedure.
fn assert_counted(segment: &Segment, served: &Names) {
    let status = segment.status();
    let all = every_procedure();
    for name in &all {
        let expected = if served.contains(name) {
            [1, 0]
        } else {
            [0, 1]
        };
        let counted = ["passed", "dropped"].map(|fate| {
            status["procedures"][name][fate]["packets"]
                .as_u64()
                .unwrap()
        });
        assert_eq!(counted, expected, "{name}");
    }
    let packets = |reason| status["counters"][reason]["packets"].as_u64().unwrap();
    assert_eq!(packets("within_rate"), served.len() as u64);
    assert_eq!(packets("amplifier"), (all.len() - served.len()) as u64);
    for reason in [
        "allowed",
        "unlisted",
        "denied",
        "over_rate",
        "malformed",
        "fragment",
    ] {
        assert_eq!(packets(reason), 0, "{reason}");
    }
}

/// Without it the other tests here would prove nothing.
#[test]
fn rpcbind_answers_each_procedure_to_listed_clients() {
    let test = "rpcbind_answers_each_procedure_to_listed_clients";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        let [v4, v6] = FRIEND;
        segment.attach(mode, &format!("{AMPLE} --allow {v4} --allow {v6}"));
        let all = every_procedure();
        assert_eq!(answered(&segment.friend, HOST[0], &all), all);
        assert_eq!(town.nfs.calls(), RELAYS.len() as u64);
        // The service is not registered for IPv6, and what cannot be relayed is not answered.
        let relays = Names::from(["v3.CALLIT", "v4.BCAST", "v2.CALLIT"]);
        let expected = &all - &relays;
        assert_eq!(answered(&segment.friend, HOST[1], &expected), expected);
        assert_eq!(segment.packets("allowed"), 2 * all.len() as u64);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn strangers_are_answered_the_harmless_procedures_and_no_other() {
    let test = "strangers_are_answered_the_harmless_procedures_and_no_other";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        for server in HOST {
            segment.attach(mode, AMPLE);
            let served = Names::from(DEFAULT);
            assert_eq!(answered(&segment.stranger, server, &served), served);
            assert_counted(segment, &served);
            segment.rpcguard("detach eth0");
        }
        assert_eq!(town.nfs.calls(), 0);
    });
}

#[test]
fn procedures_can_be_chosen_when_attaching() {
    let test = "procedures_can_be_chosen_when_attaching";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        let choices = [
            ("default,DUMP", [&DEFAULT[..], &DUMPS].concat()),
            (
                "NULL,v4.getstat",
                vec!["v0.NULL", "v2.NULL", "v3.NULL", "v4.NULL", "v4.GETSTAT"],
            ),
            ("CALLIT,BCAST,INDIRECT", RELAYS.to_vec()),
        ];
        for (procedures, served) in choices {
            segment.attach(mode, &format!("{AMPLE} --procedures {procedures}"));
            let served: Names = served.into_iter().collect();
            assert_eq!(answered(&segment.stranger, HOST[0], &served), served);
            assert_counted(segment, &served);
            segment.rpcguard("detach eth0");
        }
        assert_eq!(town.nfs.calls(), RELAYS.len() as u64);
    });
}

#[test]
fn procedures_can_be_changed_at_any_time() {
    let test = "procedures_can_be_changed_at_any_time";
    in_both_modes(test, |mode| {
        let Some(town) = Town::or_skip(test) else {
            return;
        };
        let segment = &town.segment;
        segment.attach(mode, AMPLE);
        for (procedures, served) in [
            ("v3.DUMP", vec!["v3.DUMP"]),
            ("default", DEFAULT.to_vec()),
            (
                "getport,getaddr",
                vec!["v2.GETPORT", "v3.GETADDR", "v4.GETADDR"],
            ),
        ] {
            segment.rpcguard(&format!("set eth0 --procedures {procedures}"));
            let served: Names = served.into_iter().collect();
            let shown = &segment.status()["policy"]["rate"]["procedures"];
            assert_eq!(shown.as_array().unwrap().len(), served.len(), "{shown}");
            assert_eq!(answered(&segment.stranger, HOST[0], &served), served);
        }
        segment.rpcguard("detach eth0");
    });
}
