//! The automounter, whose maps may ask for NFSv3 though nothing is mounted now.

mod entry;
mod settings;
mod words;

use std::collections::BTreeSet;

use self::{entry::Location, settings::Settings};
use super::{
    enabled,
    files::{Files, Text},
    need::{Kind, Need},
    nfsmount::NfsMount,
    options::{self, Use},
    process,
};
use crate::disable::machine::Machine;

/// Maps lead to others; so many are read in all.
const MAX_MAPS: usize = 200;

/// Maps may lead to others so often.
const MAX_DEPTH: usize = 8;

pub(super) fn find(files: &Files, conf: &NfsMount, machine: &Machine) -> Vec<Need> {
    let settings = Settings::read(files);
    let mut maps = Maps {
        files,
        conf,
        sources: sources(files),
        is_started: process::of_services(machine, &["automount"])
            .next()
            .is_some()
            || enabled::is_started(machine, "autofs"),
        seen: BTreeSet::new(),
        needs: Vec::new(),
        settings,
    };
    for (point, place) in std::mem::take(&mut maps.settings.amd) {
        let how = Mounting::new(&point, &place, true);
        maps.cannot_read(&how, "a map in the format of amd");
    }
    let name = maps
        .settings
        .master
        .clone()
        .unwrap_or_else(|| "auto.master".to_owned());
    // Without the automounter, maps in directory services are nothing.
    let path = if name.starts_with('/') {
        name.clone()
    } else {
        format!("/etc/{name}")
    };
    let has_master = files.read(&path).is_some();
    if has_master || maps.is_started || machine.has_command("automount") {
        let how = Mounting::new("its mount points", "/etc/nsswitch.conf", true);
        maps.master_by_name(&name, &how);
    }
    maps.directory_of_masters("/etc/auto.master.d", true);
    maps.needs
}

/// Where nsswitch.conf(5) has maps looked for.
fn sources(files: &Files) -> Vec<String> {
    let lines = files
        .read("/etc/nsswitch.conf")
        .map(|file| file.lines(&['#'], false));
    let mut lines = lines.unwrap_or_default().into_iter();
    let found = lines.find_map(|line| {
        let sources = line.text.strip_prefix("automount:")?;
        let sources = sources.split('#').next().unwrap_or_default();
        let words = sources
            .split_whitespace()
            .filter(|word| !word.contains(['[', ']', '=']));
        Some(words.map(ToOwned::to_owned).collect())
    });
    found.unwrap_or_else(|| vec!["files".to_owned()])
}

/// How what a map says is mounted.
#[derive(Clone)]
struct Mounting {
    point: String,
    options: Vec<String>,
    place: String,
    /// Whether all files that have led here are root's.
    is_roots: bool,
    /// How many maps have led here.
    depth: usize,
}

impl Mounting {
    fn new(point: &str, place: &str, is_roots: bool) -> Self {
        Self {
            point: point.to_owned(),
            options: Vec::new(),
            place: place.to_owned(),
            is_roots,
            depth: 0,
        }
    }

    /// Where an entry with this key is mounted; the keys of direct maps, on `/-`, are whole paths.
    fn target(&self, key: &str) -> String {
        if key.starts_with('/') {
            key.to_owned()
        } else {
            format!("{}/{key}", self.point)
        }
    }
}

struct Maps<'a> {
    files: &'a Files,
    conf: &'a NfsMount,
    settings: Settings,
    sources: Vec<String>,
    is_started: bool,
    seen: BTreeSet<String>,
    needs: Vec<Need>,
}

