//! Mount units of systemd, which may be started at boot, by an automount unit, or by others that
//! require them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    files::{Files, Line, Text},
    need::{Kind, Need},
    nfsmount::NfsMount,
    options::{self, Use},
};

/// Where units are, the first place having the last word: systemd.unit(5).
const DIRECTORIES: [&str; 11] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];

pub(super) fn find(files: &Files, conf: &NfsMount) -> Vec<Need> {
    let directories = DIRECTORIES.map(|directory| (directory, files.names(directory)));
    let mut units: BTreeMap<&str, String> = BTreeMap::new();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut drop_ins: BTreeSet<&str> = BTreeSet::new();
    for (directory, names) in &directories {
        for name in names {
            if name.ends_with(".mount") {
                units
                    .entry(name)
                    .or_insert_with(|| format!("{directory}/{name}"));
            } else if name.ends_with(".wants") || name.ends_with(".requires") {
                wanted.extend(files.names(&format!("{directory}/{name}")));
            } else if name.ends_with("mount.d") {
                drop_ins.insert(name);
            }
        }
    }
    let mut needs = Vec::new();
    for (name, path) in units {
        let Some(main) = files.read(&path) else {
            continue;
        };
        let mut parts = vec![main];
        for directory in drop_in_directories(name).filter(|name| drop_ins.contains(&**name)) {
            // One by its name hides those in later places.
            let mut paths = BTreeMap::new();
            for base in DIRECTORIES {
                let directory = format!("{base}/{directory}");
                for name in files.names(&directory) {
                    if name.ends_with(".conf") {
                        let path = format!("{directory}/{name}");
                        paths.entry(name).or_insert(path);
                    }
                }
            }
            parts.extend(paths.values().filter_map(|path| files.read(path)));
        }
        needs.extend(Unit::of(&parts).need(conf, started(name, &wanted)));
    }
    needs
}

/// The directories of drop-ins for a unit: those for all mounts, for names that begin alike, for
/// this one.
fn drop_in_directories(name: &str) -> impl Iterator<Item = String> {
    let stem = name.trim_end_matches(".mount");
    let prefixes = stem
        .match_indices('-')
        .map(|(at, _)| format!("{}.mount.d", &stem[..=at]));
    let mut all = vec!["mount.d".to_owned()];
    all.extend(prefixes);
    all.push(format!("{name}.d"));
    all.into_iter()
}

/// When it is started.
fn started(name: &str, wanted: &BTreeSet<String>) -> &'static str {
    let automount = format!("{}.automount", name.trim_end_matches(".mount"));
    if wanted.contains(name) {
        "enabled"
    } else if wanted.contains(&automount) {
        "started by its automount unit, which is enabled"
    } else {
        "not enabled"
    }
}

/// The settings of a unit and its drop-ins.
#[derive(Default)]
struct Unit {
    settings: BTreeMap<String, String>,
    place: String,
    is_roots: bool,
    /// Made from /etc/fstab, which is read as it is.
    is_of_fstab: bool,
}

impl Unit {
    fn of(parts: &[Text]) -> Self {
        let mut unit = Self {
            is_roots: parts.iter().all(|part| part.is_roots),
            ..Self::default()
        };
        for part in parts {
            let mut section = String::new();
            for Line { text, place } in without_comments(part).lines(&['#', ';'], true) {
                if text.starts_with('[') {
                    section = text;
                } else if let Some((name, value)) = text.split_once('=') {
                    let (name, value) = (name.trim(), value.trim());
                    if section == "[Mount]" {
                        // Where the version would be said is where to look.
                        if name == "Options" || unit.place.is_empty() {
                            unit.place = place;
                        }
                        unit.settings.insert(name.to_owned(), value.to_owned());
                    }
                    unit.is_of_fstab |= name == "SourcePath" && value == "/etc/fstab";
                }
            }
        }
        unit
    }

