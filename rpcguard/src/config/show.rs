//! What is attached, as a configuration file.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use toml::Value;

use super::patterns::escaped;
use crate::{
    error::{Error, Result},
    foreign_text::is_printable,
    guard::{Guard, Verdict},
    policy::{PORTMAPPER_PORT, Policy, Procedures, RatePolicy},
    prefix::Prefix,
};

/// How many prefixes of a list are written into the configuration itself, if longer lists go to files.
pub const MAX_INLINE: usize = 100;

/// Some interfaces that are guarded in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    interfaces: Vec<String>,
    policy: Policy,
    allow: Vec<Prefix>,
    deny: Vec<Prefix>,
}

impl Shown {
    /// The guards, put together where they are the same; in the order of the first of each.
    ///
    /// # Errors
    ///
    /// If a guard cannot be read.
    pub fn of(guards: &[Guard]) -> Result<Vec<Self>> {
        let mut tables: Vec<Self> = Vec::new();
        for guard in guards {
            let (policy, [allow, deny]) = (guard.policy()?, guard.lists()?);
            let is_same = |table: &&mut Self| {
                table.policy == policy && table.allow == allow && table.deny == deny
            };
            let interface = guard.interface().to_owned();
            match tables.iter_mut().find(is_same) {
                Some(table) => table.interfaces.push(interface),
                None => tables.push(Self {
                    interfaces: vec![interface],
                    policy,
                    allow,
                    deny,
                }),
            }
        }
        Ok(tables)
    }

    /// The lists that are longer than [`MAX_INLINE`].
    fn long_lists(&self) -> impl Iterator<Item = (Verdict, &[Prefix])> {
        self.lists()
            .into_iter()
            .filter(|(_, list)| list.len() > MAX_INLINE)
    }

    const fn lists(&self) -> [(Verdict, &[Prefix]); 2] {
        [
            (Verdict::Allow, self.allow.as_slice()),
            (Verdict::Deny, self.deny.as_slice()),
        ]
    }

    fn write(&self, text: &mut String, files: Option<&Path>) {
        text.push_str("[[guard]]\n");
        let words = self.interfaces.iter().map(|name| escaped(name));
        write_words(text, "interfaces", words);
        for (verdict, list) in self.lists() {
            match files {
                _ if list.is_empty() => {}
                Some(directory) if list.len() > MAX_INLINE => {
                    let path = directory.join(self.file_name(verdict));
                    let name = format!("{verdict}_files");
                    write_words(text, &name, [path.to_string_lossy()]);
                }
                _ => write_list(text, verdict, list),
            }
        }
        let Policy {
            ports,
            tcp,
            observe,
            rate,
            destinations,
        } = &self.policy;
        if *ports != BTreeSet::from([PORTMAPPER_PORT]) {
            let ports: Vec<Value> = ports.iter().map(|port| i64::from(*port).into()).collect();
            line(text, "ports", ports);
        }
        if let Some(prefixes) = destinations.prefixes() {
            let prefixes: Vec<String> = prefixes.iter().map(Prefix::to_string).collect();
            line(text, "only_to", prefixes);
        }
        for (name, is_set) in [("tcp", *tcp), ("observe", *observe)] {
            if is_set {
                line(text, name, true);
            }
        }
        if let Some(rate) = rate {
            write_rate(text, rate);
        }
    }

    /// The name of the file that a list of this table goes to.
    fn file_name(&self, verdict: Verdict) -> String {
        // No other table has an interface of this name.
        format!("{verdict}-{}.txt", self.interfaces[0])
    }
}

/// Whether some of the lists had better be in files.
#[must_use]
pub fn has_long_lists(tables: &[Shown]) -> bool {
    tables
        .iter()
        .any(|table| table.long_lists().next().is_some())
}

/// The configuration that describes these tables; long lists are in it, or in files of a directory.
#[must_use]
pub fn configuration(tables: &[Shown], files: Option<&Path>) -> String {
    let mut text = String::new();
    for (index, table) in tables.iter().enumerate() {
        if index != 0 {
            text.push('\n');
        }
        table.write(&mut text, files);
    }
    text
}

/// Writes the long lists to files that are not there yet.
///
/// # Errors
///
/// [`Error::File`]; the files that were written before are removed again.
pub fn write_lists(tables: &[Shown], directory: &Path) -> Result<()> {
    let mut written: Vec<PathBuf> = Vec::new();
    for table in tables {
        for (verdict, list) in table.long_lists() {
            let path = directory.join(table.file_name(verdict));
            let result = File::create_new(&path).and_then(|file| {
                written.push(path.clone());
                let mut file = BufWriter::new(file);
                for prefix in list {
                    writeln!(file, "{prefix}")?;
                }
                file.flush()
            });
            if let Err(source) = result {
                for path in written {
                    let _ = std::fs::remove_file(path);
                }
                return Err(Error::File {
                    action: "write",
                    path,
                    source,
                });
            }
        }
    }
    Ok(())
}

fn write_list(text: &mut String, verdict: Verdict, list: &[Prefix]) {
    if let [one] = list {
        return line(text, verdict.name(), vec![one.to_string()]);
    }
    let _ = writeln!(text, "{verdict} = [");
    for prefix in list {
        let _ = writeln!(text, "    \"{prefix}\",");
    }
    text.push_str("]\n");
}

fn write_rate(text: &mut String, rate: &RatePolicy) {
    for (name, burst, limit) in [
        ("rate", "burst", rate.source),
        ("rate_prefix", "burst_prefix", rate.prefix),
        ("rate_total", "burst_total", rate.total),
    ] {
        line(text, name, limit.rate.to_string());
        line(text, burst, i64::from(limit.burst));
    }
    if rate.procedures != Procedures::default() {
        line(text, "procedures", rate.procedures.to_string());
    }
}

/// Writes words that others chose: with everything escaped, as TOML does, that a terminal obeys.
fn write_words(text: &mut String, name: &str, words: impl IntoIterator<Item = impl AsRef<str>>) {
    let quoted = words.into_iter().map(|word| {
        let mut quoted = String::from("\"");
        for letter in word.as_ref().chars() {
            match letter {
                '"' | '\\' => quoted.extend(['\\', letter]),
                _ if is_printable(letter) => quoted.push(letter),
                _ => quoted.push_str(&format!("\\U{:08x}", u32::from(letter))),
            }
        }
        quoted + "\""
    });
    let quoted: Vec<String> = quoted.collect();
    let _ = writeln!(text, "{name} = [{}]", quoted.join(", "));
}

fn line(text: &mut String, name: &str, value: impl Into<Value>) {
    let _ = writeln!(text, "{name} = {}", value.into());
}
