//! What the parsers of all forms hand their findings to.

use std::net::IpAddr;

use rpcguard_common::abi::MAX_PREFIXES;

use super::{
    BadEntries, BadEntry, Entry, Family, List, ListFileError, Note, Problem,
    error::MAX_DESCRIBED,
    network::{self, Network},
    note::MAX_NAMED,
    text::{Locator, Word, shown},
};
use crate::prefix::Prefix;

/// There was a problem, and the collector knows of it: what remains is to find where to go on.
#[derive(Debug)]
pub(super) struct Reported;

/// How many entries there may be before repeated ones are looked for, so that no file can take all
/// memory. Two families that are full must fit.
const MERGE_AT: usize = 3 * MAX_PREFIXES as usize;

/// Collects prefixes, notes and problems while a file is parsed.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    entries: Vec<Entry>,
    /// Family and line of the first prefix too many.
    overflow: Option<(Family, usize)>,
    host_bits: Vec<Note>,
    more_host_bits: usize,
    repeated: usize,
    expiring: usize,
    set_names: Vec<String>,
    set_count: usize,
    locator: Locator<'a>,
    bad: BadEntries,
}

impl<'a> Collector<'a> {
    pub(super) fn new(file: &str, text: &'a str) -> Self {
        Self {
            entries: Vec::new(),
            overflow: None,
            host_bits: Vec::new(),
            more_host_bits: 0,
            repeated: 0,
            expiring: 0,
            set_names: Vec::new(),
            set_count: 0,
            locator: Locator::new(text),
            bad: BadEntries {
                file: file.to_owned(),
                described: Vec::new(),
                more: 0,
            },
        }
    }

    /// Takes a word as an entry; one of `family`, if it is given.
    pub(super) fn entry(&mut self, word: Word<'a>, family: Option<Family>) -> Result<(), Reported> {
        let network = network::parse(word.text).map_err(|problem| self.bad(word, problem))?;
        let found = match network {
            Network::Prefix(prefix, _) => Family::of(prefix),
            Network::RangeV4(_) => Family::V4,
            Network::RangeV6(_) => Family::V6,
        };
        if let Some(set) = family.filter(|family| *family != found) {
            return Err(self.bad(word, Problem::Family { set }));
        }
        match network {
            Network::Prefix(prefix, masked) => {
                if masked {
                    self.note_host_bits(word, prefix);
                }
                self.push(prefix, word.line, masked);
            }
            Network::RangeV4(nets) => nets.for_each(|net| self.push(net.into(), word.line, false)),
            Network::RangeV6(nets) => nets.for_each(|net| self.push(net.into(), word.line, false)),
        }
        Ok(())
    }

    /// Takes an address as an entry.
    pub(super) fn host(&mut self, address: IpAddr, line: usize) {
        self.push(address.into(), line, false);
    }

    /// A problem with a word.
    pub(super) fn bad(&mut self, word: Word<'a>, problem: Problem) -> Reported {
        if self.bad.described.len() == MAX_DESCRIBED {
            self.bad.more += 1;
            return Reported;
        }
        let (line, column) = self.locator.locate(word.offset);
        self.bad.described.push(BadEntry {
            line,
            column,
            text: shown(word.text),
            problem,
        });
        Reported
    }

    /// The last entry has a timeout.
    pub(super) fn note_timeout(&mut self) {
        self.expiring += 1;
    }

    /// A set begins.
    pub(super) fn note_set(&mut self, name: &str) {
        self.set_count += 1;
        if self.set_names.len() < MAX_NAMED {
            self.set_names.push(shown(name));
        }
    }

    /// The list, unless there is anything wrong with the file.
    pub(super) fn finish(mut self) -> Result<List, ListFileError> {
        if !self.bad.described.is_empty() {
            return Err(ListFileError::Bad(self.bad));
        }
        self.merge_repeated();
        if let Some((family, line)) = self.overflow {
            return Err(ListFileError::TooManyPrefixes {
                file: self.bad.file,
                family,
                line,
            });
        }
        let mut notes = self.host_bits;
        if self.more_host_bits > 0 {
            notes.push(Note::MoreHostBits(self.more_host_bits));
        }
        if self.repeated > 0 {
            notes.push(Note::Repeated(self.repeated));
        }
        if self.expiring > 0 {
            notes.push(Note::Expiring(self.expiring));
        }
        if self.set_count > 1 {
            notes.push(Note::SeveralSets {
                names: self.set_names,
                count: self.set_count,
            });
        }
        Ok(List {
            entries: self.entries,
            notes,
        })
    }

