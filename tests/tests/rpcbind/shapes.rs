//! No shape of a packet gets past the filter to a socket, and Linux would have delivered each.

use rpcguard_tests::{
    packet::{
        Frame,
        numbers::{DESTINATION_OPTIONS, DOT1AD, DOT1Q, FRAGMENT, HOP_BY_HOP, UDP},
        peers::{STRANGER_V4, STRANGER_V6},
        rpc,
    },
    site::{PATIENCE, Site},
};
use serde_json::Value;

use crate::in_both_modes;

/// Bytes of a datagram in each of its fragments.
const PIECE: usize = 1_400;

const STRANGERS_PORT: u16 = 40_000;

/// How an unlisted source can send a DUMP call: as one or more frames.
fn shapes(site: &Site) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let v4 = || site.frame().ipv4(STRANGER_V4);
    let v6 = || site.frame().ipv6(STRANGER_V6);
    let one = |frame: Frame| vec![frame.build()];
    vec![
        ("plain IPv4", one(v4().dump())),
        ("plain IPv6", one(v6().dump())),
        (
            "broadcast",
            one(site
                .frame()
                .to_mac([0xff; 6])
                .ipv4(STRANGER_V4)
                .to_v4([203, 0, 113, 255].into())
                .dump()),
        ),
        (
            "priority tag",
            one(site.frame().vlan(DOT1Q, 0).ipv4(STRANGER_V4).dump()),
        ),
        (
            "priority tag, IPv6",
            one(site.frame().vlan(DOT1Q, 0).ipv6(STRANGER_V6).dump()),
        ),
        (
            "two priority tags",
            one(site
                .frame()
                .vlan(DOT1AD, 0)
                .vlan(DOT1Q, 0)
                .ipv4(STRANGER_V4)
                .dump()),
        ),
        ("IPv4 options", one(v4().options(1).dump())),
        ("all IPv4 options", one(v4().options(10).dump())),
        ("padding", one(v4().dump().padding(&[0; 20]))),
        (
            "hop-by-hop options",
            one(v6().extensions(&[HOP_BY_HOP]).dump()),
        ),
        (
            "destination options",
            one(v6().extensions(&[DESTINATION_OPTIONS]).dump()),
        ),
        (
            "long options",
            one(v6().extension(DESTINATION_OPTIONS, 32).dump()),
        ),
        (
            "an atomic fragment",
            one(v6().extensions(&[FRAGMENT]).dump()),
        ),
        (
            "several extension headers",
            one(v6()
                .extensions(&[
                    HOP_BY_HOP,
                    DESTINATION_OPTIONS,
                    FRAGMENT,
                    DESTINATION_OPTIONS,
                ])
                .dump()),
        ),
        ("IPv4 fragments", fragments(v4, 0x1111)),
        ("IPv6 fragments", fragments(v6, 0x2222)),
        (
            "IPv4 fragments, the last one first",
            reversed(fragments(v4, 0x3333)),
        ),
        (
            "IPv6 fragments, the last one first",
            reversed(fragments(v6, 0x4444)),
        ),
    ]
}

fn reversed(mut frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    frames.reverse();
    frames
}

/// A datagram of 3,000 bytes to port 111, with a DUMP call at its beginning.
fn fragments(packet: impl Fn() -> Frame, id: u16) -> Vec<Vec<u8>> {
    let mut payload = rpc::DUMP.to_vec();
    payload.resize(3_000, 0);
    split(packet, (STRANGERS_PORT, 111), &payload, id, PIECE)
}

/// A datagram in fragments of at most `piece` bytes, a multiple of eight.
pub(crate) fn split(
    packet: impl Fn() -> Frame,
    (from, to): (u16, u16),
    payload: &[u8],
    id: u16,
    piece: usize,
) -> Vec<Vec<u8>> {
    // The whole datagram is built first, for the checksum over all of it.
    let whole = packet().udp_from(from, to).payload(payload).build();
    let datagram = &whole[whole.len() - 8 - payload.len()..];
    let count = datagram.len().div_ceil(piece);
    datagram
        .chunks(piece)
        .enumerate()
        .map(|(number, part)| {
            let offset = u16::try_from(number * piece / 8).unwrap();
            fragment(packet(), offset, number + 1 < count, id, part)
        })
        .collect()
}

