//! The internet checksum (RFC 1071).

/// The checksum of `parts` one after the other; each but the last of even length.
pub(crate) fn internet(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            let low = pair.get(1).copied().unwrap_or(0);
            sum += u32::from(u16::from_be_bytes([pair[0], low]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::internet;

    #[test]
    fn the_example_of_rfc_1071_section_3() {
        assert_eq!(
            internet(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]),
            !0xddf2
        );
    }

    #[test]
    fn an_odd_end_is_padded_with_zero() {
        assert_eq!(internet(&[&[0x12, 0x34], &[0x56]]), !(0x1234 + 0x5600));
    }
}