    fn need(&self, conf: &NfsMount, started: &str) -> Option<Need> {
        let setting = |name: &str| self.settings.get(name).map_or("", String::as_str);
        let (source, target) = (unquoted(setting("What")), unquoted(setting("Where")));
        let is_remote = source.contains(":/");
        let kind = match setting("Type") {
            "" | "auto" if is_remote => "nfs",
            kind => kind,
        };
        if self.is_of_fstab || !matches!(kind, "nfs" | "nfs4") {
            return None;
        }
        let options = options::split(unquoted(setting("Options")));
        let usage = conf.usage(kind, source, target, &options);
        if usage == Use::None {
            return None;
        }
        let text = format!(
            "{source} on {target} {}; the unit is {started}",
            usage.text()
        );
        let need = Need::new(Kind::MountUnit, text).at(&self.place);
        Some(need.blocks_if(self.is_roots))
    }
}

/// A file whose comments do not end a line that goes on behind them.
fn without_comments(file: &Text) -> Text {
    let mut continues = false;
    let lines = file.text.lines().map(|line| {
        if continues && line.trim_start().starts_with(['#', ';']) {
            return "\\";
        }
        continues = line.ends_with('\\');
        line
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    Text {
        text,
        ..file.clone()
    }
}

fn unquoted(value: &str) -> &str {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::disable::{
        machine::fixture::machine,
        needs::{files::Files, nfsmount::NfsMount},
    };

    fn needs(files: &[(&str, &str)]) -> Vec<String> {
        let (_root, machine) = machine(files);
        let files = Files::new(&machine);
        let found = find(&files, &NfsMount::read(&files, &[]));
        found.iter().map(ToString::to_string).collect()
    }

    const UNIT: &str = "[Unit]\nDescription=x\n[Mount]\nWhat=nas:/srv\nWhere=/srv\nType=nfs\nOptions=rw,\\\n  vers=3\n";

    #[test]
    fn mount_units_need_it_enabled_or_not() {
        for directory in ["etc", "run", "usr/lib", "lib"] {
            let unit = format!("{directory}/systemd/system/srv.mount");
            let place = format!("(/{unit}:7)");
            assert_eq!(
                needs(&[(&unit, UNIT)]),
                [format!(
                    "nas:/srv on /srv with NFSv3; the unit is not enabled {place}"
                )]
            );
            let wants = "etc/systemd/system/multi-user.target.wants/srv.mount";
            assert_eq!(
                needs(&[(&unit, UNIT), (wants, "->x")]),
                [format!(
                    "nas:/srv on /srv with NFSv3; the unit is enabled {place}"
                )]
            );
            let wants = "etc/systemd/system/multi-user.target.wants/srv.automount";
            assert!(needs(&[(&unit, UNIT), (wants, "->x")])[0].contains("its automount unit"));
        }
    }

    #[test]
    fn drop_ins_types_and_masks_of_units_count() {
        let path = "usr/lib/systemd/system/srv-a.mount";
        let unit = (path, UNIT);
        let newer = "[Mount]\nOptions=vers=4.2\n";
        assert_eq!(
            needs(&[unit, ("etc/systemd/system/srv-a.mount.d/x.conf", newer)]),
            [""; 0]
        );
        assert_eq!(
            needs(&[unit, ("run/systemd/system/srv-.mount.d/x.conf", newer)]),
            [""; 0]
        );
        assert_eq!(
            needs(&[unit, ("etc/systemd/system/srv-a.mount", "->/dev/null")]),
            [""; 0]
        );
        assert_eq!(
            needs(&[unit, ("etc/systemd/system/mount.d/x", newer)]).len(),
            1
        );
        for (text, count) in [
            ("[Mount]\nWhat=nas:/x\nWhere=/x\n", 1),
            ("[Mount]\nWhat=nas:/x\nWhere=/x\nType=nfs4\n", 0),
            ("[Mount]\nWhat=nas:/x\nWhere=/x\nType=fuse.sshfs\n", 0),
            (
                "[Mount]\nWhat=/dev/sda\nWhere=/x\nType=nfs\nOptions=nolock\n",
                0,
            ),
            (
                "[Unit]\nSourcePath=/etc/fstab\n[Mount]\nWhat=nas:/x\nWhere=/x\nType=nfs\n",
                0,
            ),
            (
                "[Mount]\nWhat=nas:/x\nWhere=/x\nType=nfs\nOptions=rw,\\\n# c\nvers=4.2\n",
                0,
            ),
            ("[Mount]\nWhat=nas:/x\n# Type=nfs4\nType=nfs\n", 1),
        ] {
            assert_eq!(needs(&[(path, text)]).len(), count, "{text}");
        }
    }
}
