//! From what is written to what is meant, with everything that is wrong on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use rpcguard_common::abi::{MAX_DESTINATIONS, MAX_PREFIXES};
use toml::Spanned;

use super::{
    Config, ConfigError, Flaw, Flaws, Interfaces, ListFiles, Table,
    document::{self, Document},
    lists,
};
use crate::{
    foreign_text,
    guard::Mode,
    list_file::ListFileError,
    policy::{Destinations, Policy, PolicyChange, RateChange, RateLimit},
    prefix::Prefix,
    writers::others_who_write,
};

/// How many of the prefixes that are in both lists are named.
const MAX_NAMED: usize = 5;

/// Makes a configuration of a file's content. Paths in it are relative to `directory`.
pub(super) fn config(
    path: &Path,
    directory: &Path,
    bytes: &[u8],
    files: &mut ListFiles,
) -> Result<Config, ConfigError> {
    let flawed = |flaws, lists| {
        Err(ConfigError::Flawed(Flaws {
            path: path.to_owned(),
            flaws,
            lists,
        }))
    };
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let what = "is not UTF-8, which a TOML file is written in".to_owned();
            return flawed(vec![flaw(&good, good.len(), what)], Vec::new());
        }
    };
    let document: Document = match toml::from_str(text) {
        Ok(document) => document,
        Err(error) => {
            let place = error.span().map_or(0, |span| span.start);
            let what = error.message().trim_end().replace('\n', ", ");
            return flawed(vec![flaw(text, place, what)], Vec::new());
        }
    };
    files.name(named_files(&document, directory));

    let mut assembling = Assembling {
        text,
        directory,
        files,
        flaws: Vec::new(),
        lists: BTreeMap::new(),
        notes: others_who_write(path)
            .map(|who| format!("others than root can change this configuration: {who}"))
            .into_iter()
            .collect(),
    };
    let metrics_listen = assembling.parsed_option(document.metrics_listen.as_ref());
    let mut tables: Vec<Table> = Vec::with_capacity(document.guard.len());
    for table in &document.guard {
        let table = assembling.table(table, &tables);
        tables.push(table);
    }
    let Assembling {
        mut flaws,
        lists,
        notes,
        ..
    } = assembling;
    if flaws.is_empty() && lists.is_empty() {
        return Ok(Config {
            metrics_listen,
            on_stop: document.on_stop,
            tables,
            notes,
        });
    }
    flaws.sort_by_key(|flaw| (flaw.line, flaw.column));
    flawed(flaws, lists.into_values().collect())
}

/// The list files that a document names.
fn named_files(document: &Document, directory: &Path) -> BTreeSet<PathBuf> {
    let tables = document.guard.iter().map(Spanned::get_ref);
    let files = tables.flat_map(|table| table.allow_files.iter().chain(&table.deny_files));
    files.map(|file| directory.join(file.get_ref())).collect()
}

struct Assembling<'a> {
    text: &'a str,
    directory: &'a Path,
    files: &'a mut ListFiles,
    flaws: Vec<Flaw>,
    /// Each file once, however many tables name it.
    lists: BTreeMap<PathBuf, ListFileError>,
    notes: Vec<String>,
}

