//! Configuration of nfs-utils, as its support/nfs/conffile.c reads it: sections with an argument,
//! variables, files that include others, drop-ins.

use super::files::{Files, Text};

/// Variables may name each other so often.
const MAX_DEPTH: usize = 8;

/// The largest number of included files, over all levels.
const MAX_INCLUDES: usize = 32;

/// An assignment.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    section: String,
    argument: Option<String>,
    /// In lower case.
    pub(super) tag: String,
    pub(super) value: String,
    /// The file and line.
    pub(super) place: String,
    /// Whether root alone can write that file.
    pub(super) is_roots: bool,
}

/// All assignments, the later ones before the earlier ones in authority.
#[derive(Clone, Debug, Default)]
pub(super) struct Config {
    assignments: Vec<Assignment>,
    includes: usize,
}

impl Config {
    /// Reads a file of /etc and /usr/etc, and what is in the directories `FILE.d`.
    pub(super) fn read(files: &Files, name: &str) -> Self {
        let mut config = Self::default();
        for base in ["/usr/etc", "/etc"] {
            let file = format!("{base}/{name}");
            if let Some(text) = files.read(&file) {
                // Not added to what is in /usr/etc, whatever nfs.conf(5) says.
                config.assignments.clear();
                config.parse(files, &text, &mut None);
            }
            let mut drop_ins = files.names(&format!("{file}.d"));
            drop_ins.retain(|name| name.ends_with(".conf") && !name.starts_with('.'));
            drop_ins.sort_by_cached_key(|name| natural(name));
            for drop_in in drop_ins {
                if let Some(text) = files.read(&format!("{file}.d/{drop_in}")) {
                    config.parse(files, &text, &mut None);
                }
            }
        }
        config
    }

    fn parse(&mut self, files: &Files, text: &Text, section: &mut Option<Header>) {
        // A last line that does not end is not read.
        let complete = text.text.rfind('\n').map_or("", |end| &text.text[..=end]);
        let whole = Text {
            text: complete.to_owned(),
            ..text.clone()
        };
        // A comment that ends with a backslash takes the next line as well.
        for line in whole.lines(&[], true) {
            if line.text.starts_with(['#', ';']) {
                continue;
            }
            if let Some(header) = line.text.strip_prefix('[') {
                *section = Header::of(header);
                continue;
            }
            let (Some(section), Some((tag, value))) = (&*section, line.text.split_once('=')) else {
                continue;
            };
            let Some(value) = unquoted(value.trim_start()) else {
                continue;
            };
            let tag = tag.trim().to_lowercase();
            if tag == "include" {
                let path = value.strip_prefix('-').unwrap_or(value);
                let included = if path.starts_with('/') {
                    path.to_owned()
                } else {
                    let directory = text.path.rsplit_once('/').map_or("", |(before, _)| before);
                    format!("{directory}/{path}")
                };
                self.includes += 1;
                if self.includes <= MAX_INCLUDES
                    && let Some(included) = files.read(&included)
                {
                    self.parse(files, &included, &mut Some(section.clone()));
                }
            } else if !value.is_empty() {
                self.assignments.push(Assignment {
                    section: section.name.clone(),
                    argument: section.argument.clone(),
                    tag,
                    value: value.to_owned(),
                    place: line.place,
                    is_roots: text.is_roots,
                });
            }
        }
    }

    /// Returns the assignments of a section, the last one first, with variables replaced.
    pub(super) fn section(&self, name: &str, argument: Option<&str>) -> Vec<Assignment> {
        let mut found: Vec<Assignment> = Vec::new();
        for assignment in self.assignments.iter().rev() {
            let is_of_section = assignment.section == name
                && match (argument, &assignment.argument) {
                    (None, None) => true,
                    (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
                    _ => false,
                };
            if is_of_section && !found.iter().any(|other| other.tag == assignment.tag) {
                found.push(assignment.clone());
            }
        }
        for assignment in &mut found {
            if let Some((value, is_roots)) = self.resolved(&assignment.value) {
                assignment.value = value;
                assignment.is_roots &= is_roots;
            }
        }
        found
    }

    /// The value of a tag in a section without an argument.
    pub(super) fn get(&self, section: &str, tag: &str) -> Option<Assignment> {
        let mut found = self.section(section, None).into_iter();
        found.find(|assignment| assignment.tag == tag)
    }

    /// Whether a tag is assigned later in another section of the same name: some versions of
    /// nfs-utils forget the earlier one then.
    pub(super) fn may_be_forgotten(&self, assignment: &Assignment) -> bool {
        let of_tag = |other: &&Assignment| {
            other.section == assignment.section && other.tag == assignment.tag
        };
        let last = self.assignments.iter().rev().find(of_tag);
        last.is_some_and(|last| last.argument != assignment.argument)
    }

    /// The value of a variable, where the value is one, from the section `environment`; as it is,
    /// where that has none.
    fn resolved(&self, value: &str) -> Option<(String, bool)> {
        let mut value = value;
        let mut is_roots = true;
        for _ in 0..MAX_DEPTH {
            let Some(name) = value.strip_prefix('$') else {
                return Some((value.to_owned(), is_roots));
            };
            let of_name = |other: &&Assignment| {
                other.section == "environment" && other.tag.eq_ignore_ascii_case(name)
            };
            let found = self.assignments.iter().rev().find(of_name)?;
            value = &found.value;
            is_roots &= found.is_roots;
        }
        None
    }
}

/// The header of a section.
#[derive(Clone, Debug)]
struct Header {
    /// In lower case.
    name: String,
    argument: Option<String>,
}

impl Header {
    /// Reads `NAME "ARGUMENT"]`; what is not that is ignored until the next one.
    fn of(text: &str) -> Option<Self> {
        let (inside, _) = text.split_once(']')?;
        let (name, argument) = match inside.split_once('"') {
            Some((name, quoted)) => (name, Some(quoted.split_once('"')?.0.to_owned())),
            None => (inside, None),
        };
        Some(Self {
            name: name.trim().to_lowercase(),
            argument,
        })
    }
}

/// A value without its quotes, or without the comment behind it; `None` if a quote does not end.
fn unquoted(value: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            return Some(quoted.split_once(quote)?.0);
        }
    }
    Some(
        value
            .split(['#', ';'])
            .next()
            .unwrap_or_default()
            .trim_end(),
    )
}

