//! File systems of NFSv3 servers: its clients ask the server's portmapper for mountd, and their own
//! announces where they listen for locks.

use super::{super::machine::Machine, Need};

/// A line of fstab(5), or of /proc/mounts.
struct Mount {
    source: String,
    target: String,
    kind: String,
    options: Vec<String>,
}

/// What a mount says about its version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// 2 or 3.
    Old,
    /// 4 or later.
    New,
    Unsaid,
}

pub(super) fn find(machine: &Machine) -> Vec<Need> {
    let mounted = mounts(machine, "proc/mounts");
    let is_new_at = |target: &str| {
        mounted
            .iter()
            .any(|mount| mount.target == target && mount.version() == Version::New)
    };
    let mut needs = Vec::new();
    for mount in &mounted {
        if mount.version() == Version::Old {
            needs.push(Need::Mounted {
                source: mount.source.clone(),
                target: mount.target.clone(),
            });
        }
    }
    let default = default_version(machine);
    for mount in mounts(machine, "etc/fstab") {
        let version = match mount.version() {
            Version::Unsaid => default,
            version => version,
        };
        // What version 4 was agreed on for does not fall back.
        if version == Version::New || version == Version::Unsaid && is_new_at(&mount.target) {
            continue;
        }
        needs.push(Need::Fstab {
            source: mount.source,
            target: mount.target,
            certain: version == Version::Old,
        });
    }
    needs
}

/// Those of NFS.
fn mounts(machine: &Machine, file: &str) -> Vec<Mount> {
    machine
        .lines(file)
        .iter()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().map(unescaped);
            Some(Mount {
                source: fields.next()?,
                target: fields.next()?,
                kind: fields.next()?,
                options: fields
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .map(ToOwned::to_owned)
                    .collect(),
            })
        })
        .filter(|mount| matches!(mount.kind.as_str(), "nfs" | "nfs4"))
        .collect()
}

impl Mount {
    fn version(&self) -> Version {
        if self.kind == "nfs4" {
            return Version::New;
        }
        // The last one holds: nfs(5).
        let said = self
            .options
            .iter()
            .rev()
            .find_map(|option| match option.split_once('=') {
                Some(("vers" | "nfsvers", version)) => Some(version),
                None => option
                    .strip_prefix('v')
                    .filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit())),
                _ => None,
            });
        said.map_or(Version::Unsaid, of_number)
    }
}

fn of_number(version: &str) -> Version {
    match version.bytes().next() {
        Some(b'2' | b'3') => Version::Old,
        Some(b'4'..=b'9') => Version::New,
        _ => Version::Unsaid,
    }
}

/// What nfsmount.conf(5) prescribes for all mounts. A default is only where the search begins, which goes
/// on downwards.
fn default_version(machine: &Machine) -> Version {
    machine
        .lines("etc/nfsmount.conf")
        .iter()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| {
            let key = key.trim();
            key.eq_ignore_ascii_case("nfsvers") || key.eq_ignore_ascii_case("vers")
        })
        .map_or(Version::Unsaid, |(_, version)| of_number(version.trim()))
}

/// Blanks and the like are written as `\040`.
fn unescaped(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| first == b'\\');
        let code = digits
            .and_then(|digits| str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::super::machine::fixture::machine, find, unescaped};

    fn needs(files: &[(&str, &str)]) -> Vec<String> {
        let (_root, machine) = machine(files);
        find(&machine).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_mounted_with_version_3_needs_it() {
        let mounts = "nas:/home /home nfs rw,vers=3,proto=tcp,mountaddr=192.0.2.1 0 0\n\
                      nas:/pub /srv/my\\040pub nfs4 rw,vers=4.2 0 0\n\
                      nas:/old /old nfs rw,vers=4.1 0 0\n\
                      proc /proc proc rw 0 0\n";
        assert_eq!(
            needs(&[("proc/mounts", mounts)]),
            ["nas:/home is mounted on /home with NFSv3"]
        );
    }

    #[test]
    fn what_fstab_may_mount_with_version_3_needs_it() {
        let fstab = "# nas:/comment /c nfs vers=3 0 0\n\
                     nas:/a /a nfs defaults,nfsvers=3 0 0\n\
                     nas:/b /b nfs v3,noauto 0 0\n\
                     nas:/c /c nfs vers=3,vers=4.2 0 0\n\
                     nas:/d /d nfs4 defaults 0 0\n\
                     nas:/e /e nfs\n\
                     nas:/f /f nfs defaults 0 0\n";
        let files = [
            ("etc/fstab", fstab),
            ("proc/mounts", "nas:/f /f nfs4 rw,vers=4.2 0 0\n"),
        ];
        let found = needs(&files);
        assert_eq!(found[0], "/etc/fstab mounts nas:/a on /a with NFSv3");
        assert_eq!(found[1], "/etc/fstab mounts nas:/b on /b with NFSv3");
        assert!(found[2].starts_with("/etc/fstab mounts nas:/e on /e, with NFSv3 if"));
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn what_is_set_for_all_mounts_counts_where_one_says_nothing() {
        let fstab = ("etc/fstab", "nas:/e /e nfs\n");
        let conf = |text| ("etc/nfsmount.conf", text);
        assert_eq!(
            needs(&[fstab, conf("[ NFSMount_Global_Options ]\n Nfsvers = 3\n")]),
            ["/etc/fstab mounts nas:/e on /e with NFSv3"]
        );
        assert_eq!(needs(&[fstab, conf("Nfsvers=4.2\n")]), [""; 0]);
        assert_eq!(
            needs(&[fstab, conf("# Nfsvers=4\nDefaultvers=4\n")]).len(),
            1
        );
    }

    #[test]
    fn odd_escapes_are_left_as_they_are() {
        for (field, expected) in [
            (r"/a\040b", "/a b"),
            (r"/a\04", r"/a\04"),
            (r"/a\999", r"/a\999"),
            (r"\", r"\"),
            (r"/é\134", r"/é\"),
        ] {
            assert_eq!(unescaped(field), expected);
        }
    }
}