impl Maps<'_> {
    /// Reads a file unless that was done in this role.
    fn open(&mut self, role: &str, path: &str) -> Option<Text> {
        let is_new = self.seen.insert(format!("{role} {path}"));
        (is_new && self.seen.len() <= MAX_MAPS).then(|| self.files.read(path))?
    }

    fn cannot_read(&mut self, how: &Mounting, what: &str) {
        let not_started = if self.is_started {
            ""
        } else {
            "; autofs is not started here"
        };
        let text = format!(
            "autofs mounts {} from {what}, which cannot be read here and may ask for NFSv3{not_started}",
            how.point
        );
        let need = Need::new(Kind::Automount, text).at(&how.place);
        self.needs
            .push(need.blocks_if(how.is_roots && self.is_started));
    }

    /// A master map by its name, or by its path.
    fn master_by_name(&mut self, name: &str, how: &Mounting) {
        let name = name.strip_prefix("file:").unwrap_or(name);
        if let Some(directory) = name.strip_prefix("dir:") {
            self.directory_of_masters(directory, how.is_roots);
        } else if name.starts_with('/') {
            self.master(name, how.is_roots);
        } else if let Some((kind, _)) = name.split_once(':') {
            self.cannot_read(how, &format!("a master map of {kind}"));
        } else {
            for source in self.sources.clone() {
                if source == "files" {
                    self.master(&format!("/etc/{name}"), how.is_roots);
                } else {
                    self.cannot_read(how, &format!("a master map of {source}"));
                }
            }
        }
    }

    fn directory_of_masters(&mut self, directory: &str, is_roots: bool) {
        for name in self.files.names(directory) {
            if name.ends_with(".autofs") {
                self.master(&format!("{directory}/{name}"), is_roots);
            }
        }
    }

    fn master(&mut self, path: &str, is_roots: bool) {
        let Some(file) = self.open("master", path) else {
            return;
        };
        let is_roots = is_roots && file.is_roots;
        for line in file.lines(&['#'], true) {
            let words = words::split(&line.text);
            let Some((first, rest)) = words.split_first() else {
                continue;
            };
            let mut how = Mounting::new(first, &line.place, is_roots);
            if let Some(name) = first.strip_prefix('+') {
                how.point = "its mount points".to_owned();
                self.master_by_name(name, &how);
                continue;
            }
            let (maps, options) = if rest.first().is_some_and(|map| map.starts_with("multi")) {
                let is_map = |word: &&String| word.contains(':') || word.starts_with('/');
                let maps = rest
                    .iter()
                    .filter(is_map)
                    .map(|map| map.strip_prefix("multi:").unwrap_or(map).to_owned());
                (maps.collect(), rest.get(1..))
            } else {
                (
                    rest.first().cloned().into_iter().collect::<Vec<_>>(),
                    rest.get(1..),
                )
            };
            let options = options.unwrap_or_default().iter();
            how.options = options
                .flat_map(|word| options::split(word.trim_start_matches('-')))
                .collect();
            for map in maps {
                self.map_by_name(&map, &how);
            }
        }
    }

    /// A map as master maps and others name it: `TYPE,FORMAT:NAME`, `-hosts`, a path, or a name.
    fn map_by_name(&mut self, name: &str, how: &Mounting) {
        let (kind, name) = match name.split_once(':') {
            Some((kind, name)) => (kind, name),
            None if name.starts_with('/') => ("file", name),
            None if name.starts_with('-') => (name.trim_start_matches('-'), ""),
            None if name == "hosts" => (name, ""),
            None => ("", name),
        };
        match kind {
            "null" => {}
            "" | "file" | "file,sun" => {
                for source in self.sources.clone() {
                    if name.starts_with('/') {
                        return self.map(name, how);
                    } else if source == "files" || !kind.is_empty() {
                        self.map(&format!("/etc/{name}"), how);
                    } else {
                        self.cannot_read(how, &format!("the map {name} of {source}"));
                    }
                }
            }
            // It has no options of its own, so that those of the master map hold for all.
            "hosts" if is_newer(&how.options) => {}
            "hosts" => self.cannot_read(how, "whatever a host exports (-hosts)"),
            kind => self.cannot_read(how, &format!("the map {name} of type {kind}")),
        }
    }

    fn map(&mut self, path: &str, how: &Mounting) {
        if how.depth >= MAX_DEPTH {
            return self.cannot_read(how, "maps that lead to ever more maps");
        }
        let role = format!("{} {}", how.point, how.options.join(","));
        let Some(file) = self.open(&role, path) else {
            return;
        };
        if file.is_executable {
            return self.cannot_read(how, &format!("what the program {path} prints"));
        }
        let is_roots = how.is_roots && file.is_roots;
        // The first of a kind stands for the others, of which there may be thousands.
        let mut found: [Option<(Need, usize)>; 2] = [None, None];
        for line in file.lines(&['#'], true) {
            let words = words::split(&line.text);
            let Some((key, rest)) = words.split_first() else {
                continue;
            };
            let how = Mounting {
                place: line.place,
                is_roots,
                depth: how.depth + 1,
                ..how.clone()
            };
            if let Some(name) = key.strip_prefix('+') {
                self.map_by_name(name, &how);
                continue;
            }
            for location in entry::locations(rest) {
                if location.kind(&how.options) == "autofs" {
                    let below = Mounting {
                        point: how.target(key),
                        ..how.clone()
                    };
                    self.map_by_name(&location.source, &below);
                    continue;
                }
                let (usage, need) = self.need(key, &location, &how);
                let slot = match usage {
                    Use::None => continue,
                    Use::Old => &mut found[0],
                    Use::Either => &mut found[1],
                };
                slot.get_or_insert((need, 0)).1 += 1;
            }
        }
        for (mut need, count) in found.into_iter().flatten() {
            if count > 1 {
                need.text
                    .push_str(&format!(", and {} more of this map", count - 1));
            }
            self.needs.push(need);
        }
    }

    fn need(&self, key: &str, location: &Location, how: &Mounting) -> (Use, Need) {
        let replaced = self.settings.replace_options && !location.options.is_empty();
        let inherited = if replaced {
            &[]
        } else {
            how.options.as_slice()
        };
        let kind = location.kind(inherited);
        let target = format!("{}{}", how.target(key), location.offset);
        let usage = if matches!(kind, "nfs" | "nfs4") {
            let options = [inherited, &location.options].concat();
            self.conf.usage(kind, &location.source, &target, &options)
        } else {
            Use::None
        };
        let prefers = if usage == Use::Either && self.settings.prefers_old {
            "; mount_nfs_default_protocol asks for 3"
        } else {
            ""
        };
        let text = format!(
            "autofs mounts {} on {target} {}{prefers}",
            location.source,
            usage.text()
        );
        let need = Need::new(Kind::Automount, text).at(&how.place);
        (usage, need.blocks_if(how.is_roots))
    }
}

/// Whether these options rule version 3 out, or its locks.
fn is_newer(options: &[String]) -> bool {
    let mut kinds = options.iter().rev();
    let kind = kinds.find_map(|option| option.strip_prefix("fstype="));
    options::usage(kind.unwrap_or("nfs"), options, None) == Use::None
}

#[cfg(test)]
mod tests;
