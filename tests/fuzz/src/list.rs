//! List files.

use std::{collections::HashSet, fmt::Write as _};

use rpcguard::list_file::{BadEntry, List, ListFileError, parse};

/// Reads a list of one prefix a line, also behind a line of this form: errors are where they say, and what
/// is accepted is the same when it is read again.
pub fn plain_list(bytes: &[u8]) {
    holds(bytes);
    holds(&[b"192.0.2.1\n", bytes].concat());
}

/// As [`plain_list`], of what `ipset save` prints; also behind lines of this form.
pub fn ipset_list(bytes: &[u8]) {
    holds(bytes);
    let sets = "create v4 hash:net family inet\ncreate v6 hash:ip family inet6\n";
    holds(&[sets.as_bytes(), bytes].concat());
}

/// As [`plain_list`], of nft sets; also as the statements of a set, and as its elements.
pub fn nft_list(bytes: &[u8]) {
    holds(bytes);
    holds(&[b"table inet t { set s { ", bytes].concat());
    holds(&[b"elements = { ", bytes].concat());
}

/// A list is taken or refused; what is taken reads the same when it is written down plainly, and what
/// is refused is where the error says.
fn holds(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes)
        .map(|text| text.strip_prefix('\u{feff}').unwrap_or(text))
        .unwrap_or_default();
    match parse("list", bytes) {
        Ok(list) => reads_the_same(&list, text),
        Err(ListFileError::Bad(bad)) => {
            assert!(!bad.described.is_empty());
            can_be_shown(&bad.to_string());
            for entry in &bad.described {
                is_there(entry, text);
            }
        }
        Err(error) => {
            can_be_shown(&error.to_string());
            let is_text = !text.is_empty() && !text.contains('\0');
            let is_binary = matches!(error, ListFileError::Binary { .. });
            assert!(is_binary && !is_text, "{error}");
        }
    }
}

fn reads_the_same(list: &List, text: &str) {
    let prefixes: Vec<_> = list.entries.iter().map(|entry| entry.prefix).collect();
    let distinct: HashSet<_> = prefixes.iter().collect();
    assert_eq!(distinct.len(), prefixes.len(), "a prefix is listed twice");
    let lines = text.split('\n').count();
    assert!(list.entries.is_sorted_by_key(|entry| entry.line));
    for entry in &list.entries {
        assert!((1..=lines).contains(&entry.line), "line {}", entry.line);
    }
    for note in &list.notes {
        can_be_shown(&note.to_string());
    }
    let mut plain = String::new();
    for prefix in &prefixes {
        let _ = writeln!(plain, "{prefix}");
    }
    let again = parse("again", plain.as_bytes()).expect("a plain list");
    assert!(again.entries.iter().map(|entry| entry.prefix).eq(prefixes));
    assert!(again.entries.iter().all(|entry| !entry.masked));
    assert_eq!(again.notes, []);
}

/// What is shown of an entry, up to what has to be written otherwise, begins where the entry does.
fn is_there(entry: &BadEntry, text: &str) {
    let line = text.split('\n').nth(entry.line - 1).expect("such a line");
    let rest: String = line.chars().skip(entry.column - 1).collect();
    let shown: String = entry
        .text
        .chars()
        .take_while(|character| !matches!(character, '\\' | '…'))
        .collect();
    assert!(
        !entry.text.is_empty() && rest.starts_with(&shown),
        "{entry}"
    );
}

/// It moves no cursor, and no line has another's look.
fn can_be_shown(message: &str) {
    let harmful = |character: char| character.is_control() && character != '\n';
    assert!(!message.contains(harmful), "{message:?}");
}
