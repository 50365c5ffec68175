//! Whom the real rpcbind answers.

use rpcguard_common::parse::Transport::{Tcp, Udp};
use rpcguard_tests::{
    lab::{ReflectionCounter, Rpcbind},
    packet::rpc,
    site::Site,
};

use crate::{
    in_both_modes,
    segment::{FRIEND, HOST, STRANGER, Segment, assert_ignored, assert_served},
};

#[test]
fn listed_clients_are_served_and_strangers_get_not_one_packet() {
    let test = "listed_clients_are_served_and_strangers_get_not_one_packet";
    in_both_modes(test, |mode| {
        let Some(segment) = Segment::or_skip(test) else {
            return;
        };
        let wire = ReflectionCounter::attach(&segment.stranger, "eth0").unwrap();
        let ask_as_a_stranger = || {
            for server in HOST {
                assert_ignored(&segment.stranger, Udp, server);
            }
        };
        // The counter keeps what it counts, so rpcinfo fails, but rpcbind answers.
        ask_as_a_stranger();
        let open = wire.read().unwrap();
        assert!(open.packets >= 2, "{open:?}");

        segment.attach(
            mode,
            &format!("--allow {} --allow {}", FRIEND[0], FRIEND[1]),
        );
        ask_as_a_stranger();
        for server in HOST {
            assert_served(&segment.friend, Udp, server);
            assert_served(&segment.friend, Tcp, server);
            // TCP is another matter: see --tcp.
            assert_served(&segment.stranger, Tcp, server);
        }
        assert_eq!(wire.read().unwrap(), open);
        assert!(segment.packets("unlisted") >= 2);
        assert!(segment.packets("allowed") >= 2);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn the_longest_prefix_decides() {
    let test = "the_longest_prefix_decides";
    in_both_modes(test, |mode| {
        let Some(segment) = Segment::or_skip(test) else {
            return;
        };
        segment.attach(
            mode,
            "--allow 192.0.2.0/24 --deny 192.0.2.64/26 --deny 2001:db8::/64 --allow 2001:db8::10",
        );
        for server in HOST {
            assert_served(&segment.friend, Udp, server);
            assert_ignored(&segment.stranger, Udp, server);
        }
        assert_eq!(segment.packets("unlisted"), 0);
        assert!(segment.packets("denied") >= 2);
        // Allowed inside denied inside allowed.
        segment.rpcguard("allow add 192.0.2.102");
        assert_served(&segment.stranger, Udp, HOST[0]);
        assert_ignored(&segment.stranger, Udp, HOST[1]);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn a_change_takes_effect_with_the_next_packet() {
    let test = "a_change_takes_effect_with_the_next_packet";
    in_both_modes(test, |mode| {
        let Some(site) = Site::or_skip(test) else {
            return;
        };
        let listener = site.listen(111);
        site.rpcguard(&format!("attach eth0 --mode {mode} --allow 198.51.100.99"));
        let changes = [
            ("allow add 192.0.2.0/24", true),
            ("deny add 192.0.2.7", false),
            ("deny remove 192.0.2.7", true),
            ("allow remove 192.0.2.0/24", false),
            ("set eth0 --observe on", true),
            ("set eth0 --observe off", false),
            ("allow add 0.0.0.0/0", true),
            ("detach eth0", true),
        ];
        for (change, passes) in changes {
            site.rpcguard(change);
            site.send_datagram("192.0.2.7".parse().unwrap(), 111, &rpc::DUMP);
            site.send_datagram("198.51.100.99".parse().unwrap(), 111, b"last");
            let delivered = listener
                .until(b"last", rpcguard_tests::site::PATIENCE)
                .unwrap();
            assert_eq!(delivered.len(), usize::from(passes), "after {change}");
        }
    });
}

#[test]
fn an_observing_guard_counts_strangers_and_lets_them_pass() {
    let test = "an_observing_guard_counts_strangers_and_lets_them_pass";
    in_both_modes(test, |mode| {
        let Some(segment) = Segment::or_skip(test) else {
            return;
        };
        segment.attach(mode, "--observe --allow 192.0.2.16 --deny 2001:db8::66");
        for server in HOST {
            assert_served(&segment.stranger, Udp, server);
        }
        assert_served(&segment.friend, Udp, HOST[0]);
        for reason in ["unlisted", "denied", "allowed"] {
            assert!(segment.packets(reason) > 0, "{reason}");
        }
        segment.rpcguard("set eth0 --observe off");
        assert_ignored(&segment.stranger, Udp, HOST[0]);
        segment.rpcguard("detach eth0");
    });
}

#[test]
fn guarding_another_port_leaves_the_portmapper_open_and_detaching_everything() {
    let test = "guarding_another_port_leaves_the_portmapper_open";
    in_both_modes(test, |mode| {
        let Some(segment) = Segment::or_skip(test) else {
            return;
        };
        segment.attach(mode, "--allow 192.0.2.16");
        assert_ignored(&segment.stranger, Udp, HOST[0]);
        segment.rpcguard("set eth0 --port 2049");
        assert_served(&segment.stranger, Udp, HOST[0]);
        segment.rpcguard("set eth0 --port 2049 --port 111");
        assert_ignored(&segment.stranger, Udp, HOST[0]);
        segment.rpcguard("detach eth0");
        for server in HOST {
            assert_served(&segment.stranger, Udp, server);
            assert_served(&segment.stranger, Tcp, server);
        }
    });
}

#[test]
fn the_guarded_host_can_ask_other_portmappers() {
    let test = "the_guarded_host_can_ask_other_portmappers";
    in_both_modes(test, |mode| {
        let Some(segment) = Segment::or_skip(test) else {
            return;
        };
        let _theirs = Rpcbind::start(&segment.stranger).unwrap();
        segment.attach(mode, "--tcp");
        for server in STRANGER {
            assert_served(&segment.host, Udp, server);
            assert_served(&segment.host, Tcp, server);
        }
        // Loopback is not eth0.
        assert_served(&segment.host, Udp, "127.0.0.1".parse().unwrap());
        assert!(segment.rpcbind.id() > 0);
        segment.rpcguard("detach eth0");
    });
}
