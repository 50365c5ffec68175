//! Options of a mount, as mount.nfs and the kernel read them.

/// Whether an NFS mount needs the portmapper of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Version 3, or 2, with locks of the server.
    Old,
    /// Version 4 is tried first, and 3 if the server has no 4.
    Either,
    /// Version 4, which needs no portmapper, or `nolock`: then the server's portmapper is asked
    /// when it is mounted, and that of the client never.
    None,
}

impl Use {
    /// Completes "SOURCE on TARGET".
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Old => "with NFSv3",
            Self::Either => {
                "with NFSv3 if the server has nothing newer (vers=4.2 among its options rules that out)"
            }
            Self::None => "without NFSv3, or with nolock",
        }
    }
}

/// Which version options ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 2 or 3.
    Old,
    /// 4 or later.
    New,
}

/// Splits options at their commas.
pub(super) fn split(options: &str) -> Vec<String> {
    options
        .split(',')
        .map(|option| option.trim().to_owned())
        .collect()
}

/// Judges a mount of this type with these options; `default` is the version that is tried first.
pub(super) fn usage(kind: &str, options: &[String], default: Option<Version>) -> Use {
    // Mount options of the mountd protocol, which version 4 has not, are taken for a wish for
    // version 3.
    const OLD: [&str; 5] = [
        "mounthost=",
        "mountaddr=",
        "mountvers=",
        "mountport=",
        "mountproto=",
    ];
    let asks_mountd = || {
        options
            .iter()
            .any(|option| OLD.iter().any(|name| option.starts_with(name)))
    };
    // The last one holds: nfs(5).
    let locks = options
        .iter()
        .rev()
        .find(|option| matches!(option.as_str(), "lock" | "nolock"));
    if kind == "nfs4" || locks.is_some_and(|option| option == "nolock") {
        return Use::None;
    }
    match version(options) {
        Some(Version::New) => Use::None,
        Some(Version::Old) => Use::Old,
        None if asks_mountd() || default == Some(Version::Old) => Use::Old,
        None => Use::Either,
    }
}

/// The version that options ask for.
pub(super) fn version(options: &[String]) -> Option<Version> {
    options
        .iter()
        .rev()
        .find_map(|option| match option.split_once('=') {
            Some(("vers" | "nfsvers", version)) => Some(of_number(version)),
            None => option
                .strip_prefix('v')
                .filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
                .map(of_number),
            _ => None,
        })
        .flatten()
}

/// The version that a number such as `4.2` means; none if it is a variable, for instance.
pub(super) fn of_number(version: &str) -> Option<Version> {
    let number = version.split('.').next().unwrap_or_default();
    match number.parse().ok()? {
        2_u32 | 3 => Some(Version::Old),
        4.. => Some(Version::New),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Use, Version, split, usage};

    #[test]
    fn options_are_read_as_mount_nfs_reads_them() {
        for (kind, options, expected) in [
            ("nfs", "rw,vers=3", Use::Old),
            ("nfs", "nfsvers=3", Use::Old),
            ("nfs", "v3", Use::Old),
            ("nfs", "vers=2", Use::Old),
            ("nfs", "vers=4.2", Use::None),
            ("nfs", "vers=4", Use::None),
            ("nfs", "v4.1", Use::None),
            ("nfs", "vers=3,vers=4.2", Use::None),
            ("nfs4", "defaults", Use::None),
            ("nfs", "defaults", Use::Either),
            ("nfs", "vers=$V", Use::Either),
            ("nfs", "vers=30,vers=x", Use::Either),
            ("nfs", "vers=4,mountproto=udp", Use::None),
            ("nfs", "mountproto=udp", Use::Old),
            ("nfs", "mountport=635", Use::Old),
            // The server's lock manager is not used, and calls nobody back.
            ("nfs", "vers=3,nolock", Use::None),
            ("nfs", "nolock", Use::None),
            ("nfs", "vers=3,nolock,lock", Use::Old),
            ("nfs", "vers=3,local_lock=all", Use::Old),
        ] {
            assert_eq!(usage(kind, &split(options), None), expected, "{options}");
        }
        let none = split("defaults");
        assert_eq!(usage("nfs", &none, Some(Version::Old)), Use::Old);
        assert_eq!(usage("nfs", &none, Some(Version::New)), Use::Either);
    }
}
