//! Options that make a portmapper answer more than it should. The same letter means another thing
//! to another program: `-i` of the old portmap is the address that it binds to.

use std::{fs, path::Path};

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

/// The options of rpcbind(8) that take a value.
const RPCBIND_WITH_VALUE: &[char] = &['h'];

/// The insecure options that this portmapper was started with: none, if it has gone, and if its
/// program, which was proven to be a portmapper, has no such options. `is_reached` is whether other
/// hosts reach it.
#[must_use]
pub fn insecure_options(process: &Process, is_reached: bool) -> Vec<InsecureOption> {
    let program = process.exe.as_deref().and_then(Path::file_name);
    let program = program.map(|name| name.to_string_lossy().into_owned());
    // After an upgrade, it runs on from the old file.
    let is_rpcbind =
        program.is_some_and(|name| name.strip_suffix(" (deleted)").unwrap_or(&name) == "rpcbind");
    if !process.runs_portmapper || !is_rpcbind {
        return Vec::new();
    }
    let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let letters = options(&words, RPCBIND_WITH_VALUE);
    let meaning = |option| match (option, is_reached) {
        ('i', _) => Some("any process of this host may register and unregister services of others"),
        ('r', true) => Some("calls are relayed to other services, on behalf of anybody"),
        ('r', false) => {
            Some("calls are relayed to other services, on behalf of any process of this host")
        }
        _ => None,
    };
    ['i', 'r']
        .into_iter()
        .filter(|option| letters.contains(option))
        .filter_map(|option| {
            Some(InsecureOption {
                process: process.clone(),
                option,
                meaning: meaning(option)?,
            })
        })
        .collect()
}

/// The letters of the options in a command line, as getopt(3) reads it.
fn options(words: &[String], with_value: &[char]) -> Vec<char> {
    let mut letters = Vec::new();
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let Some(group) = word.strip_prefix('-') else {
            continue;
        };
        let mut group = group.chars();
        while let Some(letter) = group.next() {
            letters.push(letter);
            if with_value.contains(&letter) {
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
    use super::{Process, RPCBIND_WITH_VALUE, insecure_options, options};

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
            // Nor is what comes after the end of them.
            ("rpcbind -w -- -i -r", "w"),
            ("rpcbind - -i", "i"),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let found = options(&words, RPCBIND_WITH_VALUE);
            assert_eq!(found.into_iter().collect::<String>(), letters);
        }
    }

    /// The command line is that of this test: `sh -c .. -i -r`, started as another program.
    #[test]
    fn an_option_means_what_the_program_says_and_only_a_portmappers_count() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 60; true", "-i", "-r"])
            .spawn()
            .unwrap();
        // The kernel has the new program's arguments a moment later.
        let line = format!("/proc/{}/cmdline", child.id());
        for _ in 0..1000 {
            if std::fs::read(&line).is_ok_and(|line| line.starts_with(b"sh\0")) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let found = |exe: &str, runs_portmapper, is_reached| {
            let process = Process {
                pid: child.id(),
                exe: Some(exe.into()),
                runs_portmapper,
                ..Process::default()
            };
            let found = insecure_options(&process, is_reached);
            let shown = found.iter().map(|found| (found.option, found.meaning));
            shown.collect::<Vec<_>>()
        };
        let portmap = found("/sbin/portmap", true, true);
        let upgraded = found("/sbin/rpcbind (deleted)", true, true);
        let stranger = found("/tmp/rpcbind", false, true);
        let bound = found("/sbin/rpcbind", true, false);
        let reached = found("/sbin/rpcbind", true, true);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((portmap, stranger), (vec![], vec![]));
        assert_eq!(upgraded, reached);
        assert_eq!((bound[0].0, bound[1].0), ('i', 'r'));
        // Over loopback there is nobody else.
        assert!(
            bound
                .iter()
                .all(|(_, meaning)| !meaning.contains("anybody"))
        );
        assert!(reached[1].1.contains("anybody"));
    }
}