impl Assembling<'_> {
    fn table(&mut self, table: &Spanned<document::Table>, before: &[Table]) -> Table {
        let span = table.span();
        let table = table.get_ref();
        let allow = self.list(&table.allow, &table.allow_files);
        let deny = self.list(&table.deny, &table.deny_files);
        self.check_lists(&span, &allow, &deny);
        Table {
            line: position(self.text, span.start).0,
            interfaces: self.interfaces(&table.interfaces, before),
            policy: self.policy(table),
            rpcbind_ports: table.rpcbind_ports,
            mode: match table.mode {
                document::Mode::Auto => None,
                document::Mode::Native => Some(Mode::Native),
                document::Mode::Generic => Some(Mode::Generic),
            },
            allow,
            deny,
        }
    }

    fn interfaces(
        &mut self,
        words: &Spanned<Vec<Spanned<String>>>,
        before: &[Table],
    ) -> Interfaces {
        let mut interfaces = Interfaces::default();
        let mut flawed = false;
        for word in words.get_ref() {
            if let Err(why) = interfaces.add(word.get_ref()) {
                let what = format!(
                    "`{}` is neither a name of interfaces nor a pattern: {why}",
                    word.get_ref()
                );
                self.flaw(word.span(), what);
                flawed = true;
            }
            let named =
                |table: &&Table| table.interfaces.names().any(|name| name == word.get_ref());
            if let Some(table) = before.iter().find(named) {
                let name = word.get_ref();
                let what = format!(
                    "the interface `{name}` is named in the table of line {} already",
                    table.line
                );
                self.flaw(word.span(), what);
            }
        }
        if interfaces.is_empty() && !flawed {
            let what = "no interface is named: write a name, or a pattern such as \"eth*\"";
            self.flaw(words.span(), what.to_owned());
        }
        interfaces
    }

    fn policy(&mut self, table: &document::Table) -> Policy {
        let ports = table.ports.as_ref().map(|ports| {
            if ports.get_ref().is_empty() {
                let what = "no port is guarded: name one, or leave `ports` out for 111";
                self.flaw(ports.span(), what.to_owned());
            }
            ports.get_ref().iter().copied().collect()
        });
        let change = PolicyChange {
            ports,
            more_ports: BTreeSet::new(),
            tcp: Some(table.tcp),
            observe: Some(table.observe),
            rate: self.rate(table),
            destinations: self.destinations(table.only_to.as_ref()),
        };
        let mut policy = Policy::default();
        // Without a rate there is nothing that a limit could be of, which `rate` has said.
        let _ = policy.apply(&change);
        policy
    }

    fn destinations(
        &mut self,
        only_to: Option<&Spanned<Vec<Spanned<String>>>>,
    ) -> Option<Destinations> {
        let only_to = only_to?;
        if only_to.get_ref().is_empty() {
            let what = "no destination is guarded: name one, or leave `only_to` out for all";
            self.flaw(only_to.span(), what.to_owned());
        }
        let prefixes: BTreeSet<_> = self.prefixes(only_to.get_ref()).into_iter().collect();
        let count = prefixes.len();
        if count > MAX_DESTINATIONS as usize {
            let what = format!(
                "{count} destinations are more than the {MAX_DESTINATIONS} that a guard can have: merge \
                 neighbouring prefixes"
            );
            self.flaw(only_to.span(), what);
        }
        Some(Destinations::Only(prefixes))
    }

    fn rate(&mut self, table: &document::Table) -> RateChange {
        let change = RateChange {
            off: false,
            source: self.parsed_option(table.rate.as_ref()),
            source_burst: self.burst(table.burst.as_ref()),
            prefix: self.parsed_option(table.rate_prefix.as_ref()),
            prefix_burst: self.burst(table.burst_prefix.as_ref()),
            total: self.parsed_option(table.rate_total.as_ref()),
            total_burst: self.burst(table.burst_total.as_ref()),
            procedures: self.parsed_option(table.procedures.as_ref()),
        };
        if table.rate.is_none() {
            let limits = [&table.rate_prefix, &table.rate_total, &table.procedures];
            let bursts = [&table.burst, &table.burst_prefix, &table.burst_total];
            let limits = limits.into_iter().flatten().map(Spanned::span);
            let bursts = bursts.into_iter().flatten().map(Spanned::span);
            if let Some(span) = limits.chain(bursts).min_by_key(|span| span.start) {
                let what = "there is no rate policy that this is a limit of: add `rate = \"5/s\"`";
                self.flaw(span, what.to_owned());
            }
        }
        change
    }

    fn burst(&mut self, burst: Option<&Spanned<u32>>) -> Option<u32> {
        let burst = burst?;
        let number = *burst.get_ref();
        if !(1..=RateLimit::MAX_BURST).contains(&number) {
            let what = format!(
                "a burst is a number of packets from 1 to {}",
                RateLimit::MAX_BURST
            );
            self.flaw(burst.span(), what);
        }
        Some(number)
    }

    /// Prefixes as they are written.
    fn prefixes(&mut self, written: &[Spanned<String>]) -> Vec<Prefix> {
        let mut here = Vec::with_capacity(written.len());
        for word in written {
            match Prefix::parse_masking(word.get_ref()) {
                Ok((prefix, masked)) => {
                    if masked {
                        let (line, _) = position(self.text, word.span().start);
                        let text = word.get_ref();
                        let note =
                            format!("line {line}: `{text}` has host bits set, read as {prefix}");
                        self.notes.push(note);
                    }
                    here.push(prefix);
                }
                Err(error) => self.flaw(word.span(), error.to_string()),
            }
        }
        here
    }

    /// All prefixes of one list.
    fn list(&mut self, written: &[Spanned<String>], files: &[Spanned<PathBuf>]) -> Arc<[Prefix]> {
        let mut here = self.prefixes(written);
        here.sort_unstable();
        here.dedup();
        let mut all: Vec<Arc<[Prefix]>> = vec![here.into()];
        for file in files {
            let path = self.directory.join(file.get_ref());
            match self.files.read(&path) {
                Ok(content) => {
                    let others = others_who_write(&path).map(|who| {
                        let path = foreign_text::path(&path);
                        format!("{path}: others than root can change this list: {who}")
                    });
                    for note in content.notes.iter().chain(&others) {
                        if !self.notes.contains(note) {
                            self.notes.push(note.clone());
                        }
                    }
                    all.push(content.prefixes);
                }
                Err(error) => {
                    self.lists.insert(path, error);
                }
            }
        }
        lists::merged(all)
    }

    fn check_lists(&mut self, span: &Range<usize>, allow: &[Prefix], deny: &[Prefix]) {
        let both = lists::common(allow, deny);
        if !both.is_empty() {
            let named = both
                .iter()
                .take(MAX_NAMED)
                .map(|prefix| format!("`{prefix}`"));
            let named: Vec<String> = named.collect();
            let more = match both.len().saturating_sub(MAX_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let named = named.join(", ");
            let what =
                format!("{named}{more} both allowed and denied: leave each to one of the lists");
            self.flaw(span.clone(), what);
        }
        for (name, list) in [("allow", allow), ("deny", deny)] {
            let v6 = list
                .iter()
                .filter(|prefix| prefix.address().is_ipv6())
                .count();
            let most = v6.max(list.len() - v6);
            if most as u64 > u64::from(MAX_PREFIXES) {
                let what = format!(
                    "{most} prefixes of one family are more than the {name} list holds, {MAX_PREFIXES}: \
                     merge neighbouring prefixes"
                );
                self.flaw(span.clone(), what);
            }
        }
    }

    fn parsed_option<T>(&mut self, written: Option<&Spanned<String>>) -> Option<T>
    where
        T: FromStr<Err: ToString>,
    {
        let written = written?;
        match written.get_ref().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let what: T::Err = error;
                self.flaw(written.span(), what.to_string());
                None
            }
        }
    }

    fn flaw(&mut self, span: Range<usize>, what: String) {
        self.flaws.push(flaw(self.text, span.start, what));
    }
}

/// A flaw at a byte of the text.
fn flaw(text: &str, place: usize, what: String) -> Flaw {
    let (line, column) = position(text, place);
    Flaw { line, column, what }
}

/// The line and column of a byte, counted from one, in characters.
fn position(text: &str, place: usize) -> (usize, usize) {
    let before = text.get(..place).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[start..].chars().count() + 1)
}
