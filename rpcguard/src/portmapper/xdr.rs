//! External data representation, as far as the portmapper uses it (RFC 4506): words and strings.
//!
//! onc-rpc reads and writes messages; what procedures take and give is opaque to it.

/// Strings are padded to whole words.
const WORD: usize = size_of::<u32>();

/// Reads values from bytes that anybody may have sent: never beyond their end, and without allocating.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next word; `None` at the end.
    pub(super) fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }

    /// The next boolean; `None` for a word that is none.
    pub(super) fn boolean(&mut self) -> Option<bool> {
        match self.word()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// The next string, which may have so many bytes; `None` if it has more, or more than there are.
    pub(super) fn string(&mut self, max: usize) -> Option<&'a [u8]> {
        let len = self.word()? as usize;
        if len > max {
            return None;
        }
        let (padded, rest) = self
            .0
            .split_at_checked(len.checked_next_multiple_of(WORD)?)?;
        self.0 = rest;
        padded.get(..len)
    }
}

/// Words, as they are sent.
pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A string or opaque data, as it is sent.
pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = words(&[bytes.len() as u32]);
    encoded.extend(bytes);
    encoded.resize(encoded.len().next_multiple_of(WORD), 0);
    encoded
}

#[cfg(test)]
mod tests {
    use super::{Reader, string, words};

    #[test]
    fn strings_are_read_as_they_were_written() {
        for text in ["", "u", "udp", "udp6", "local"] {
            let bytes = [string(text.as_bytes()), words(&[7])].concat();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.string(5), Some(text.as_bytes()));
            assert_eq!(reader.word(), Some(7));
            assert_eq!(reader.word(), None);
        }
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        for (len, max) in [
            (4, 10),
            (5, 10),
            (4, 3),
            (u32::MAX, usize::MAX),
            (1 << 31, 8),
        ] {
            let bytes = [words(&[len]), b"abc".to_vec()].concat();
            assert_eq!(Reader::new(&bytes).string(max), None, "{len}");
        }
        // Three bytes, and no padding.
        let bytes = [words(&[3]), b"abc".to_vec()].concat();
        assert_eq!(Reader::new(&bytes).string(10), None);
    }

    #[test]
    fn a_boolean_is_nought_or_one() {
        for (word, value) in [
            (0, Some(false)),
            (1, Some(true)),
            (2, None),
            (1 << 24, None),
        ] {
            assert_eq!(Reader::new(&words(&[word])).boolean(), value);
        }
        assert_eq!(Reader::new(&[0, 0, 1]).boolean(), None);
    }
}
