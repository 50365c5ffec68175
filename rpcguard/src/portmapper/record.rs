//! Records of messages on a connection (RFC 5531 section 11).

use std::io::{self, Read};

/// What is in front of each fragment: its length, and whether it is the last one, in bytes.
pub(super) const RECORD_MARK_LEN: usize = 4;

/// Set in the mark of the last fragment.
pub(super) const LAST_FRAGMENT: u32 = 1 << 31;

/// The longest record that is read, in bytes: the registrations of ten thousand services.
pub const MAX_RECORD_LEN: usize = 1 << 20;

/// A reply of libtirpc has one fragment for each 9,000 bytes.
const MAX_FRAGMENTS: usize = 1024;

/// Reads one record, all its fragments. Whoever sends it decides how long that takes, unless `reader`
/// gives up.
///
/// # Errors
///
/// Those of `reader`; [`io::ErrorKind::UnexpectedEof`] if it ends first, [`io::ErrorKind::InvalidData`] if
/// the record has more than [`MAX_RECORD_LEN`] bytes or no end of fragments.
pub fn read_record(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    for _ in 0..MAX_FRAGMENTS {
        let mut mark = [0; RECORD_MARK_LEN];
        reader.read_exact(&mut mark)?;
        let mark = u32::from_be_bytes(mark);
        let len = (mark & !LAST_FRAGMENT) as usize;
        if len > MAX_RECORD_LEN - record.len() {
            return Err(invalid("the record is longer than 1 MiB"));
        }
        // Grows with what arrives, and not with what is promised.
        if reader.by_ref().take(len as u64).read_to_end(&mut record)? < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if mark & LAST_FRAGMENT != 0 {
            return Ok(record);
        }
    }
    Err(invalid("the record has more than 1,024 fragments"))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use super::{LAST_FRAGMENT, MAX_FRAGMENTS, MAX_RECORD_LEN, read_record};

    fn fragment(mark: u32, bytes: &[u8]) -> Vec<u8> {
        [&mark.to_be_bytes(), bytes].concat()
    }

    fn refused(bytes: &[u8]) -> ErrorKind {
        read_record(bytes).unwrap_err().kind()
    }

    #[test]
    fn fragments_are_put_together() {
        let bytes = [
            fragment(2, b"ab"),
            fragment(0, b""),
            fragment(LAST_FRAGMENT | 3, b"cde"),
            fragment(LAST_FRAGMENT, b""),
        ]
        .concat();
        let mut reader = bytes.as_slice();
        assert_eq!(read_record(&mut reader).unwrap(), b"abcde");
        assert_eq!(read_record(&mut reader).unwrap(), b"");
        assert!(reader.is_empty());
    }

    #[test]
    fn what_ends_early_is_refused() {
        assert_eq!(refused(b""), ErrorKind::UnexpectedEof);
        assert_eq!(refused(b"\x80\0"), ErrorKind::UnexpectedEof);
        assert_eq!(refused(&fragment(2, b"ab")), ErrorKind::UnexpectedEof);
        assert_eq!(
            refused(&fragment(LAST_FRAGMENT | 3, b"ab")),
            ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn what_does_not_end_is_refused() {
        assert_eq!(refused(&fragment(u32::MAX, b"ab")), ErrorKind::InvalidData);
        let endless = fragment(0, b"").repeat(MAX_FRAGMENTS + 1);
        assert_eq!(refused(&endless), ErrorKind::InvalidData);
        // Each fragment is short enough.
        let half = MAX_RECORD_LEN / 2;
        let half = fragment(half as u32, &vec![0; half]);
        assert_eq!(refused(&half.repeat(3)), ErrorKind::InvalidData);
        let endless = io::repeat(0);
        assert_eq!(
            read_record(endless).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
    }
}
