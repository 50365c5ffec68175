//! How things are shown: text for people, JSON for programs.
//!
//! Text goes to a terminal and to a pipe alike: aligned columns, no colour, no frames. What others
//! chose is escaped on the way out: see [`crate::foreign_text`].

pub(crate) mod check_host;
pub(crate) mod check_local;
mod check_surroundings;
pub(crate) mod config;
pub(crate) mod decision;
pub(crate) mod disable;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod evidence;
mod needs;
pub(crate) mod prefixes;
mod registrations;
pub(crate) mod report;
pub(crate) mod status;
mod summary;
mod text;

use std::{
    io::{self, BufWriter, StdoutLock, Write},
    time::SystemTime,
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::ser::Formatter;

use crate::foreign_text::{self, Escaping, is_printable};

/// The version of all JSON documents. Fields are only ever added.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// For whom to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    pub(crate) const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// A JSON document about some interfaces.
#[derive(Serialize)]
struct Document<T> {
    schema_version: u32,
    interfaces: Vec<T>,
}

impl<T: Serialize> Document<T> {
    const fn new(interfaces: Vec<T>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            interfaces,
        }
    }

    /// Prints the document on one line.
    fn print(&self) -> anyhow::Result<()> {
        json(self)
    }
}

/// Prints a document on one line.
fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let mut out = stdout();
    write_json(&mut out, document)?;
    out.flush()?;
    Ok(())
}

/// Writes a document on one line.
pub(crate) fn write_json(out: &mut impl Write, document: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, EscapingJson);
    document.serialize(&mut serializer)?;
    writeln!(out)
}

/// Escapes more than JSON asks for: what a terminal obeys, beyond ASCII.
struct EscapingJson;

impl Formatter for EscapingJson {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.chars().all(is_printable) {
            return out.write_all(fragment.as_bytes());
        }
        for letter in fragment.chars() {
            let units = &mut [0; 2];
            if is_printable(letter) {
                write!(out, "{letter}")?;
            } else {
                for unit in letter.encode_utf16(units) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// What to say about a failure to print, when what was to be done is done.
pub(crate) const CHANGED: &str = "the change is made, but could not be reported";

/// Prints a text that has its line ends.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints lines.
pub(crate) fn lines(lines: &[String]) -> io::Result<()> {
    let mut out = stdout();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// Prints what was made as a whole, of this program's own words alone.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = BufWriter::new(Stdout(io::stdout().lock()));
    out.write_all(bytes)?;
    out.flush()
}

/// Prints a text to standard error, and goes on if nobody can be told.
pub(crate) fn error_lines(text: &str) {
    let text = foreign_text::lines(text) + "\n";
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A time as RFC 3339 has it, to the second.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    rfc3339_to(0, time)
}

/// A time as RFC 3339 has it, with so many digits of the second.
pub(crate) fn rfc3339_to(digits: usize, time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => format!("{time:.digits$}"),
        Err(_) => "unknown".to_owned(),
    }
}

/// Standard output, to be flushed, for text in which others may have had a say.
pub(crate) fn stdout() -> BufWriter<Escaping<Stdout>> {
    BufWriter::new(Escaping::new(Stdout(io::stdout().lock())))
}

/// Standard output, whose errors say that they are its.
pub(crate) struct Stdout(StdoutLock<'static>);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| of_stdout(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(|error| of_stdout(&error))
    }
}

fn of_stdout(error: &io::Error) -> io::Error {
    let text = format!("cannot write to standard output: {error}");
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::write_json;
    use crate::foreign_text::is_printable;

    proptest! {
        #[test]
        fn json_means_the_same_and_holds_nothing_that_a_terminal_obeys(
            text in "[\\u{0}-\\u{ff}\\u{2000}-\\u{206f}\\u{e0000}-\\u{e007f}]{0,20}"
        ) {
            let mut out = Vec::new();
            write_json(&mut out, &text).unwrap();
            let line = String::from_utf8(out).unwrap();
            let json = line.strip_suffix('\n').unwrap();
            prop_assert!(json.chars().all(is_printable), "{json:?}");
            let read: String = serde_json::from_str(json).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
