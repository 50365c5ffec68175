//! nfsmount.conf(5): options for all mounts, for those of a server, for that on a mount point.

use super::{
    files::Files,
    ini::{Assignment, Config},
    mounted::Mounted,
    options::{self, Use, Version},
};

/// The settings of nfsmount.conf, and the mounts of version 4.
pub(super) struct NfsMount {
    config: Config,
    /// Source and target of each file system that is mounted with version 4 now.
    newer: Vec<(String, String)>,
}

impl NfsMount {
    pub(super) fn read(files: &Files, mounted: &[Mounted]) -> Self {
        let newer = mounted.iter().filter(|mount| mount.is_new());
        let key = |mount: &Mounted| {
            let source = without_slashes(&mount.source).to_owned();
            (source, without_slashes(&mount.target).to_owned())
        };
        Self {
            config: Config::read(files, "nfsmount.conf"),
            newer: newer.map(key).collect(),
        }
    }

    /// Judges a mount with these options of its own, which have precedence.
    pub(super) fn usage(&self, kind: &str, source: &str, target: &str, own: &[String]) -> Use {
        let mut options = own.to_vec();
        let mut default = None;
        let server = source.split(':').next().unwrap_or_default();
        let target = without_slashes(target);
        for (section, argument) in [
            ("mountpoint", Some(target)),
            ("server", Some(server)),
            ("nfsmount_global_options", None),
        ] {
            let has_version = options::version(&options).is_some();
            let mut found = Vec::new();
            for assignment in self.config.section(section, argument) {
                if self.config.may_be_forgotten(&assignment) && rules_out_version_3(&assignment) {
                    continue;
                }
                if let Some(version) = default_version(&assignment) {
                    default = default.or(version);
                    continue;
                }
                let Some(option) = option(&assignment) else {
                    continue;
                };
                let says_version = options::version(std::slice::from_ref(&option)).is_some();
                let is_said = says_version && has_version || contradicts(&options, &option);
                if !is_said {
                    found.push(option);
                }
            }
            // The last one holds, and the options of the mount were there first.
            found.reverse();
            options.extend(found);
        }
        let usage = options::usage(kind, &options, default);
        // A server that agreed on version 4 before does not fall back.
        let is_new = || {
            let source = without_slashes(source);
            self.newer
                .iter()
                .any(|newer| (&*newer.0, &*newer.1) == (source, target))
        };
        if usage == Use::Either && is_new() {
            return Use::None;
        }
        usage
    }
}

/// Whether believing it could hide a need.
fn rules_out_version_3(assignment: &Assignment) -> bool {
    option(assignment).is_some_and(|option| options::usage("nfs", &[option], None) == Use::None)
}

/// `Defaultvers`, the version that is tried first; where that is 4, the older ones follow.
fn default_version(assignment: &Assignment) -> Option<Option<Version>> {
    let tag = assignment.tag.strip_prefix("default")?;
    Some(
        tag.starts_with("vers")
            .then(|| options::of_number(&assignment.value))
            .flatten(),
    )
}

/// The option that an assignment comes to; one that could hide a need counts only if root wrote it.
fn option(assignment: &Assignment) -> Option<String> {
    let Assignment { tag, value, .. } = assignment;
    let option = match &*value.to_lowercase() {
        "true" => tag.clone(),
        "false" => format!("no{tag}"),
        _ => format!("{tag}={value}"),
    };
    let hides = options::usage("nfs", std::slice::from_ref(&option), None) == Use::None;
    (assignment.is_roots || !hides).then_some(option)
}

/// Whether options say something about the same already.
fn contradicts(options: &[String], option: &str) -> bool {
    let name = |option: &str| {
        let name = option.split('=').next().unwrap_or_default().to_owned();
        name.strip_prefix("no")
            .map_or(name.clone(), ToOwned::to_owned)
    };
    options.iter().any(|other| name(other) == name(option))
}

fn without_slashes(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => path,
        trimmed => trimmed,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::options::split, NfsMount, Use};
    use crate::disable::{machine::fixture::machine, needs::files::Files};

    fn usage(conf: &str, source: &str, target: &str, options: &str) -> Use {
        let (_root, machine) = machine(&[("etc/nfsmount.conf", conf)]);
        NfsMount::read(&Files::new(&machine), &[]).usage("nfs", source, target, &split(options))
    }

    #[test]
    fn a_section_of_a_server_or_mount_point_counts_for_that_only() {
        let conf = "[ NFSMount_Global_Options ]\nNfsvers=3\n[ Server \"new\" ]\nvers=4.2\n\
                    [ MountPoint \"/local\" ]\nLock=False\n";
        for (source, target, options, expected) in [
            ("nas:/x", "/x", "rw", Use::Old),
            ("new:/x", "/x", "rw", Use::None),
            ("NEW:/x", "/x/", "rw", Use::None),
            ("nas:/x", "/local/", "rw", Use::None),
            ("nas:/x", "/local", "lock", Use::Old),
            ("nas:/x", "/x", "v4.1", Use::None),
            ("new:/x", "/x", "nfsvers=3", Use::Old),
        ] {
            assert_eq!(
                usage(conf, source, target, options),
                expected,
                "{source} {target}"
            );
        }
        let conf = "[ Server \"old\" ]\nNfsvers=3\n[ NFSMount_Global_Options ]\nvers=4\n";
        assert_eq!(usage(conf, "old:/x", "/x", ""), Use::Old);
        assert_eq!(usage(conf, "nas:/x", "/x", ""), Use::None);
    }

    #[test]
    fn all_spellings_of_a_version_count_and_a_default_is_only_where_it_begins() {
        for (setting, expected) in [
            ("Nfsvers=3", Use::Old),
            ("NFSVERS = \"3\"", Use::Old),
            ("vers='4.2'", Use::None),
            ("v3=True", Use::Old),
            ("v4.1=true", Use::None),
            ("Defaultvers=3", Use::Old),
            ("defaultvers=4", Use::Either),
            ("Defaultvers=4\nNfsvers=3", Use::Old),
            ("Mountproto=udp", Use::Old),
            ("nolock=true", Use::None),
            ("# Nfsvers=4", Use::Either),
            ("Soft=True", Use::Either),
        ] {
            let conf = format!("[ NFSMount_Global_Options ]\n{setting}\n");
            assert_eq!(usage(&conf, "nas:/x", "/x", "rw"), expected, "{setting}");
        }
        // Outside of sections nothing counts.
        assert_eq!(usage("Nfsvers=4\n", "nas:/x", "/x", ""), Use::Either);
        // Some versions of mount.nfs forget all but the last of these.
        let conf = "[ Server \"a\" ]\nvers=4\n[ Server \"b\" ]\nvers=4\n";
        assert_eq!(usage(conf, "a:/x", "/x", ""), Use::Either);
        assert_eq!(usage(conf, "b:/x", "/x", ""), Use::None);
    }

    #[test]
    fn drop_ins_and_usr_etc_are_read() {
        let global = |value: &str| format!("[ NFSMount_Global_Options ]\nvers={value}\n");
        let (_root, machine) = machine(&[
            ("usr/etc/nfsmount.conf", &global("4")),
            ("etc/nfsmount.conf.d/a.conf", &global("3")),
        ]);
        let conf = NfsMount::read(&Files::new(&machine), &[]);
        assert_eq!(conf.usage("nfs", "nas:/x", "/x", &[]), Use::Old);
    }
}
