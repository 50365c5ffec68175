//! The lists of a configuration, from the file itself and from those that it names.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    foreign_text,
    list_file::{self, ListFileError},
    prefix::Prefix,
};

/// A file that was changed this recently may change again without looking otherwise.
const SETTLED: Duration = Duration::from_secs(2);

/// List files that were read, so that one that has not changed is not read again.
#[derive(Debug, Default)]
pub struct ListFiles {
    known: HashMap<PathBuf, Known>,
    named: BTreeSet<PathBuf>,
}

#[derive(Debug)]
struct Known {
    /// `None` if it had been written just before it was read.
    looks: Option<Looks>,
    content: Content,
}

/// The prefixes of a file, and what is to be told about them.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// In ascending order, each once.
    pub(super) prefixes: Arc<[Prefix]>,
    pub(super) notes: Arc<[String]>,
}

/// What a file that is the same looks the same in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Looks {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let settled = SystemTime::now()
            .duration_since(
                SystemTime::UNIX_EPOCH + Duration::from_secs(metadata.ctime().try_into().ok()?),
            )
            .is_ok_and(|age| age >= SETTLED);
        settled.then(|| Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl ListFiles {
    /// The prefixes of a file; read only if it may have changed since.
    pub(super) fn read(&mut self, path: &Path) -> Result<Content, ListFileError> {
        // Before it is read: should it change meanwhile, it looks otherwise the next time.
        let looks = Looks::of(path);
        if let Some(known) = self.known.get(path)
            && known.looks.is_some()
            && known.looks == looks
        {
            return Ok(known.content.clone());
        }
        let list = list_file::read_regular(path)?;
        let mut prefixes: Vec<_> = list.entries.iter().map(|entry| entry.prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        let notes = list
            .notes
            .iter()
            .map(|note| format!("{}: {note}", foreign_text::path(path)));
        let content = Content {
            prefixes: prefixes.into(),
            notes: notes.collect(),
        };
        let known = Known {
            looks,
            content: content.clone(),
        };
        self.known.insert(path.to_owned(), known);
        Ok(content)
    }

    /// Takes note of the files that a configuration names, and forgets others.
    pub(super) fn name(&mut self, paths: BTreeSet<PathBuf>) {
        self.known.retain(|path, _| paths.contains(path));
        self.named = paths;
    }

    /// The files that the last configuration names that could be understood, good or not.
    #[must_use]
    pub const fn named(&self) -> &BTreeSet<PathBuf> {
        &self.named
    }
}

/// Several ascending lists as one.
pub(super) fn merged(mut lists: Vec<Arc<[Prefix]>>) -> Arc<[Prefix]> {
    lists.retain(|list| !list.is_empty());
    match lists.as_slice() {
        [] => Arc::default(),
        [one] => Arc::clone(one),
        _ => {
            let mut all = lists.concat();
            all.sort();
            all.dedup();
            all.into()
        }
    }
}

/// The prefixes that two ascending lists have in common.
pub(super) fn common(one: &[Prefix], other: &[Prefix]) -> Vec<Prefix> {
    let (few, many) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    let is_common = |prefix: &&Prefix| many.binary_search(prefix).is_ok();
    few.iter().filter(is_common).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_may_have_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        let mut files = ListFiles::default();
        let mut read = || files.read(&path).unwrap().prefixes;
        // Of one size, and within one tick of the clock that files are dated by.
        fs::write(&path, "192.0.2.1\n").unwrap();
        let first = read();
        fs::write(&path, "192.0.2.2\n").unwrap();
        let second = read();
        assert_ne!(first, second);

        let long_ago = SystemTime::now() - Duration::from_secs(60);
        fs::File::open(&path)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        std::thread::sleep(SETTLED + Duration::from_millis(1100));
        let third = read();
        assert!(Arc::ptr_eq(&third, &read()), "it is known");
        fs::write(&path, "192.0.2.3\n").unwrap();
        assert_ne!(third, read());
    }

    #[test]
    fn lists_are_merged_in_ascending_order() {
        let list = |words: &[&str]| -> Arc<[Prefix]> {
            let mut list: Vec<Prefix> = words.iter().map(|word| word.parse().unwrap()).collect();
            list.sort();
            list.into()
        };
        let one = list(&["10.0.0.0/8", "192.0.2.1"]);
        let other = list(&["10.0.0.0/8", "10.0.0.0/9", "2001:db8::/32"]);
        let all = merged(vec![Arc::clone(&one), Arc::clone(&other), Arc::default()]);
        assert_eq!(
            all,
            list(&["10.0.0.0/8", "10.0.0.0/9", "192.0.2.1", "2001:db8::/32"])
        );
        assert_eq!(*common(&one, &other), *list(&["10.0.0.0/8"]));
        assert!(Arc::ptr_eq(&merged(vec![Arc::clone(&one)]), &one));
    }
}
