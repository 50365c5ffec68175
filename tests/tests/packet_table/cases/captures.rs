//! Real traffic that others recorded (see `tests/fixtures/captures/README.md`).

use std::{fs, path::Path};

use pcap_parser::{parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};
use rpcguard_common::reason::Reason;
use rpcguard_tests::packet::{
    Frame,
    peers::{FRIEND_V4, STRANGER_V4},
    rpc,
};

use crate::case::{ALLOWED, Case, IGNORED, UNLISTED, case};

const ZMAP_PROBE: &[u8] = include_bytes!("../../../fixtures/captures/zmap-portmap_111.bin");

/// One packet of a capture file, by its number from zero.
struct Recorded {
    file: &'static str,
    number: usize,
    what: &'static str,
    expected: Option<Reason>,
}

const fn recorded(
    file: &'static str,
    number: usize,
    what: &'static str,
    expected: Option<Reason>,
) -> Recorded {
    Recorded {
        file,
        number,
        what,
        expected,
    }
}

const SADMIND: &str = "zeek-rpc-portmap-sadmind.pcap";
const NFS_WRITE: &str = "zeek-nfs_write.pcap";
const NFSV2: &str = "ndpi-nfsv2.pcap";
const NFSV3: &str = "ndpi-nfsv3.pcap";
const NFS3_PROCEDURE: &str = "suricata-verify-nfs3-procedure.pcap";

const CALL: &str = "GETPORT call";
const REPLY: &str = "GETPORT reply";

#[rustfmt::skip]
const UDP: &[Recorded] = &[
    recorded(SADMIND, 0, CALL, UNLISTED),
    recorded(SADMIND, 1, REPLY, IGNORED),
    recorded(SADMIND, 4, CALL, UNLISTED),
    recorded(SADMIND, 5, CALL, UNLISTED),
    recorded(SADMIND, 6, REPLY, IGNORED),
    recorded(SADMIND, 7, CALL, UNLISTED),
    recorded(SADMIND, 8, CALL, UNLISTED),
    recorded(SADMIND, 9, CALL, UNLISTED),
    recorded(SADMIND, 10, REPLY, IGNORED),
    recorded(SADMIND, 11, "call to sadmind", IGNORED),
    recorded(SADMIND, 13, CALL, UNLISTED),
    recorded(SADMIND, 17, CALL, UNLISTED),
    recorded(SADMIND, 18, CALL, UNLISTED),
    recorded(SADMIND, 19, CALL, UNLISTED),
    recorded(SADMIND, 20, CALL, UNLISTED),
    recorded(SADMIND, 23, CALL, UNLISTED),
    recorded(SADMIND, 26, CALL, UNLISTED),
    recorded(NFS_WRITE, 0, "802.3 frame of a bridge", IGNORED),
    recorded(NFS_WRITE, 21, CALL, UNLISTED),
    recorded(NFS_WRITE, 22, REPLY, IGNORED),
    recorded(NFS_WRITE, 144, CALL, UNLISTED),
    recorded(NFSV2, 0, CALL, UNLISTED),
    recorded(NFSV2, 1, REPLY, IGNORED),
    recorded(NFSV2, 2, "NFS version 2", IGNORED),
    recorded(NFSV2, 4, CALL, UNLISTED),
    recorded(NFSV2, 152, CALL, UNLISTED),
    recorded(NFSV3, 0, CALL, UNLISTED),
    recorded(NFSV3, 1, REPLY, IGNORED),
    recorded(NFSV3, 2, "NFS version 3", IGNORED),
    recorded(NFSV3, 6, CALL, UNLISTED),
    recorded(NFSV3, 124, CALL, UNLISTED),
    recorded(NFS3_PROCEDURE, 0, CALL, UNLISTED),
    recorded(NFS3_PROCEDURE, 125, REPLY, IGNORED),
];

/// A portmapper call over TCP, segment by segment.
#[rustfmt::skip]
const TCP: &[Recorded] = &[
    recorded(NFS_WRITE, 1, "SYN", UNLISTED),
    recorded(NFS_WRITE, 2, "SYN and ACK of the portmapper", IGNORED),
    recorded(NFS_WRITE, 3, "ACK", IGNORED),
    recorded(NFS_WRITE, 4, "GETPORT call over TCP", IGNORED),
    recorded(NFS_WRITE, 6, "GETPORT reply over TCP", IGNORED),
    recorded(NFS_WRITE, 8, "FIN", IGNORED),
    recorded(NFS_WRITE, 29, "second SYN", UNLISTED),
];

pub(super) fn cases() -> Vec<Case> {
    let udp = UDP.iter().map(Recorded::case);
    let tcp = TCP.iter().map(|packet| packet.case().guarding_tcp());
    let scan = |source| Frame::ethernet().ipv4(source).udp(111).payload(ZMAP_PROBE);
    let mut cases: Vec<_> = udp.chain(tcp).collect();
    cases.extend([
        case("zmap's portmapper probe", UNLISTED, scan(STRANGER_V4)),
        case("zmap's portmapper probe, allowed", ALLOWED, scan(FRIEND_V4)),
        case(
            "the caller of zeek's capture, allowed",
            ALLOWED,
            packet(SADMIND, 0),
        )
        .listing(&["202.77.162.213/32"], &[])
        .decided_by("202.77.162.213/32"),
    ]);
    cases
}

impl Recorded {
    fn case(&self) -> Case {
        let name = format!("{} packet {}: {}", self.file, self.number, self.what);
        case(name, self.expected, packet(self.file, self.number))
    }
}

/// A packet of a capture file.
fn packet(file: &str, number: usize) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/captures")
        .join(file);
    let bytes = fs::read(path).expect("the fixture is there");
    let (mut rest, header) = parse_pcap_header(&bytes).expect("the fixture is a pcap file");
    let next = match header.is_bigendian() {
        true => parse_pcap_frame_be,
        false => parse_pcap_frame,
    };
    for _ in 0..number {
        (rest, _) = next(rest).expect("the packets before can be read");
    }
    let (_, block) = next(rest).expect("the packet can be read");
    block.data.to_owned()
}

#[test]
fn the_dump_call_written_here_is_the_one_that_scanners_send() {
    assert_eq!(rpc::DUMP, ZMAP_PROBE);
}
