//! The NFS server of this machine: its version 3 is nothing without a portmapper, and version 4 has no use
//! for one.

use super::{super::machine::Machine, Need};

/// Whether version 3 is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version3 {
    /// A setting says so: this one.
    On(String),
    /// A setting says that it is not: this one.
    Off(String),
    /// Nothing says anything, so it is.
    Default,
}

/// What is known about the NFS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NfsServer {
    /// Whether version 3 is switched on.
    pub version3: Version3,
    /// What is exported: each directory, and the file that says so.
    pub exports: Vec<(String, String)>,
    /// The versions that the kernel serves now, such as `3` and `4.2`.
    pub serving: Vec<String>,
}

impl NfsServer {
    /// Looks at its settings.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        Self {
            version3: version3(machine),
            exports: exports(machine),
            serving: machine
                .text("proc/fs/nfsd/versions")
                .split_whitespace()
                .filter_map(|version| version.strip_prefix('+'))
                .map(ToOwned::to_owned)
                .collect(),
        }
    }

    /// Whether anything is served, by whatever version.
    #[must_use]
    pub const fn is_in_use(&self) -> bool {
        !self.exports.is_empty() || !self.serving.is_empty()
    }

    pub(super) fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        if self.serving.iter().any(|version| version == "3") {
            needs.push(Need::Serving);
        }
        match &self.version3 {
            Version3::Off(_) => return needs,
            Version3::On(setting) => needs.push(Need::Version3(setting.clone())),
            Version3::Default => {}
        }
        let exports = self.exports.iter();
        needs.extend(exports.map(|(directory, file)| Need::Exported {
            directory: directory.clone(),
            file: file.clone(),
        }));
        needs
    }
}

/// In the order in which they are read, the last one having the last word: nfs.conf(5).
fn version3(machine: &Machine) -> Version3 {
    let mut files = vec!["etc/nfs.conf".to_owned()];
    let drop_ins = machine.names("etc/nfs.conf.d").into_iter();
    files.extend(
        drop_ins
            .filter(|name| name.ends_with(".conf"))
            .map(|name| format!("etc/nfs.conf.d/{name}")),
    );
    let mut said = Version3::Default;
    for file in files {
        let mut section = String::new();
        for line in machine.lines(&file) {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']').trim().to_lowercase();
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            if section == "nfsd" && key.trim().eq_ignore_ascii_case("vers3") {
                let value = value.trim().trim_matches('"').to_lowercase();
                let setting = format!("vers3={value} in /{file}");
                said = if matches!(value.as_str(), "n" | "no" | "0" | "f" | "false" | "off") {
                    Version3::Off(setting)
                } else {
                    Version3::On(setting)
                };
            }
        }
    }
    if said != Version3::Default {
        return said;
    }
    // As it was before nfs.conf: arguments of rpc.nfsd, on Debian and on Red Hat.
    for file in ["etc/default/nfs-kernel-server", "etc/sysconfig/nfs"] {
        let lines = machine.lines(file);
        let switched_off = lines.iter().find(|line| {
            let words = line.replace(['"', '\'', '='], " ");
            let words: Vec<_> = words.split_whitespace().collect();
            words
                .windows(2)
                .any(|pair| matches!(pair, ["-N" | "--no-nfs-version", "3"]))
                || words.contains(&"-N3")
        });
        if let Some(line) = switched_off {
            return Version3::Off(format!("{line} in /{file}"));
        }
    }
    Version3::Default
}

