//! Options of rpcbind(8) that make it answer more than it should.

use std::path::PathBuf;

use procfs::process::Process as Proc;

use crate::sockets::Process;

/// An option that a portmapper runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsecureOption {
    /// The portmapper.
    pub process: Process,
    /// The option's letter.
    pub option: char,
    /// What it does.
    pub meaning: &'static str,
}

const MEANINGS: [(char, &str); 2] = [
    (
        'i',
        "any process of this host may register and unregister services of others",
    ),
    (
        'r',
        "calls are relayed to other services, on behalf of anybody",
    ),
];

/// Options of rpcbind that take a value.
const WITH_VALUE: [char; 1] = ['h'];

/// The insecure options that this portmapper was started with. None, if it has gone.
#[must_use]
pub fn insecure_options(process: &Process) -> Vec<InsecureOption> {
    let root = PathBuf::from(format!("/proc/{}", process.pid));
    let words = Proc::new_with_root(root).and_then(|running| running.cmdline());
    let letters = words.map(|words| options(&words)).unwrap_or_default();
    MEANINGS
        .into_iter()
        .filter(|(option, _)| letters.contains(option))
        .map(|(option, meaning)| InsecureOption {
            process: process.clone(),
            option,
            meaning,
        })
        .collect()
}

/// The letters of the options in a command line, as getopt(3) reads it.
fn options(words: &[String]) -> Vec<char> {
    let mut letters = Vec::new();
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let Some(group) = word.strip_prefix('-').filter(|group| *group != "-") else {
            continue;
        };
        let mut group = group.chars();
        while let Some(letter) = group.next() {
            letters.push(letter);
            if WITH_VALUE.contains(&letter) {
                if group.as_str().is_empty() {
                    words.next();
                }
                break;
            }
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::options;

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        for (line, letters) in [
            ("rpcbind", ""),
            ("rpcbind -w -f", "wf"),
            ("rpcbind -wfi", "wfi"),
            // The values are no options.
            ("rpcbind -h -i -r", "hr"),
            ("rpcbind -h127.0.0.1 -ir", "hir"),
            ("rpcbind -fh 127.0.0.1 -i", "fhi"),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(options(&words).into_iter().collect::<String>(), letters);
        }
    }
}
