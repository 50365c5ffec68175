//! autofs.conf(5), and what was in its place before.

use std::collections::BTreeMap;

use super::super::files::Files;

/// Where settings are, the last file having the last word. Older versions spell them in upper case.
const FILES: [&str; 3] = [
    "/etc/autofs.conf",
    "/etc/default/autofs",
    "/etc/sysconfig/autofs",
];

/// The settings that matter here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) master: Option<String>,
    /// Whether the options of a map entry replace those of the master map.
    pub(super) replace_options: bool,
    /// Whether version 3 is what the automounter looks for if nothing is said.
    pub(super) prefers_old: bool,
    /// Mount points of maps in the format of amd, which are not read here, and where they are.
    pub(super) amd: Vec<(String, String)>,
}

impl Settings {
    pub(super) fn read(files: &Files) -> Self {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        let mut amd = Vec::new();
        for file in FILES.into_iter().filter_map(|file| files.read(file)) {
            for line in file.lines(&['#'], false) {
                if let Some(section) = line.text.strip_prefix('[') {
                    let section = section.trim_end_matches(']').trim();
                    if section.starts_with('/') {
                        amd.push((section.to_owned(), line.place));
                    }
                } else if let Some((name, value)) = line.text.split_once('=') {
                    let name = name.trim().to_lowercase();
                    let name = name.strip_prefix("default_").unwrap_or(&name);
                    let value = value.trim().trim_matches(['"', '\'']);
                    values.insert(name.to_owned(), value.to_lowercase());
                    if name == "master_map_name" {
                        values.insert(name.to_owned(), value.to_owned());
                    }
                }
            }
        }
        let value = |name: &str| values.get(name).map(String::as_str);
        Self {
            master: value("master_map_name").map(ToOwned::to_owned),
            replace_options: matches!(value("append_options"), Some("no" | "0")),
            prefers_old: matches!(value("mount_nfs_default_protocol"), Some("2" | "3")),
            amd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::disable::{machine::fixture::machine, needs::files::Files};

    #[test]
    fn settings_are_read_old_and_new() {
        let new = "[ autofs ]\nmaster_map_name = /etc/Master\n#append_options = no\n\
                   mount_nfs_default_protocol = 3\n[ /amd ]\nmap_name=x\n";
        let (_root, machine) = machine(&[
            ("etc/autofs.conf", new),
            ("etc/sysconfig/autofs", "APPEND_OPTIONS=\"no\"\n"),
        ]);
        assert_eq!(
            Settings::read(&Files::new(&machine)),
            Settings {
                master: Some("/etc/Master".to_owned()),
                replace_options: true,
                prefers_old: true,
                amd: vec![("/amd".to_owned(), "/etc/autofs.conf:5".to_owned())],
            }
        );
    }
}
