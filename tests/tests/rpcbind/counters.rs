//! Each packet to a guarded port increments exactly one reason, in packets and bytes.

use std::collections::BTreeMap;

use rpcguard_tests::{
    packet::{
        Frame,
        numbers::{ACK, DOT1Q, SYN},
        peers::{ALLOW, DENY, FOE_V4, FOE_V6, FRIEND_V4, FRIEND_V6, STRANGER_V4, STRANGER_V6},
    },
    site::Site,
};
use serde_json::{Value, json};

use crate::in_both_modes;

/// What is to be counted, under names of reasons or prefixes.
#[derive(Default)]
struct Expected(BTreeMap<String, (u64, u64)>);

impl Expected {
    fn add(&mut self, name: &str, frame: &[u8]) {
        let (packets, bytes) = self.0.entry(name.to_owned()).or_default();
        *packets += 1;
        *bytes += frame.len() as u64;
    }

    fn of(&self, name: &str) -> Value {
        let (packets, bytes) = self.0.get(name).copied().unwrap_or_default();
        json!({ "packets": packets, "bytes": bytes })
    }
}

/// Frames with the reason and the prefix under which they are counted, if they are.
fn traffic(site: &Site) -> Vec<(Vec<u8>, Option<&'static str>, Option<&'static str>)> {
    let v4 = |source| site.frame().ipv4(source);
    let v6 = |source| site.frame().ipv6(source);
    let mut frames: Vec<(Frame, _, _)> = vec![
        (v4(STRANGER_V4).udp(112).payload(&[0; 99]), None, None),
        (v4(FRIEND_V4).udp(0).payload(&[0; 9]), None, None),
        (
            v4(STRANGER_V4).udp_from(111, 5_000).payload(&[0; 9]),
            None,
            None,
        ),
        (v4(STRANGER_V4).tcp(111, ACK), None, None),
        (v6(STRANGER_V6).tcp(22, SYN), None, None),
    ];
    for size in [40, 100, 1_400] {
        let payload = vec![0; size];
        let udp = |frame: Frame| frame.udp(111).payload(&payload);
        frames.extend([
            (udp(v4(FRIEND_V4)), Some("allowed"), Some(ALLOW[0])),
            (udp(v6(FRIEND_V6)), Some("allowed"), Some(ALLOW[1])),
            (udp(v6(FRIEND_V6)), Some("allowed"), Some(ALLOW[1])),
            (udp(v4(FOE_V4)), Some("denied"), Some(DENY[0])),
            (udp(v6(FOE_V6)), Some("denied"), Some(DENY[1])),
            (udp(v4(STRANGER_V4)), Some("unlisted"), None),
            (udp(v4(STRANGER_V4).options(3)), Some("unlisted"), None),
            (udp(v6(STRANGER_V6)), Some("unlisted"), None),
            (
                v4(FRIEND_V4).udp(2049).payload(&payload),
                Some("allowed"),
                Some(ALLOW[0]),
            ),
        ]);
    }
    let tags = (0..5).fold(site.frame(), |frame, tag| frame.vlan(DOT1Q, tag));
    frames.extend([
        (tags.ipv4(FRIEND_V4).udp(111), Some("undecidable"), None),
        (v4(STRANGER_V4).tcp(111, SYN), Some("unlisted"), None),
        (v4(FRIEND_V4).tcp(111, SYN), Some("allowed"), Some(ALLOW[0])),
        (
            v4(STRANGER_V4).later_fragment().udp(111),
            Some("later_fragment"),
            None,
        ),
        (
            v6(STRANGER_V6).last_fragment().udp(111),
            Some("later_fragment"),
            None,
        ),
    ]);
    frames
        .into_iter()
        .map(|(frame, reason, prefix)| (frame.build(), reason, prefix))
        .collect()
}

#[test]
fn counters_add_up_to_exactly_what_was_sent() {
    const ROUNDS: usize = 7;
    let test = "counters_add_up_to_exactly_what_was_sent";
    in_both_modes(test, |mode| {
        let Some(site) = Site::or_skip(test) else {
            return;
        };
        // The host answers some of these, which is no concern of the filter.
        site.rpcguard(&format!(
            "attach eth0 --mode {mode} --tcp --port 111 --port 2049 --allow {} --allow {} --deny {} --deny {}",
            ALLOW[0], ALLOW[1], DENY[0], DENY[1]
        ));
        let mut reasons = Expected::default();
        let mut prefixes = Expected::default();
        for _ in 0..ROUNDS {
            for (frame, reason, prefix) in traffic(&site) {
                site.send(&frame);
                reason.inspect(|reason| reasons.add(reason, &frame));
                prefix.inspect(|prefix| prefixes.add(prefix, &frame));
            }
        }
        site.settle();
        let json = |command| -> Value { serde_json::from_str(&site.rpcguard(command)).unwrap() };
        let status = json("status --json");
        let counters = status["interfaces"][0]["counters"].as_object().unwrap();
        assert_eq!(counters.len(), 10);
        for (reason, counted) in counters {
            assert_eq!(*counted, reasons.of(reason), "{reason}");
        }
        for (command, list) in [("allow list --json", ALLOW), ("deny list --json", DENY)] {
            let listed = json(command);
            let listed = listed["interfaces"][0]["prefixes"].as_array().unwrap();
            assert_eq!(listed.len(), list.len());
            for entry in listed {
                let expected = prefixes.of(entry["prefix"].as_str().unwrap());
                assert_eq!(entry["packets"], expected["packets"], "{entry}");
                assert_eq!(entry["bytes"], expected["bytes"], "{entry}");
            }
        }
        site.rpcguard("detach eth0");
    });
}