/// Orders names as versions are: `9-a` before `10-b`.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let (text, after) = rest.split_at(text);
        let digits = after
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(after.len());
        let (digits, after) = after.split_at(digits);
        parts.push((0, text.to_owned()));
        parts.push((digits.parse().unwrap_or_default(), String::new()));
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{Config, natural};
    use crate::disable::{machine::fixture::machine, needs::files::Files};

    fn value(files: &[(&str, &str)]) -> Option<String> {
        let (_root, machine) = machine(files);
        let config = Config::read(&Files::new(&machine), "nfs.conf");
        config.get("nfsd", "vers3").map(|found| found.value)
    }

    #[test]
    fn files_are_read_as_nfs_utils_reads_them() {
        for (text, expected) in [
            ("[nfsd]\nvers3=n\n", Some("n")),
            ("[ NFSD ]\n VERS3 = n # c\n", Some("n")),
            ("[nfsd]\nvers3='n' # c\n", Some("n")),
            ("[nfsd]\nvers3=\"n\";\n", Some("n")),
            ("[nfsd]\nvers3=\\\n n\n", Some("n")),
            ("[nfsd]\n# vers3=n\n;vers3=n\n", None),
            ("[nfsd]\n# \\\nvers3=n\n", None),
            ("[nfsd \"a\"]\nvers3=n\n", None),
            ("[nfsd\nvers3=n\n", None),
            ("vers3=n\n", None),
            // The last line has no end.
            ("[nfsd]\nvers3=n", None),
            (
                "[nfsd]\nvers3=$V\n[environment]\nV=$W\nW='no'\n",
                Some("no"),
            ),
            ("[nfsd]\nvers3=$V\n", Some("$V")),
            ("[nfsd]\nvers3=$V\n[environment]\nV=$V\n", Some("$V")),
        ] {
            let found = value(&[("etc/nfs.conf", text)]);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn suse_settings_are_followed_through_includes_and_variables() {
        let conf = "[environment]\ninclude = /etc/sysconfig/nfs\n[nfsd]\nvers3=$NFS3_SERVER_SUPPORT\n\
                    include = -nfs.conf.local\n";
        let usr = ("usr/etc/nfs.conf", conf);
        let sysconfig = ("etc/sysconfig/nfs", "NFS3_SERVER_SUPPORT=\"no\"\n");
        assert_eq!(value(&[usr, sysconfig]).as_deref(), Some("no"));
        let local = ("usr/etc/nfs.conf.local", "vers3=yes\n");
        assert_eq!(value(&[usr, sysconfig, local]).as_deref(), Some("yes"));
        // A file in /etc replaces it, drop-ins add to it.
        assert_eq!(value(&[usr, sysconfig, ("etc/nfs.conf", "")]), None);
        let drop_ins = [
            usr,
            sysconfig,
            ("etc/nfs.conf.d/9.conf", "[nfsd]\nvers3=nine\n"),
            ("etc/nfs.conf.d/10.conf", "[nfsd]\nvers3=ten\n"),
            ("etc/nfs.conf.d/11", "[nfsd]\nvers3=none\n"),
        ];
        assert_eq!(value(&drop_ins).as_deref(), Some("ten"));
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let conf = "[nfsd]\ninclude=nfs.conf\ninclude=nfs.conf\nvers3=n\n";
        assert_eq!(value(&[("etc/nfs.conf", conf)]).as_deref(), Some("n"));
        assert!(natural("9-a") < natural("10-a"));
    }
}
