//! Other programs that mount NFS by what their files say: libvirt, Docker, pam_mount, amd, scripts
//! that the boot runs.
//!
//! Their files are not read to the end: a word tells that NFS is meant, another one that its
//! version is 4, and where there is neither a version it may be 3.

use super::{
    files::{Files, Text},
    need::{Kind, Need},
    nfsmount::NfsMount,
    options::{self, Use},
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
    /// Ends the part of a file that is about one file system; without it, all is about one.
    end: Option<char>,
}

/// Where Docker has its files unless its configuration says otherwise.
const DOCKER_VOLUMES: &str = "/var/lib/docker/volumes";

/// The words that mount NFS on a line of a script, and those of other versions than 3.
const MOUNT: [&str; 3] = ["mount.nfs ", "-t nfs ", "-tnfs "];
const MOUNT_NEWER: [&str; 5] = ["vers=4", ",v4", "-o v4", "nolock", "umount -"];

const PROGRAMS: [Program; 7] = [
    Program {
        name: "libvirt",
        path: "/etc/libvirt/storage",
        ending: Some(".xml"),
        words: &["type='netfs'", "type=\"netfs\""],
        newer: &["ver='4", "ver=\"4", "type='cifs'", "type='glusterfs'"],
        end: None,
    },
    Program {
        name: "Docker",
        path: DOCKER_VOLUMES,
        ending: Some("/opts.json"),
        words: &["\"MountType\":\"nfs\""],
        newer: &["vers=4", "\"nolock", ",nolock"],
        end: None,
    },
    Program {
        name: "pam_mount",
        path: "/etc/security/pam_mount.conf.xml",
        ending: None,
        words: &["fstype=\"nfs\"", "fstype='nfs'"],
        newer: &["vers=4"],
        end: Some('>'),
    },
    Program {
        name: "amd",
        path: "/etc/amd.conf",
        ending: None,
        words: &["map_name"],
        newer: &[],
        end: None,
    },
    Program {
        name: "rc.local",
        path: "/etc/rc.local",
        ending: None,
        words: &MOUNT,
        newer: &MOUNT_NEWER,
        end: Some('\n'),
    },
    Program {
        name: "rc.local",
        path: "/etc/rc.d/rc.local",
        ending: None,
        words: &MOUNT,
        newer: &MOUNT_NEWER,
        end: Some('\n'),
    },
    Program {
        name: "a local script of OpenRC",
        path: "/etc/local.d",
        ending: Some(".start"),
        words: &MOUNT,
        newer: &MOUNT_NEWER,
        end: Some('\n'),
    },
];

pub(super) fn find(files: &Files, conf: &NfsMount) -> Vec<Need> {
    let mut needs = quadlets(files, conf);
    let data_root = data_root(files);
    for program in PROGRAMS {
        let directory = match &data_root {
            Some(root) if program.path == DOCKER_VOLUMES => format!("{root}/volumes"),
            _ => program.path.to_owned(),
        };
        let paths = match program.ending {
            None => vec![directory],
            Some(ending) => {
                let names = files.names(&directory).into_iter();
                let path = |name: String| match ending.strip_prefix('/') {
                    Some(_) => Some(format!("{directory}/{name}{ending}")),
                    None => name
                        .ends_with(ending)
                        .then(|| format!("{directory}/{name}")),
                };
                names.filter_map(path).collect()
            }
        };
        let texts = paths.iter().filter_map(|path| files.read(path));
        needs.extend(texts.filter_map(|text| program.need(&text)));
    }
    needs
}

/// Where Docker has its files, if /etc/docker/daemon.json says it.
fn data_root(files: &Files) -> Option<String> {
    let text = files.read("/etc/docker/daemon.json")?.text;
    let settings: serde_json::Value = serde_json::from_str(&text).ok()?;
    let root = settings
        .get("data-root")
        .or_else(|| settings.get("graph"))?;
    let root = root.as_str()?.trim_end_matches('/');
    root.starts_with('/').then(|| root.to_owned())
}

/// Volumes of Podman that systemd makes from these files (podman-systemd.unit(5)).
fn quadlets(files: &Files, conf: &NfsMount) -> Vec<Need> {
    let mut needs = Vec::new();
    for directory in ["/etc", "/run", "/usr/share"] {
        let directory = format!("{directory}/containers/systemd");
        for name in files.names(&directory) {
            // They may be in directories of one application each.
            let path = format!("{directory}/{name}");
            let paths = if name.ends_with(".volume") {
                vec![path]
            } else if name.contains('.') {
                continue;
            } else {
                let mut names = files.names(&path);
                names.retain(|name| name.ends_with(".volume"));
                names.iter().map(|name| format!("{path}/{name}")).collect()
            };
            let texts = paths.iter().filter_map(|path| files.read(path));
            needs.extend(texts.filter_map(|text| quadlet(&text, conf)));
        }
    }
    needs
}

