//! Text that others chose: names of processes, units and interfaces, paths, messages of the kernel,
//! of drivers and of other hosts. None of it reaches a terminal as it is.
//!
//! The places where text leaves the program, which are standard output, standard error and the log,
//! escape what a terminal would obey: see [`lines`] and [`Escaping`]. They cannot tell a line end
//! of ours from another's, so text that may hold one goes through [`printable`], [`path`] or
//! [`short`] where it is put into a sentence. Letters of all scripts stay readable. Escaping twice
//! changes nothing.

use std::{
    io::{self, Write},
    path::Path,
};

/// The longest text that [`short`] leaves whole, in bytes.
const SHORT: usize = 64;

/// Returns the text on one line, with everything escaped that is not printable: no terminal obeys
/// it.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        push(&mut shown, letter);
    }
    shown
}

/// As [`printable`], cut off after some 64 bytes: for a column of a table, or one of many names in
/// a line.
pub(crate) fn short(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars() {
        if shown.len() >= SHORT {
            shown.push_str("...");
            break;
        }
        push(&mut shown, letter);
    }
    shown
}

/// As [`printable`], for a path.
pub(crate) fn path(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// As [`printable`], for text with line ends of our own, which stay.
pub(crate) fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    push_lines(&mut shown, text);
    shown
}

/// Whether a terminal shows the character, and does nothing else with it.
///
/// Control characters, marks of direction, characters without width, line separators, marks that
/// combine with the letter before, and code points that nobody has assigned are not.
pub(crate) fn is_printable(letter: char) -> bool {
    match letter {
        ' '..='~' => true,
        // The standard library knows the categories; it escapes only what it would not show.
        _ => letter.escape_debug().len() == 1,
    }
}

fn push(shown: &mut String, letter: char) {
    if is_printable(letter) {
        shown.push(letter);
    } else {
        shown.extend(letter.escape_default());
    }
}

fn push_lines(shown: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '\n' => shown.push(letter),
            _ => push(shown, letter),
        }
    }
}

/// A writer that escapes as [`lines`] does.
#[derive(Debug)]
pub(crate) struct Escaping<W> {
    inner: W,
    /// The beginning of a character whose rest was not written yet.
    begun: Vec<u8>,
}

impl<W> Escaping<W> {
    pub(crate) const fn new(inner: W) -> Self {
        let begun = Vec::new();
        Self { inner, begun }
    }
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
        if self.begun.is_empty() && bytes.iter().all(is_plain) {
            return self.inner.write(bytes);
        }
        let mut all = std::mem::take(&mut self.begun);
        all.extend(bytes);
        let mut shown = String::with_capacity(all.len());
        let mut rest = all.as_slice();
        while let Err(error) = str::from_utf8(rest) {
            let (text, other) = rest.split_at(error.valid_up_to());
            push_lines(&mut shown, &String::from_utf8_lossy(text));
            let Some(length) = error.error_len() else {
                self.begun = other.to_vec();
                rest = &[];
                break;
            };
            shown.push(char::REPLACEMENT_CHARACTER);
            rest = &other[length..];
        }
        push_lines(&mut shown, &String::from_utf8_lossy(rest));
        self.inner.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::{Escaping, lines, printable, short};

    /// Written out, so that it does not depend on what is tested.
    fn is_obeyed(letter: char) -> bool {
        matches!(
            letter,
            '\0'..='\x1f'
                | '\x7f'..='\u{9f}'
                | '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
    }

    /// Text with many characters of the kind that is escaped.
    fn hostile() -> impl Strategy<Value = String> {
        let obeyed = any::<char>().prop_filter("harmless", |letter| is_obeyed(*letter));
        let obeyed = prop_oneof![
            prop::char::range('\0', '\u{ff}'),
            prop::char::range('\u{2000}', '\u{206f}'),
            prop::char::range('\u{e0000}', '\u{e007f}'),
            obeyed,
            any::<char>(),
        ];
        prop::collection::vec(obeyed, 0..40).prop_map(|letters| letters.into_iter().collect())
    }

    #[test]
    fn no_text_of_others_reaches_the_terminal_as_it_is() {
        assert_eq!(short("/run/rpcbind.sock"), "/run/rpcbind.sock");
        for escape in [printable, short] {
            assert_eq!(escape("\x1b[2J\n\u{202e}"), "\\u{1b}[2J\\n\\u{202e}");
        }
        assert_eq!(short(&"x".repeat(100)).len(), 67);
        assert_eq!(printable(&"x".repeat(100)).len(), 100);
    }

    #[test]
    fn letters_of_all_scripts_stay_readable() {
        for text in ["/srv/Käse", "中文", "日本語", "Ωμέγα", "a'b\"c\\d"] {
            assert_eq!(printable(text), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_holds_nothing_that_a_terminal_obeys(text in hostile()) {
            for shown in [printable(&text), short(&text)] {
                prop_assert!(!shown.contains(is_obeyed), "{shown:?}");
                prop_assert_eq!(&printable(&shown), &shown, "twice is once");
            }
            let shown = lines(&text);
            prop_assert!(!shown.replace('\n', "").contains(is_obeyed), "{shown:?}");
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
            prop_assert_eq!(&lines(&shown), &shown);
        }

        #[test]
        fn a_writer_escapes_the_same_however_it_is_cut(text in hostile(), at in 1..7_usize) {
            let mut out = Escaping::new(Vec::new());
            for piece in text.as_bytes().chunks(at) {
                out.write_all(piece).unwrap();
            }
            prop_assert_eq!(String::from_utf8(out.inner).unwrap(), lines(&text));
        }

        #[test]
        fn a_writer_takes_any_bytes(bytes: Vec<u8>) {
            let mut out = Escaping::new(Vec::new());
            out.write_all(&bytes).unwrap();
            let shown = String::from_utf8(out.inner).unwrap();
            prop_assert!(!shown.replace('\n', "").contains(is_obeyed), "{shown:?}");
        }
    }
}
