//! The properties hold for everything that fuzzers have found.

use std::{
    any::Any,
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rpcguard::list_file;
use rpcguard_fuzz::PROPERTIES;

/// The inputs of a property: where they are, and what they are.
fn inputs(kind: &str, property: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(kind)
        .join(property);
    let Ok(entries) = fs::read_dir(&directory) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref().copied())
        .unwrap_or("a panic without a message")
}

#[test]
fn the_properties_hold_for_what_fuzzers_found() {
    let mut exceptions = Vec::new();
    for (name, property) in PROPERTIES {
        let corpus = inputs("corpus", name);
        assert!(corpus.len() >= 10, "{name} has {} inputs", corpus.len());
        let others = ["seeds", "regressions"]
            .into_iter()
            .flat_map(|kind| inputs(kind, name));
        for (path, bytes) in corpus.into_iter().chain(others) {
            let check = AssertUnwindSafe(|| property(&bytes));
            if let Err(panic) = panic::catch_unwind(check) {
                exceptions.push(format!("{}: {}", path.display(), message(&*panic)));
            }
        }
    }
    assert!(exceptions.is_empty(), "{}", exceptions.join("\n"));
}

#[test]
fn every_corpus_and_fuzzer_is_of_a_property() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |directory: &str| -> Vec<_> {
        fs::read_dir(package.join(directory))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    let known: Vec<_> = PROPERTIES.iter().map(|(name, _)| *name).collect();
    for directory in ["targets", "corpus", "dictionaries", "seeds", "regressions"] {
        for name in names(directory) {
            assert!(known.contains(&name.as_str()), "{directory}/{name}");
        }
    }
    for name in known {
        assert!(names("targets").iter().any(|target| target == name));
    }
}

/// What fuzzers wrote, written so often that reading it took ten seconds if the time grew with the square
/// of the length.
#[test]
fn lists_are_read_in_time_that_grows_with_their_length() {
    const LENGTH: usize = 1 << 15;
    const ENOUGH: Duration = Duration::from_secs(2);
    for property in ["plain_list", "ipset_list", "nft_list"] {
        for (path, bytes) in inputs("corpus", property) {
            let long = bytes.repeat(LENGTH.div_ceil(bytes.len().max(1)));
            let start = Instant::now();
            // Whether it is taken or refused is for the properties.
            let _ = list_file::parse("list", &long);
            let taken = start.elapsed();
            assert!(taken < ENOUGH, "{}: {taken:?}", path.display());
        }
    }
}
