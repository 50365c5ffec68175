//! Other programs that mount NFS by what their files say: libvirt, Docker, pam_mount, amd.
//!
//! Their files are not read to the end: a word tells that NFS is meant, another one that its
//! version is 4, and where there is neither a version it may be 3.

use super::{
    files::{Files, Text},
    need::{Kind, Need},
};

/// Files of a program.
struct Program {
    name: &'static str,
    /// A file, or a directory.
    path: &'static str,
    /// The ending of the files in the directory, or the name of the file in each of its
    /// directories.
    ending: Option<&'static str>,
    /// One of these words means NFS.
    words: &'static [&'static str],
    /// Each of these means that it is not version 3.
    newer: &'static [&'static str],
}

const PROGRAMS: [Program; 4] = [
    Program {
        name: "libvirt",
        path: "/etc/libvirt/storage",
        ending: Some(".xml"),
        words: &["type='netfs'", "type=\"netfs\""],
        newer: &["ver='4", "ver=\"4", "type='cifs'", "type='glusterfs'"],
    },
    Program {
        name: "Docker",
        path: "/var/lib/docker/volumes",
        ending: Some("/opts.json"),
        words: &["\"MountType\":\"nfs\""],
        newer: &["vers=4", "\"nolock", ",nolock"],
    },
    Program {
        name: "pam_mount",
        path: "/etc/security/pam_mount.conf.xml",
        ending: None,
        words: &["fstype=\"nfs\"", "fstype='nfs'"],
        newer: &["vers=4"],
    },
    Program {
        name: "amd",
        path: "/etc/amd.conf",
        ending: None,
        words: &["map_name"],
        newer: &[],
    },
];

pub(super) fn find(files: &Files) -> Vec<Need> {
    let mut needs = Vec::new();
    for program in PROGRAMS {
        let paths = match program.ending {
            None => vec![program.path.to_owned()],
            Some(ending) => {
                let names = files.names(program.path).into_iter();
                let path = |name: String| match ending.strip_prefix('/') {
                    Some(_) => Some(format!("{}/{name}{ending}", program.path)),
                    None => name
                        .ends_with(ending)
                        .then(|| format!("{}/{name}", program.path)),
                };
                names.filter_map(path).collect()
            }
        };
        let texts = paths.iter().filter_map(|path| files.read(path));
        needs.extend(texts.filter_map(|text| program.need(&text)));
    }
    needs
}

impl Program {
    fn need(&self, file: &Text) -> Option<Need> {
        // One line may be all that is about one file system, so that all of them count.
        let (text, is_xml) = (uncommented(&file.text), self.ending.is_none());
        let means_nfs = |text: &str| self.words.iter().any(|word| text.contains(word));
        let is_newer = |text: &str| self.newer.iter().any(|word| text.contains(word));
        let may_be_old = if is_xml {
            text.split('>')
                .any(|part| means_nfs(part) && !is_newer(part))
        } else {
            means_nfs(&text) && !is_newer(&text)
        };
        may_be_old.then(|| {
            let text = format!(
                "{} mounts NFS as this file says, and it may be NFSv3",
                self.name
            );
            Need::new(Kind::Storage, text)
                .at(&file.path)
                .blocks_if(file.is_roots)
        })
    }
}

/// Without comments of XML and of shells.
fn uncommented(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    let lines = kept
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::disable::{machine::fixture::machine, needs::files::Files};

    #[test]
    fn files_of_other_programs_may_need_it() {
        let pool = "etc/libvirt/storage/nas.xml";
        let volume = "var/lib/docker/volumes/data/opts.json";
        let pam = "etc/security/pam_mount.conf.xml";
        for (path, text, count) in [
            (pool, "<pool type='netfs'>\n<protocol ver='3'/></pool>", 1),
            (pool, "<pool type='netfs'>\n<format type='nfs'/></pool>", 1),
            (pool, "<pool type='netfs'>\n<protocol ver='4.2'/></pool>", 0),
            (pool, "<pool type='dir'></pool>", 0),
            ("etc/libvirt/storage/nas", "<pool type='netfs'>", 0),
            (
                volume,
                r#"{"MountType":"nfs","MountOpts":"addr=192.0.2.1,vers=3"}"#,
                1,
            ),
            (
                volume,
                r#"{"MountType":"nfs","MountOpts":"addr=192.0.2.1,vers=4"}"#,
                0,
            ),
            (volume, r#"{"MountType":"none","MountOpts":"bind"}"#, 0),
            (
                pam,
                "<volume fstype=\"nfs\" options=\"vers=4\" />\n<volume fstype=\"nfs\" />",
                1,
            ),
            (pam, "<volume fstype=\"nfs\" options=\"vers=4\" />", 0),
            (pam, "<!-- <volume fstype=\"nfs\" /> -->\n", 0),
            ("etc/amd.conf", "[ /home ]\nmap_name = /etc/amd.home\n", 1),
            ("etc/amd.conf", "# map_name = /etc/amd.home\n", 0),
        ] {
            let (_root, machine) = machine(&[(path, text)]);
            let found = find(&Files::new(&machine));
            assert_eq!(found.len(), count, "{path} {text}");
        }
    }
}
