//! How things are shown: text for people, JSON for programs.
//!
//! Text goes to a terminal and to a pipe alike: aligned columns, no colour, no frames.

pub(crate) mod decision;
pub(crate) mod prefixes;
pub(crate) mod status;
mod text;

use std::io::{self, Write};

use serde::Serialize;

/// The version of all JSON documents. Fields are only ever added.
const SCHEMA_VERSION: u32 = 1;

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
        let mut out = io::BufWriter::new(io::stdout().lock());
        serde_json::to_writer(&mut out, self).map_err(io::Error::from)?;
        writeln!(out)?;
        out.flush()?;
        Ok(())
    }
}

/// Prints one line.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}
