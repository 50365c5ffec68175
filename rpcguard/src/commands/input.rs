//! Arguments that several commands have in common.

use std::{collections::BTreeSet, path::PathBuf, str::FromStr, time::Duration};

use anyhow::Context as _;
use jiff::{Span, SpanRelativeTo};

use crate::{
    error::{Error, Result},
    foreign_text,
    guard::{self, Entry, Guard, Registry, Verdict},
    list_file, output,
    policy::Destinations,
    prefix::{ParsePrefixError, Prefix},
};

/// A prefix as it was written.
#[derive(Clone, Debug)]
pub(super) struct PrefixArg {
    prefix: Prefix,
    written: String,
    masked: bool,
}

impl FromStr for PrefixArg {
    type Err = ParsePrefixError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let (prefix, masked) = Prefix::parse_masking(text)?;
        Ok(Self {
            prefix,
            written: text.to_owned(),
            masked,
        })
    }
}

impl PrefixArg {
    fn note_mask(&self) {
        if self.masked {
            note(&format!(
                "`{}` has host bits set, read as {}",
                self.written, self.prefix
            ));
        }
    }
}

/// The destinations that were given, if any were.
pub(super) fn destinations(args: &[PrefixArg]) -> Option<Destinations> {
    args.iter().for_each(PrefixArg::note_mask);
    let prefixes = args.iter().map(|arg| arg.prefix).collect();
    (!args.is_empty()).then_some(Destinations::Only(prefixes))
}

/// The prefixes of one list on the command line and in files, with notes about them on standard
/// error.
pub(super) fn prefixes(
    verdict: Verdict,
    args: &[PrefixArg],
    files: &[PathBuf],
) -> Result<Vec<Prefix>> {
    let mut prefixes = Vec::with_capacity(args.len());
    for arg in args {
        arg.note_mask();
        if prefixes.contains(&arg.prefix) {
            return Err(Error::Repeated {
                prefix: arg.prefix,
                verdict,
            });
        }
        prefixes.push(arg.prefix);
    }
    for path in files {
        let list = list_file::read(path)?;
        let name = if path.as_os_str() == list_file::STANDARD_INPUT {
            "standard input".to_owned()
        } else {
            foreign_text::path(path)
        };
        for text in &list.notes {
            note(&format!("{name}: {text}"));
        }
        prefixes.extend(list.entries.iter().map(|entry| entry.prefix));
    }
    Ok(prefixes)
}

/// Tells something worth knowing that is no error.
pub(super) fn note(text: &str) {
    output::error_lines(&format!("note: {text}"));
}

/// What becomes of a failure to show what a change came to. The change is made, and if only the kernel
/// would not tell its outcome, the command has done its work.
pub(super) fn shown(result: anyhow::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.is::<Error>() => {
            note(&format!("{}: {error}", output::CHANGED));
            Ok(())
        }
        result => result.context(output::CHANGED),
    }
}

/// Takes a word that can be the name of an interface.
pub(super) fn interface_name(word: &str) -> Result<String> {
    guard::check_name(word)?;
    Ok(word.to_owned())
}

/// Takes a time such as 2h, 30m or 7d.
pub(super) fn duration(text: &str) -> std::result::Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
    let span: Span = text
        .parse()
        .map_err(|_| "not a time such as 90s, 30m, 2h or 7d".to_owned())?;
    let time = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "in days at most, as months differ".to_owned())?;
    match Duration::try_from(time) {
        Ok(time) if time.is_zero() => Err("no time at all".to_owned()),
        Ok(time) if time > LONGEST => {
            Err("more than a year; leave it out to add for good".to_owned())
        }
        Ok(time) => Ok(time),
        Err(_) => Err("in the past".to_owned()),
    }
}

/// The ports that were given, if any were.
pub(super) fn ports(ports: &[u16]) -> Option<BTreeSet<u16>> {
    (!ports.is_empty()).then(|| ports.iter().copied().collect())
}

/// The guards of these interfaces, or all guards if none is named.
pub(super) fn guards(registry: &Registry, interfaces: &[String]) -> Result<Vec<Guard>> {
    // To leave one out of all would go unnoticed.
    guards_but(registry, interfaces, |interface, found| {
        Err(Error::AbiVersion { interface, found })
    })
}

/// As [`guards`]; what becomes of one of another ABI version among all is for the caller to say.
pub(super) fn guards_but(
    registry: &Registry,
    interfaces: &[String],
    incompatible: impl Fn(String, u32) -> Result<()>,
) -> Result<Vec<Guard>> {
    if !interfaces.is_empty() {
        return without_repeats(interfaces)
            .map(|name| registry.guard(name))
            .collect();
    }
    let mut guards = Vec::new();
    for entry in registry.entries()? {
        match entry {
            Entry::Guard(guard) => guards.push(*guard),
            Entry::Incompatible {
                interface, found, ..
            } => incompatible(interface, found)?,
            Entry::Leftover(_) => {}
        }
    }
    if guards.is_empty() {
        return Err(Error::NothingAttached);
    }
    Ok(guards)
}

/// Each name once, in the order in which they were given.
pub(super) fn without_repeats(names: &[String]) -> impl Iterator<Item = &str> {
    names
        .iter()
        .enumerate()
        .filter(|(index, name)| !names[..*index].contains(name))
        .map(|(_, name)| name.as_str())
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

impl Switch {
    pub(super) fn is_on(self) -> bool {
        self == Self::On
    }
}