    fn push(&mut self, prefix: Prefix, line: usize, masked: bool) {
        if self.overflow.is_some() {
            return;
        }
        self.entries.push(Entry {
            prefix,
            line,
            masked,
        });
        if self.entries.len() == MERGE_AT {
            self.merge_repeated();
        }
    }

    /// Removes entries that repeat earlier ones, then looks whether too many are left.
    ///
    /// Sorting takes a third of the time of a hash table, which is cache misses throughout.
    fn merge_repeated(&mut self) {
        let prefixes = self.entries.iter().map(|entry| entry.prefix);
        if !prefixes.clone().is_sorted_by(|a, b| a < b) {
            let mut sorted: Vec<_> = prefixes.zip(0_u32..).collect();
            sorted.sort_unstable();
            let mut repeats = vec![false; sorted.len()];
            for pair in sorted.windows(2) {
                let (first, second) = (pair[0], pair[1]);
                repeats[second.1 as usize] = first.0 == second.0;
            }
            let before = self.entries.len();
            let mut repeats = repeats.into_iter();
            self.entries.retain(|_| repeats.next() == Some(false));
            self.repeated += before - self.entries.len();
        }
        let mut counts = [0; 2];
        for entry in &self.entries {
            let family = Family::of(entry.prefix);
            let count = &mut counts[family as usize];
            *count += 1;
            if *count > MAX_PREFIXES {
                self.overflow = Some((family, entry.line));
                return;
            }
        }
    }

    fn note_host_bits(&mut self, word: Word<'a>, prefix: Prefix) {
        if self.host_bits.len() == MAX_NAMED {
            self.more_host_bits += 1;
            return;
        }
        self.host_bits.push(Note::HostBits {
            line: word.line,
            written: shown(word.text),
            prefix,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        iter,
        net::{IpAddr, Ipv4Addr},
    };

    use super::*;

    const MAX: usize = MAX_PREFIXES as usize;

    fn host(number: usize) -> Prefix {
        IpAddr::from(Ipv4Addr::from(number as u32)).into()
    }

    fn pushed(prefixes: impl Iterator<Item = Prefix>) -> Collector<'static> {
        let mut collector = Collector::new("list", "");
        for (prefix, line) in prefixes.zip(1..) {
            collector.push(prefix, line, false);
        }
        collector
    }

    #[test]
    fn as_many_prefixes_as_a_filter_takes_and_no_more() {
        let other_family = "::1".parse().unwrap();
        let full = || (0..MAX).map(host).chain([other_family, host(0)]);
        let list = pushed(full()).finish().unwrap();
        assert_eq!(list.entries.len(), MAX + 1);

        let error = pushed(full().chain([host(MAX), host(MAX + 1)]))
            .finish()
            .unwrap_err();
        let ListFileError::TooManyPrefixes { family, line, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((family, line), (Family::V4, MAX + 3));
    }

    #[test]
    fn what_is_repeated_without_end_takes_no_memory() {
        let collector = pushed(iter::repeat_n(host(7), MERGE_AT + 2));
        assert_eq!(collector.entries.len(), 3);
        let list = collector.finish().unwrap();
        assert_eq!(list.entries.len(), 1);
        assert_eq!(list.notes, [Note::Repeated(MERGE_AT + 1)]);
    }

    #[test]
    fn what_is_too_many_without_end_takes_no_memory() {
        let collector = pushed((0..MERGE_AT + 2).map(host));
        assert_eq!(collector.entries.len(), MERGE_AT);
        assert!(matches!(
            collector.finish(),
            Err(ListFileError::TooManyPrefixes { .. })
        ));
    }
}
