//! /etc/fstab.

use super::{
    files::Files,
    need::{Kind, Need},
    nfsmount::NfsMount,
    options::Use,
    table::Row,
};

pub(super) fn find(files: &Files, conf: &NfsMount) -> Vec<Need> {
    let Some(fstab) = files.read("/etc/fstab") else {
        return Vec::new();
    };
    // In the middle of a field, `#` is a character as others are.
    let lines = fstab.lines(&['#'], false).into_iter();
    let needs = lines.filter_map(|line| {
        let row = Row::of(&line.text)?;
        let kind = nfs_kind(&row)?;
        let usage = conf.usage(kind, &row.source, &row.target, &row.options);
        if usage == Use::None {
            return None;
        }
        let text = format!("{} on {} {}", row.source, row.target, usage.text());
        let need = Need::new(Kind::Fstab, text).at(line.place);
        Some(need.blocks_if(fstab.is_roots))
    });
    needs.collect()
}

/// The type of an NFS file system, also where mount(8) guesses it from the source.
fn nfs_kind(row: &Row) -> Option<&'static str> {
    let mut kinds = row.kind.split(',');
    if row.kind == "nfs4" {
        Some("nfs4")
    } else if kinds.any(|kind| kind == "nfs") || row.kind == "auto" && row.source.contains(":/") {
        Some("nfs")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{super::mounted, find};
    use crate::disable::{
        machine::fixture::machine,
        needs::{files::Files, nfsmount::NfsMount},
    };

    fn needs(files: &[(&str, &str)]) -> Vec<String> {
        let (_root, machine) = machine(files);
        let files = Files::new(&machine);
        let conf = NfsMount::read(&files, &mounted::read(&machine));
        let found = find(&files, &conf);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_fstab_may_mount_with_version_3_needs_it() {
        let fstab = "# nas:/comment /c nfs vers=3 0 0\n\
                     nas:/a#1 /a#1 nfs defaults,nfsvers=3 0 0\n\
                     nas:/b /my\\040b nfs v3,noauto 0 0\n\
                     nas:/c /c nfs vers=3,vers=4.2 0 0\n\
                     nas:/d /d nfs4 defaults 0 0\n\
                     nas:/e /e nfs\n\
                     nas:/f /f/ nfs defaults 0 0\n\
                     nas:/g /g nfs vers=3,nolock 0 0\n\
                     nas:/h /h auto vers=3 0 0\n\
                     /dev/sda /i auto vers=3 0 0\n\
                     nas:/j /j nfs x-label=#,vers=3 0 0\n";
        let files = [
            ("etc/fstab", fstab),
            ("proc/self/mounts", "nas:/f /f nfs4 rw,vers=4.2 0 0\n"),
        ];
        let found = needs(&files);
        assert_eq!(found[0], "nas:/a#1 on /a#1 with NFSv3 (/etc/fstab:2)");
        assert_eq!(found[1], "nas:/b on /my b with NFSv3 (/etc/fstab:3)");
        assert!(found[2].starts_with("nas:/e on /e with NFSv3 if the server has nothing newer"));
        assert_eq!(found[3], "nas:/h on /h with NFSv3 (/etc/fstab:9)");
        assert_eq!(found[4], "nas:/j on /j with NFSv3 (/etc/fstab:11)");
        assert_eq!(found.len(), 5, "{found:?}");
    }

    #[test]
    fn what_is_set_for_all_mounts_counts_where_one_says_nothing() {
        let fstab = ("etc/fstab", "nas:/e /e nfs\n");
        let conf = |text| ("etc/nfsmount.conf", text);
        assert_eq!(
            needs(&[fstab, conf("[ NFSMount_Global_Options ]\n Nfsvers = 3\n")]),
            ["nas:/e on /e with NFSv3 (/etc/fstab:1)"]
        );
        let newer = conf("[ NFSMount_Global_Options ]\nNfsvers=4.2\n");
        assert_eq!(needs(&[fstab, newer]), [""; 0]);
        // Of another server.
        let other = conf("[ Server \"x\" ]\nNfsvers=4.2\n");
        assert_eq!(needs(&[fstab, other]).len(), 1);
    }
}
