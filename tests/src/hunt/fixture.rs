//! Shots as text files, for reproducing what was found.
//!
//! Lines of `#` say where a shot comes from. The others are words: `link ethernet` or `link none`,
//! `source ADDRESS:PORT`, perhaps `excuse undecidable` or `excuse mixed`, and `frame HEX` for each
//! frame, in the order in which they are sent.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use rpcguard_common::parse::LinkLayer;

use super::shot::{Excuse, Features, Shot};

/// Writes a shot down, below lines of comment.
#[must_use]
pub fn write(comment: &str, link: LinkLayer, shot: &Shot) -> String {
    let mut text = String::new();
    for line in comment.lines() {
        let _ = writeln!(text, "# {line}");
    }
    let link = match link {
        LinkLayer::Ethernet => "ethernet",
        LinkLayer::None => "none",
    };
    let _ = writeln!(text, "link {link}\nsource {}", shot.source);
    if let Some(excuse) = shot.excuse {
        let excuse = match excuse {
            Excuse::Undecidable => "undecidable",
            Excuse::Mixed => "mixed",
        };
        let _ = writeln!(text, "excuse {excuse}");
    }
    for frame in &shot.frames {
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(text, "frame {hex}");
    }
    text
}

/// Reads a shot back.
///
/// # Errors
///
/// If the text is of another form.
pub fn read(text: &str) -> Result<(LinkLayer, Shot)> {
    let (mut link, mut source, mut excuse, mut frames) = (None, None, None, Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(' ') {
            Some(("link", "ethernet")) => link = Some(LinkLayer::Ethernet),
            Some(("link", "none")) => link = Some(LinkLayer::None),
            Some(("source", address)) => source = Some(address.parse().context("source")?),
            Some(("excuse", "undecidable")) => excuse = Some(Excuse::Undecidable),
            Some(("excuse", "mixed")) => excuse = Some(Excuse::Mixed),
            Some(("frame", hex)) => frames.push(bytes(hex)?),
            _ => bail!("not understood: {line}"),
        }
    }
    ensure!(!frames.is_empty(), "there is no frame");
    let shot = Shot {
        frames,
        source: source.context("there is no source")?,
        features: Features::default(),
        excuse,
    };
    Ok((link.context("there is no link")?, shot))
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    ensure!(rest.is_empty(), "half a byte is missing");
    let byte = |pair: &[u8; 2]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use rpcguard_common::parse::LinkLayer;

    use super::{read, write};
    use crate::hunt::{
        grammar::Grammar,
        shot::{Features, Shot},
    };

    #[test]
    fn any_shot_is_read_as_it_was_written() {
        for link in [LinkLayer::Ethernet, LinkLayer::None] {
            let mut grammar = Grammar::new(7, link, 1500);
            for _ in 0..200 {
                let shot = Shot {
                    features: Features::default(),
                    ..grammar.shot()
                };
                let text = write("found\nsomewhere", link, &shot);
                assert_eq!(read(&text).unwrap(), (link, shot));
            }
        }
    }

    #[test]
    fn what_is_no_shot_is_refused() {
        let right = "link none\nsource 10.0.0.1:1\nframe 45\n";
        assert!(read(right).is_ok());
        for (part, other) in [
            ("link none\n", ""),
            ("source 10.0.0.1:1\n", ""),
            ("frame 45\n", ""),
            ("45", "4"),
            ("45", "4g"),
            ("10.0.0.1:1", "10.0.0.1"),
            ("link none", "link maybe"),
        ] {
            assert!(read(&right.replace(part, other)).is_err(), "{other}");
        }
    }
}
