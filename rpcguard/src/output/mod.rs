//! How things are shown: text for people, JSON for programs.
//!
//! Text goes to a terminal and to a pipe alike: aligned columns, no colour, no frames.

pub(crate) mod check_host;
pub(crate) mod check_local;
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
mod text;

use std::{
    io::{self, BufWriter, StdoutLock, Write},
    time::SystemTime,
};

use jiff::Timestamp;
use serde::Serialize;

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
    serde_json::to_writer(&mut out, document).map_err(io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
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

/// Prints what was made as a whole.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(bytes)?;
    out.flush()
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

/// Standard output, to be flushed.
pub(crate) fn stdout() -> BufWriter<Stdout> {
    BufWriter::new(Stdout(io::stdout().lock()))
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
