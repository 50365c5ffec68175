//! Text with positions.

use super::ListFileError;
use crate::foreign_text::printable;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The longest piece of a file that an error quotes, in characters.
const MAX_SHOWN: usize = 60;

/// A piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    /// What is written.
    pub(super) text: &'a str,
    /// Where it begins, in bytes from the start of the text.
    pub(super) offset: usize,
    /// The line it is on, counted from one.
    pub(super) line: usize,
}

/// The text of a file, without its byte order mark.
pub(super) fn decode<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, ListFileError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let (readable, error) = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => return Ok(text),
        Ok(_) => (bytes, None),
        Err(error) => (&bytes[..error.valid_up_to()], Some(error)),
    };
    let nul = readable.iter().position(|byte| *byte == 0);
    let end = nul.unwrap_or(readable.len());
    Err(ListFileError::Binary {
        file: file.to_owned(),
        line: 1 + readable[..end]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count(),
        found: match (nul, error) {
            (None, Some(_)) => "bytes that are not UTF-8",
            _ => "a NUL byte",
        },
    })
}

/// The words of a line that begins at `offset`. A quoted string is one word; where its end is
/// missing, it goes to the end of the line.
pub(super) fn words(line: &str, offset: usize, number: usize) -> impl Iterator<Item = Word<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        // Bytes, not characters: this is where the time goes for a list of a million.
        let start = at + length_while(&line[at..], |byte| byte.is_ascii_whitespace());
        let rest = &line[start..];
        let length = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').map_or(rest.len(), |end| end + 2),
            None => length_while(rest, |byte| !byte.is_ascii_whitespace()),
        };
        at = start + length;
        (length > 0).then(|| Word {
            text: &rest[..length],
            offset: offset + start,
            line: number,
        })
    })
}

/// How many bytes `text` begins with that are as asked. They end between characters if what ends
/// them is ASCII.
fn length_while(text: &str, predicate: impl Fn(u8) -> bool) -> usize {
    let mut bytes = text.bytes();
    bytes
        .position(|byte| !predicate(byte))
        .unwrap_or(text.len())
}

/// Turns offsets into lines and columns. Cheap for offsets that ascend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Locator<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    column: usize,
}

impl<'a> Locator<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            offset: 0,
            line: 1,
            column: 1,
        }
    }

    /// The line, and the column in characters, both counted from one.
    pub(super) fn locate(&mut self, offset: usize) -> (usize, usize) {
        if offset < self.offset {
            *self = Self::new(self.text);
        }
        for character in self.text[self.offset..offset].chars() {
            if character == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.offset = offset;
        (self.line, self.column)
    }
}

/// A piece of a file as it can be shown on a terminal: shortened, control characters escaped.
pub(super) fn shown(text: &str) -> String {
    let end = text.char_indices().nth(MAX_SHOWN).map(|(end, _)| end);
    let mut shown = printable(&text[..end.unwrap_or(text.len())]);
    if end.is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_characters_not_bytes() {
        let text = "ä\nößx";
        let mut locator = Locator::new(text);
        assert_eq!(locator.locate(text.find('x').unwrap()), (2, 3));
        assert_eq!(locator.locate(0), (1, 1), "going back");
    }

    #[test]
    fn what_is_shown_is_short_and_moves_no_cursor() {
        assert_eq!(
            shown("a\u{1b}[2J'\"\t\u{202e}"),
            "a\\u{1b}[2J'\"\\t\\u{202e}"
        );
        assert_eq!(shown(&"x".repeat(60)), "x".repeat(60));
        assert_eq!(shown(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
    }

    #[test]
    fn a_quoted_string_is_one_word() {
        let line = r#"add s 10.0.0.1 comment "a # b" x"#;
        let texts: Vec<_> = words(line, 0, 1).map(|word| word.text).collect();
        assert_eq!(texts, ["add", "s", "10.0.0.1", "comment", "\"a # b\"", "x"]);
        let texts: Vec<_> = words("a \"b c", 0, 1).map(|word| word.text).collect();
        assert_eq!(texts, ["a", "\"b c"]);
    }

    #[test]
    fn binary_files_are_told_by_line() {
        let refused = |bytes: &[u8]| decode("f", bytes).unwrap_err().to_string();
        assert!(refused(b"10.0.0.1\n\0").contains("a NUL byte in line 2"));
        assert!(refused(b"a\nb\n\xff\0").contains("not UTF-8 in line 3"));
        assert!(refused(b"\0\n\xff").contains("a NUL byte in line 1"));
        assert_eq!(decode("f", b"\xEF\xBB\xBFx").unwrap(), "x");
    }
}
