//! How many bytes a datagram takes on the wire.

/// In bytes: an Ethernet header, without the checksum behind the frame.
const ETHERNET: usize = 14;
/// The shortest frame, without the checksum.
const MIN_FRAME: usize = 60;
/// What a frame carries, as nearly everywhere.
const MTU: usize = 1500;
const UDP: usize = 8;

/// The bytes of the Ethernet frames that carry a UDP payload of so many bytes: with the headers of Ethernet,
/// IP and UDP, in fragments where it does not fit into 1,500 bytes.
#[must_use]
pub fn wire_len(payload: usize, ipv6: bool) -> usize {
    let (header, fragment_header) = if ipv6 { (40, 8) } else { (20, 0) };
    let datagram = UDP + payload;
    if header + datagram <= MTU {
        return (ETHERNET + header + datagram).max(MIN_FRAME);
    }
    // Fragments begin at multiples of eight (RFC 791, RFC 8200).
    let headers = header + fragment_header;
    let room = (MTU - headers) / 8 * 8;
    let fragments = datagram.div_ceil(room);
    let last = datagram - (fragments - 1) * room;
    (fragments - 1) * (ETHERNET + headers + room) + (ETHERNET + headers + last).max(MIN_FRAME)
}

#[cfg(test)]
mod tests {
    use super::wire_len;

    #[test]
    fn headers_padding_and_fragments_count() {
        // Calculated by hand.
        for (payload, ipv6, bytes) in [
            (40, false, 82),
            (40, true, 102),
            (0, false, 60),
            (508, false, 550),
            (1472, false, 1514),
            // 1,480 bytes of datagram fit, and one is left over: 14 + 20 + 1 are padded.
            (1473, false, 1514 + 60),
            (2524, false, 1514 + 14 + 20 + 1052),
            (1452, true, 1514),
            (1453, true, (14 + 48 + 1448) + (14 + 48 + 13)),
        ] {
            assert_eq!(wire_len(payload, ipv6), bytes, "{payload}");
        }
    }
}
