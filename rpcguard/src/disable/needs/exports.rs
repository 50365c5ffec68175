//! exports(5).

use super::files::{Files, Line};

/// A directory that is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Export {
    pub(super) directory: String,
    pub(super) place: String,
    pub(super) is_roots: bool,
}

pub(super) fn read(files: &Files) -> Vec<Export> {
    let drop_ins = files.names("/etc/exports.d").into_iter();
    let drop_ins = drop_ins
        .filter(|name| name.ends_with(".exports") && !name.starts_with('.'))
        .map(|name| format!("/etc/exports.d/{name}"));
    let names = std::iter::once("/etc/exports".to_owned()).chain(drop_ins);
    let mut found = Vec::new();
    for file in names.filter_map(|name| files.read(&name)) {
        for Line { text, place } in file.lines(&['#'], true) {
            let directory = match text.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next(),
                None => text.split_whitespace().next(),
            };
            let directory = directory.unwrap_or_default();
            // Others are options for what follows.
            if directory.starts_with('/') {
                found.push(Export {
                    directory: super::table::unescaped(directory),
                    place,
                    is_roots: file.is_roots,
                });
            }
        }
    }
    found
}
