//! What the daemon does, under a flood: no packet of a listed source is lost, and none of a stranger gets
//! through.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rpcguard_common::reason::Reason;
use rpcguard_tests::lab::PacedWire;

use crate::harness::{Scene, table};

/// Packets of a listed source, and of a stranger.
const SOURCES: [&str; 2] = ["192.0.2.7", "198.51.100.7"];

#[test]
fn starts_reloads_kills_and_ends_leave_no_gap_and_keep_what_was_counted() {
    let test = "starts_reloads_kills_and_ends_leave_no_gap_and_keep_what_was_counted";
    let Some(scene) = Scene::or_skip(test) else {
        return;
    };
    let site = &scene.site;
    let frames = SOURCES.map(|source| site.packet_from(source.parse().unwrap()).dump().build());
    let wire = PacedWire::open((&site.neighbour, "eth0"), (&site.host, "eth0")).unwrap();
    let portmapper = site.listen(111);
    site.rpcguard("attach eth0 --allow 192.0.2.7");
    let over = AtomicBool::new(false);
    let (sent, received) = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent = 0;
            while !over.load(Ordering::Relaxed) {
                wire.send((0..16).flat_map(|_| frames.iter().map(Vec::as_slice)))
                    .unwrap();
                sent += 16;
                thread::sleep(std::time::Duration::from_millis(2));
            }
            sent
        });
        let receiver = scope.spawn(|| {
            let mut received = [0, 0];
            loop {
                let was_over = over.load(Ordering::Relaxed);
                match portmapper
                    .next(std::time::Duration::from_millis(200))
                    .unwrap()
                {
                    Some(datagram) => {
                        let from = datagram.source.ip().to_string();
                        received[usize::from(from != SOURCES[0])] += 1;
                    }
                    None if was_over => return received,
                    None => {}
                }
            }
        });
        let lists = [
            "\"192.0.2.0/24\"",
            "\"192.0.2.7\", \"10.0.0.0/8\"",
            "\"0.0.0.0/0\"",
        ];
        let denied = ["", "", "\"198.51.100.0/24\""];
        let config = |number: usize| {
            let (allow, deny) = (lists[number % 3], denied[number % 3]);
            table("\"eth0\"", allow) + &format!("deny = [{deny}]\ntcp = {}\n", number % 2 == 0)
        };
        for round in 0..3 {
            let daemon = scene.start(&config(round));
            for reload in 1..6 {
                std::fs::write(scene.config(), config(round + reload)).unwrap();
                daemon.reload();
            }
            if round == 1 {
                daemon.end();
            } else {
                daemon.kill();
            }
        }
        over.store(true, Ordering::Relaxed);
        (sender.join().unwrap(), receiver.join().unwrap())
    });
    let counters = site.guard(|guard| guard.counters().unwrap());
    let counted = |reason| counters.reason(reason).packets;
    assert!(sent > 500, "{sent}");
    assert_eq!(received, [sent, 0], "of a listed source and of a stranger");
    assert_eq!(
        [
            counted(Reason::Allowed),
            counted(Reason::Unlisted) + counted(Reason::Denied)
        ],
        [sent, sent],
    );
    scene.detach_all();
}
