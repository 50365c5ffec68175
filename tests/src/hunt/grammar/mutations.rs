//! Bytes changed at random, with the checksums that Linux would look at made right again.

use fastrand::Rng;
use rpcguard_common::parse::LinkLayer;

use super::{one_of, percent};
use crate::packet::{
    checksum,
    numbers::{DOT1AD, DOT1Q, TCP, UDP},
};

/// Values that mean something somewhere.
const TELLING: [u8; 22] = [
    0, 1, 2, 4, 6, 8, 17, 20, 40, 43, 44, 51, 58, 60, 0x45, 0x46, 0x4f, 0x60, 0x6f, 0x81, 0x88,
    0xff,
];

/// Changes one to three bytes of the headers.
pub(super) fn change(random: &mut Rng, frame: &mut [u8], link: LinkLayer) {
    let network = network(frame, link);
    for _ in 0..random.usize(1..=3) {
        let at = match random.u8(..10) {
            0 => random.usize(..frame.len()),
            // The IP header, and what is behind it.
            _ => network + random.usize(..64),
        };
        let Some(byte) = frame.get_mut(at) else {
            continue;
        };
        *byte = match random.u8(..3) {
            0 => one_of(random, &TELLING),
            1 => random.u8(..),
            _ => *byte ^ 1 << random.u8(..8),
        };
    }
    if percent(random, 95) {
        mend(frame, network);
    }
}

/// Where the IP header begins.
fn network(frame: &[u8], link: LinkLayer) -> usize {
    if link == LinkLayer::None {
        return 0;
    }
    let mut at = 12;
    while let Some(ether_type) = frame.get(at..at + 2)
        && [DOT1Q, DOT1AD].contains(&u16::from_be_bytes([ether_type[0], ether_type[1]]))
    {
        at += 4;
    }
    at + 2
}

/// Puts checksums right where IP's is, and where UDP's or TCP's is if they come at once.
fn mend(frame: &mut [u8], network: usize) {
    let Some(packet) = frame.get_mut(network..) else {
        return;
    };
    let Some(first) = packet.first().copied() else {
        return;
    };
    let (transport, protocol, addresses, length) = match first >> 4 {
        4 if packet.len() >= 20 => {
            let header = usize::from(first & 0x0f) * 4;
            let end = header.min(packet.len());
            packet[10..12].fill(0);
            let sum = checksum::internet(&[&packet[..end]]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            (header, packet[9], 12..20, total)
        }
        6 if packet.len() >= 40 => {
            let length = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            (40, packet[6], 8..40, 40 + length)
        }
        _ => return,
    };
    let at = match protocol {
        UDP => 6,
        TCP => 16,
        _ => return,
    };
    let length = length.min(packet.len());
    if transport + at + 2 > length {
        return;
    }
    let mut segment = packet[transport..length].to_vec();
    segment[at..at + 2].fill(0);
    if protocol == UDP {
        let announced = usize::from(u16::from_be_bytes([segment[4], segment[5]]));
        if (8..segment.len()).contains(&announced) {
            segment.truncate(announced);
        }
    }
    let pseudo = [[0, protocol], (segment.len() as u16).to_be_bytes()].concat();
    let sum = checksum::internet(&[&packet[addresses], &pseudo, &segment]);
    packet[transport + at..transport + at + 2].copy_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use rpcguard_common::parse::LinkLayer;

    use super::{mend, network};
    use crate::packet::{
        Frame,
        numbers::{DOT1Q, SYN, TCP, UDP},
        peers::{STRANGER_V4, STRANGER_V6},
    };

    #[test]
    fn mended_checksums_are_those_of_a_frame_written_by_hand() {
        let frames = [
            (UDP, Frame::ethernet().ipv4(STRANGER_V4).options(2).dump()),
            (
                UDP,
                Frame::ethernet().vlan(DOT1Q, 0).ipv6(STRANGER_V6).dump(),
            ),
            (
                TCP,
                Frame::ethernet()
                    .ipv4(STRANGER_V4)
                    .tcp(111, SYN)
                    .padding(&[1; 7]),
            ),
            (TCP, Frame::ethernet().ipv6(STRANGER_V6).tcp(111, SYN)),
        ];
        for (protocol, frame) in frames {
            let right = frame.build();
            let mut spoilt = right.clone();
            let start = network(&right, LinkLayer::Ethernet);
            let transport = match right[start] >> 4 {
                4 => start + usize::from(right[start] & 0xf) * 4,
                _ => start + 40,
            };
            let checksum = if protocol == UDP { 6 } else { 16 };
            spoilt[transport + checksum] ^= 0x55;
            if right[start] >> 4 == 4 {
                spoilt[start + 10] ^= 0x55;
            }
            assert_ne!(spoilt, right);
            mend(&mut spoilt, start);
            assert_eq!(spoilt, right);
        }
    }
}