/// One fragment of a UDP datagram.
fn fragment(packet: Frame, offset: u16, more: bool, id: u16, piece: &[u8]) -> Vec<u8> {
    let frame = packet.fragment(offset, more).protocol(UDP).payload(piece);
    let is_ipv4 = frame.clone().build()[12..14] == [0x08, 0x00];
    let id = id.to_be_bytes();
    if is_ipv4 {
        frame.patch(4, &id).build()
    } else {
        frame.patch(40 + 6, &id).build()
    }
}

/// How many datagrams reach the host's port 111, of each shape.
fn delivered(site: &Site) -> Vec<(&'static str, usize)> {
    let listener = site.listen(111);
    shapes(site)
        .into_iter()
        .map(|(shape, frames)| {
            for frame in frames {
                site.send(&frame);
            }
            // From a listed source.
            site.send_datagram("192.0.2.1".parse().unwrap(), 111, b"last");
            let datagrams = listener.until(b"last", PATIENCE).unwrap();
            (shape, datagrams.len())
        })
        .collect()
}

#[test]
fn no_shape_of_a_strangers_packet_is_delivered_that_linux_would_deliver() {
    let test = "no_shape_of_a_strangers_packet_is_delivered";
    in_both_modes(test, |mode| {
        let Some(site) = Site::or_skip(test) else {
            return;
        };
        let shapes: Vec<&str> = shapes(&site).iter().map(|(shape, _)| *shape).collect();
        let each =
            |count: usize| -> Vec<_> { shapes.iter().map(|shape| (*shape, count)).collect() };
        site.rpcguard(&format!(
            "attach eth0 --mode {mode} --allow 192.0.2.1 --observe"
        ));
        assert_eq!(delivered(&site), each(1), "observed");
        site.rpcguard("set eth0 --observe off");
        assert_eq!(delivered(&site), each(0), "guarded");
        site.rpcguard("detach eth0");
    });
}

/// Without VLAN devices nothing with a VLAN number is delivered: that it is counted must do.
#[test]
fn frames_of_vlans_are_dropped_and_counted() {
    let test = "frames_of_vlans_are_dropped_and_counted";
    in_both_modes(test, |mode| {
        let Some(site) = Site::or_skip(test) else {
            return;
        };
        site.rpcguard(&format!("attach eth0 --mode {mode} --allow 192.0.2.1"));
        let tagged =
            |tags: u16| (0..tags).fold(site.frame(), |frame, tag| frame.vlan(DOT1Q, 100 + tag));
        for tags in 1..=4 {
            site.send(&tagged(tags).ipv4(STRANGER_V4).dump().build());
            site.send(&tagged(tags).ipv6(STRANGER_V6).dump().build());
            site.send(&tagged(tags).ipv4([192, 0, 2, 1].into()).dump().build());
        }
        site.send(&tagged(5).ipv4(STRANGER_V4).dump().build());
        site.settle();
        let status: Value = serde_json::from_str(&site.rpcguard("status --json")).unwrap();
        let packets = |reason| status["interfaces"][0]["counters"][reason]["packets"].clone();
        assert_eq!(packets("unlisted"), 8);
        assert_eq!(packets("allowed"), 4);
        assert_eq!(packets("undecidable"), 1);
        site.rpcguard("detach eth0");
    });
}

/// Port 111 in the place of a UDP header, in bytes that are none.
#[test]
fn innocent_later_fragments_that_look_like_port_111_are_delivered() {
    let test = "innocent_later_fragments_that_look_like_port_111_are_delivered";
    in_both_modes(test, |mode| {
        let Some(site) = Site::or_skip(test) else {
            return;
        };
        site.rpcguard(&format!("attach eth0 --mode {mode} --tcp"));
        let listener = site.listen(5_000);
        let payload: Vec<u8> = [0x00, 111].repeat(2_000);
        let v4 = || site.frame().ipv4(STRANGER_V4);
        let v6 = || site.frame().ipv6(STRANGER_V6);
        let ports = (STRANGERS_PORT, 5_000);
        let v4 = split(v4, ports, &payload, 1, PIECE);
        let v6 = split(v6, ports, &payload, 2, PIECE);
        for frames in [v4, v6] {
            assert_eq!(frames.len(), 3);
            for frame in &frames {
                site.send(frame);
            }
            let datagram = listener.next(PATIENCE).unwrap().expect("a datagram");
            assert!(datagram.payload == payload);
        }
        site.rpcguard("detach eth0");
    });
}
