//! Directories that mountd exports to everybody: exports(5).

use std::collections::BTreeSet;

use crate::disable::Machine;

/// The files of exports; the last is what mountd has in force.
const FILES: [&str; 2] = ["etc/exports", "var/lib/nfs/etab"];

/// More of them.
const DIRECTORY: &str = "etc/exports.d";

/// The directories that everybody may mount.
pub(super) fn to_everybody(machine: &Machine) -> Vec<String> {
    let more = machine.names(DIRECTORY).into_iter();
    let more = more.filter(|name| name.ends_with(".exports") && !name.starts_with('.'));
    let files = FILES.map(str::to_owned).into_iter();
    let files = files.chain(more.map(|name| format!("{DIRECTORY}/{name}")));
    let found: BTreeSet<String> = files.flat_map(|file| read(&machine.text(file))).collect();
    found.into_iter().collect()
}

fn read(text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| {
        let mut words = words(line).into_iter();
        let path = words.next()?;
        // Options for those that follow, not a host.
        let hosts: Vec<_> = words.filter(|word| !word.starts_with('-')).collect();
        let open = hosts.is_empty() || hosts.iter().any(|host| is_everybody(host));
        open.then_some(path)
    });
    lines.collect()
}

/// The words of a line, up to a comment: blanks separate them, quotes and `\040` keep blanks in
/// them.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '#' if !quoted => break,
            ' ' | '\t' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
        .into_iter()
        .map(|word| word.replace("\\040", " "))
        .collect()
}

/// Whether a host of an export is everybody: `*`, `(ro)`, `0.0.0.0/0`, `::/0`.
fn is_everybody(host: &str) -> bool {
    let name = host.split('(').next().unwrap_or_default();
    let empty_prefix = || {
        let (_, length) = name.split_once('/')?;
        // A mask may be written as an address.
        Some(matches!(length, "0" | "0.0.0.0" | "::"))
    };
    matches!(name, "" | "*" | "**") || empty_prefix().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Machine, to_everybody};

    #[test]
    fn exports_to_everybody_are_found_and_others_are_not() {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [
            (
                "etc/exports",
                "# /comment *\n/star *(ro,sync)\n/none\n/anonymous (rw)\n/zero 0.0.0.0/0(rw)\n\
                 /mask 10.0.0.0/8 0.0.0.0/0.0.0.0\n\"/with blank\" ::/0\n/long -ro \\\n  a.test \\\n  *\n\
                 /domain *.example.com(rw)\n/one 192.0.2.1(rw) # *\n/net 10.0.0.0/8(ro)\n\
                 /defaults -ro 192.0.2.1\n/group @trusted(rw)\n",
            ),
            ("etc/exports.d/more.exports", "/more *\n"),
            ("etc/exports.d/other.txt", "/other *\n"),
            (
                "var/lib/nfs/etab",
                "/in\\040force\t*(ro,sync,wdelay)\n/kept\t192.0.2.1(ro)\n",
            ),
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        assert_eq!(
            to_everybody(&Machine::new(root.path())),
            [
                "/anonymous",
                "/in force",
                "/long",
                "/mask",
                "/more",
                "/none",
                "/star",
                "/with blank",
                "/zero"
            ]
        );
    }
}