/// The directories of exports(5).
fn exports(machine: &Machine) -> Vec<(String, String)> {
    let mut files = vec!["etc/exports".to_owned()];
    let drop_ins = machine.names("etc/exports.d").into_iter();
    files.extend(
        drop_ins
            .filter(|name| name.ends_with(".exports"))
            .map(|name| format!("etc/exports.d/{name}")),
    );
    let mut found = Vec::new();
    for file in files {
        let mut continued = false;
        for line in machine.lines(&file) {
            let is_continuation = continued;
            continued = line.ends_with('\\');
            if is_continuation {
                continue;
            }
            let directory = match line.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next(),
                None => line.split_whitespace().next(),
            };
            let directory = directory.unwrap_or_default();
            // Others are options for what follows.
            if directory.starts_with('/') {
                found.push((directory.to_owned(), format!("/{file}")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::super::machine::fixture::machine, NfsServer, Version3};

    fn server(files: &[(&str, &str)]) -> NfsServer {
        let (_root, machine) = machine(files);
        NfsServer::of(&machine)
    }

    fn needs(files: &[(&str, &str)]) -> Vec<String> {
        let needs = server(files).needs();
        needs.iter().map(ToString::to_string).collect()
    }

    const EXPORTS: (&str, &str) = (
        "etc/exports",
        "# /srv/old *(ro)\n/srv/nfs 192.0.2.0/24(rw) \\\n  198.51.100.0/24(ro)\n\"/my pub\" *(ro)\n",
    );

    #[test]
    fn exports_need_it_unless_version_3_is_switched_off() {
        assert_eq!(
            needs(&[
                EXPORTS,
                ("etc/exports.d/a.exports", "/a *\n"),
                ("etc/exports.d/b", "/b *\n")
            ]),
            [
                "/etc/exports exports /srv/nfs, and NFSv3 is not switched off in /etc/nfs.conf",
                "/etc/exports exports /my pub, and NFSv3 is not switched off in /etc/nfs.conf",
                "/etc/exports.d/a.exports exports /a, and NFSv3 is not switched off in /etc/nfs.conf",
            ]
        );
        let off = ("etc/nfs.conf", "[nfsd]\nvers3 = n\n");
        assert_eq!(needs(&[EXPORTS, off]), [""; 0]);
        assert!(server(&[EXPORTS, off]).is_in_use());
        assert!(!server(&[off]).is_in_use());
    }

    #[test]
    fn the_last_setting_in_the_right_section_counts() {
        let version3 = |files: &[(&str, &str)]| server(files).version3;
        let conf = |text| ("etc/nfs.conf", text);
        assert_eq!(version3(&[]), Version3::Default);
        // As Debian ships it.
        assert_eq!(version3(&[conf("[nfsd]\n# vers3=y\n")]), Version3::Default);
        assert_eq!(version3(&[conf("[mountd]\nvers3=n\n")]), Version3::Default);
        assert_eq!(
            version3(&[conf("[nfsd]\nvers3=y\n")]),
            Version3::On("vers3=y in /etc/nfs.conf".to_owned())
        );
        assert_eq!(
            version3(&[
                conf("[nfsd]\nvers3=y\n"),
                ("etc/nfs.conf.d/local.conf", "[nfsd]\nvers3=no\n"),
                ("etc/nfs.conf.d/README", "[nfsd]\nvers3=y\n"),
            ]),
            Version3::Off("vers3=no in /etc/nfs.conf.d/local.conf".to_owned())
        );
        for (file, line) in [
            (
                "etc/default/nfs-kernel-server",
                "RPCNFSDOPTS=\"--no-nfs-version 3\"",
            ),
            ("etc/sysconfig/nfs", "RPCNFSDARGS='-N 2 -N 3'"),
        ] {
            let expected = Version3::Off(format!("{line} in /{file}"));
            assert_eq!(version3(&[(file, line)]), expected);
        }
    }

    #[test]
    fn what_the_kernel_serves_now_counts_whatever_the_files_say() {
        let files = [
            ("proc/fs/nfsd/versions", "-2 +3 +4 +4.1 +4.2\n"),
            ("etc/nfs.conf", "[nfsd]\nvers3=n\n"),
        ];
        assert_eq!(
            needs(&files),
            ["the NFS server serves NFSv3 now (/proc/fs/nfsd/versions)"]
        );
        assert_eq!(needs(&[("proc/fs/nfsd/versions", "-2 -3 +4\n")]), [""; 0]);
    }
}