fn quadlet(file: &Text, conf: &NfsMount) -> Option<Need> {
    let lines = file.lines(&['#', ';'], true);
    let setting = |name: &str| {
        let mut lines = lines.iter().rev();
        lines.find_map(|line| {
            let (key, value) = line.text.split_once('=')?;
            (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let kind = setting("Type")?;
    if !matches!(&*kind, "nfs" | "nfs4") {
        return None;
    }
    let source = setting("Device").unwrap_or_default();
    let options = options::split(&setting("Options").unwrap_or_default());
    let usage = conf.usage(&kind, &source, "", &options);
    (usage != Use::None).then(|| {
        let text = format!("Podman mounts {source} {}", usage.text());
        Need::new(Kind::Storage, text)
            .at(&file.path)
            .blocks_if(file.is_roots)
    })
}

impl Program {
    fn need(&self, file: &Text) -> Option<Need> {
        let text = uncommented(&file.text);
        let means_nfs = |text: &str| self.words.iter().any(|word| text.contains(word));
        let is_newer = |text: &str| self.newer.iter().any(|word| text.contains(word));
        let is_old = |part: &str| means_nfs(part) && !is_newer(part);
        let may_be_old = match self.end {
            Some(end) => text.split(end).any(is_old),
            None => is_old(&text),
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
    use crate::disable::{
        machine::{Machine, fixture::machine},
        needs::{files::Files, nfsmount::NfsMount},
    };

    fn count(machine: &Machine) -> usize {
        let files = Files::new(machine);
        find(&files, &NfsMount::read(&files, &[])).len()
    }

    #[test]
    fn volumes_of_docker_are_where_its_configuration_says() {
        let volume = (
            "srv/docker/volumes/a/opts.json",
            r#"{"MountType":"nfs","MountOpts":"addr=192.0.2.1,vers=3"}"#,
        );
        for (conf, expected) in [
            (r#"{"data-root": "/srv/docker/"}"#, 1),
            (r#"{"graph": "/srv/docker"}"#, 1),
            ("{}", 0),
        ] {
            let (_root, machine) = machine(&[volume, ("etc/docker/daemon.json", conf)]);
            assert_eq!(count(&machine), expected, "{conf}");
        }
    }

    #[test]
    fn volumes_of_podman_and_scripts_of_the_boot_may_need_it() {
        for (path, text, expected) in [
            (
                "etc/containers/systemd/a.volume",
                "[Volume]\nType=nfs\nDevice=nas:/x\nOptions=rw,vers=3\n",
                1,
            ),
            (
                "etc/containers/systemd/app/a.volume",
                "[Volume]\nType = nfs\nDevice=nas:/x\n",
                1,
            ),
            (
                "etc/containers/systemd/a.volume",
                "[Volume]\nType=nfs\nDevice=nas:/x\nOptions=vers=4.2\n",
                0,
            ),
            ("etc/containers/systemd/a.volume", "[Volume]\n", 0),
            ("etc/rc.local", "mount -t nfs -o vers=3 nas:/x /x\n", 1),
            (
                "etc/rc.local",
                "mount -t nfs -o vers=4 nas:/x /x\nmount -t nfs nas:/y /y\n",
                1,
            ),
            ("etc/rc.local", "mount -t nfs -o vers=4.2 nas:/x /x\n", 0),
            ("etc/rc.local", "mount -t nfs4 nas:/x /x\n", 0),
            ("etc/rc.local", "mount -t nfs srv4:/x /x\n", 1),
            ("etc/rc.local", "# mount -t nfs nas:/x /x\n", 0),
            ("etc/local.d/x.start", "mount -t nfs nas:/x /x\n", 1),
        ] {
            let (_root, machine) = machine(&[(path, text)]);
            assert_eq!(count(&machine), expected, "{path} {text}");
        }
    }

    #[test]
    fn files_of_other_programs_may_need_it() {
        let pool = "etc/libvirt/storage/nas.xml";
        let volume = "var/lib/docker/volumes/data/opts.json";
        let pam = "etc/security/pam_mount.conf.xml";
        for (path, text, expected) in [
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
            assert_eq!(count(&machine), expected, "{path} {text}");
        }
    }
}
