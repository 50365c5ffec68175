//! `check HOST` harms nobody: it asks what every client asks, and leaves nothing behind.

use std::{collections::BTreeSet, net::UdpSocket, sync::Mutex, time::Duration};

use rpcguard_tests::packet::rpc;

use crate::{
    documents::Verdict,
    fake::{ADDRESS_LIST, BCAST, CALLIT, Call, DUMP, INDIRECT, NULL, STATISTICS, answering},
    scene::{HOST, Scene, register},
};

/// Procedures that relay calls.
const RELAYS: [(u32, u32); 4] = [(2, CALLIT), (3, CALLIT), (4, BCAST), (4, INDIRECT)];

/// A portmapper that dies of calls that it is to relay, as rpcbind does up to 0.2.1.
fn mortal(dead: &Mutex<bool>) -> impl FnMut(Call) -> Vec<Vec<u8>> + Send {
    |call| {
        let mut dead = dead.lock().unwrap();
        *dead |= RELAYS.contains(&(call.version, call.procedure));
        match (*dead, call.procedure) {
            (true, _) => Vec::new(),
            (false, DUMP) => vec![call.list(10)],
            (false, _) => vec![call.success(&[])],
        }
    }
}

#[test]
fn a_portmapper_that_dies_of_relayed_calls_survives_a_check_and_dies_only_if_a_relay_is_asked_for()
{
    let test = "a_portmapper_that_dies_of_relayed_calls_survives_a_check";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let dead = Mutex::new(false);
    answering(&scene, mortal(&dead), || {
        for _ in 0..12 {
            let asked = scene.ask(HOST[0], 3);
            assert_eq!(asked.verdict, Verdict::Exposed);
            assert!(!*dead.lock().unwrap(), "it died of {asked:#?}");
        }
        let _ = scene.ask(&format!("{} --relay", HOST[0]), 3);
        assert!(*dead.lock().unwrap(), "no call was to be relayed");
    });
}

#[test]
fn a_check_asks_what_every_client_asks_and_about_the_portmapper_alone() {
    let test = "a_check_asks_what_every_client_asks_and_about_the_portmapper_alone";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let asked = Mutex::new(BTreeSet::new());
    let note = |call: Call| {
        assert_eq!(call.program, 100_000);
        asked.lock().unwrap().insert((call.version, call.procedure));
        if call.procedure == NULL {
            vec![call.success(&[])]
        } else {
            Vec::new()
        }
    };
    answering(&scene, note, || {
        let _ = scene.ask(HOST[0], 0);
    });
    let expected = [
        (2, NULL),
        (2, DUMP),
        (3, DUMP),
        (4, NULL),
        (4, DUMP),
        (4, ADDRESS_LIST),
        (4, STATISTICS),
    ];
    assert_eq!(asked.into_inner().unwrap(), BTreeSet::from(expected));
}

/// The reply to GETSTAT, and the list of registrations: their lengths.
fn lengths(scene: &Scene) -> [usize; 2] {
    let socket = scene.asker.enter(|| UdpSocket::bind("0.0.0.0:0")).unwrap();
    socket.connect((HOST[0], 111)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    [(4, STATISTICS), (4, DUMP)].map(|(version, procedure)| {
        socket.send(&rpc::call(version, procedure)).unwrap();
        socket.recv(&mut [0; 1 << 16]).unwrap()
    })
}

#[test]
fn fifty_checks_leave_nothing_behind_in_rpcbind() {
    let test = "fifty_checks_leave_nothing_behind_in_rpcbind";
    let Some(scene) = Scene::or_skip(test, &[]) else {
        return;
    };
    let _rpcbind = scene.rpcbind("");
    // It is there no more: a lookup would have rpcbind forget it.
    register(&scene.host, 100_005, 3, 30_000);
    let before = lengths(&scene);
    for _ in 0..50 {
        let _ = scene.ask(HOST[0], 3);
    }
    assert_eq!(lengths(&scene), before);
}
