//! Storage of Proxmox VE, which it mounts by itself.

use std::fs;

use super::{
    files::{Files, Line, Text},
    need::{Kind, Need},
    nfsmount::NfsMount,
    options::{self, Use},
};
use crate::disable::machine::Machine;

/// A stanza: `TYPE: NAME`, and indented below it what is set.
struct Storage {
    name: String,
    place: String,
    settings: Vec<(String, String)>,
}

pub(super) fn find(files: &Files, conf: &NfsMount, machine: &Machine) -> Vec<Need> {
    let Some(file) = files.read("/etc/pve/storage.cfg") else {
        return Vec::new();
    };
    // The kernel's own, which answers at once.
    let host = fs::read_to_string(machine.path("proc/sys/kernel/hostname")).unwrap_or_default();
    let node = host.split(['.', '\n']).next().unwrap_or_default();
    let storages = storages(&file).into_iter();
    storages
        .filter_map(|storage| storage.need(conf, node))
        .map(|need| need.blocks_if(file.is_roots))
        .collect()
}

/// The NFS storages.
fn storages(file: &Text) -> Vec<Storage> {
    let mut storages: Vec<Storage> = Vec::new();
    let mut is_nfs = false;
    for Line { text, place } in file.lines(&['#'], false) {
        // `export` and `server` have no colon in their names.
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
        if let Some(kind) = first.strip_suffix(':') {
            is_nfs = kind == "nfs";
            if is_nfs {
                storages.push(Storage {
                    name: rest.trim().to_owned(),
                    place,
                    settings: Vec::new(),
                });
            }
        } else if let Some(storage) = storages.last_mut().filter(|_| is_nfs) {
            if first == "options" {
                storage.place = place;
            }
            storage
                .settings
                .push((first.to_owned(), rest.trim().to_owned()));
        }
    }
    storages
}

impl Storage {
    fn need(&self, conf: &NfsMount, node: &str) -> Option<Need> {
        let setting = |name: &str| {
            let mut settings = self.settings.iter();
            settings
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.as_str())
        };
        let nodes = setting("nodes");
        let is_here = nodes.is_none_or(|nodes| {
            nodes
                .split([',', ';', ' '])
                .any(|other| other.trim() == node)
        });
        if !is_here {
            return None;
        }
        let server = setting("server").unwrap_or_default();
        let server = if server.contains(':') {
            format!("[{server}]")
        } else {
            server.to_owned()
        };
        let source = format!("{server}:{}", setting("export").unwrap_or_default());
        let own = format!("/mnt/pve/{}", self.name);
        let target = setting("path").unwrap_or(&own);
        let options = options::split(setting("options").unwrap_or_default());
        let usage = conf.usage("nfs", &source, target, &options);
        let is_disabled = setting("disable").is_some_and(|value| value != "0");
        let note = if is_disabled { "; it is disabled" } else { "" };
        let text = format!(
            "{source} on {target} {}, as storage `{}` of Proxmox VE{note}",
            usage.text(),
            self.name
        );
        let need = Need::new(Kind::Storage, text).at(&self.place);
        (usage != Use::None).then(|| need.blocks_if(!is_disabled))
    }
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::disable::{
        machine::fixture::machine,
        needs::{files::Files, mounted, nfsmount::NfsMount},
    };

    #[test]
    fn proxmox_storage_needs_it_on_its_nodes() {
        let storage = "dir: local\n\tpath /var/lib/vz\n\noptions vers=3\n\n\
            nfs: three\n\tpath /mnt/pve/three\n\tserver 192.0.2.1\n\texport /srv\n\toptions soft,vers=3\n\n\
            nfs: four\n\tserver 192.0.2.1\n\texport /four\n\toptions vers=4.2\n\n\
            nfs: any\n\tserver 192.0.2.1\n\texport /any\n\tnodes pve1,pve2\n\n\
            nfs: agreed\n\tserver 192.0.2.1\n\texport /agreed\n\n\
            nfs: elsewhere\n\tserver 192.0.2.1\n\texport /any\n\tnodes pve1\n\n\
            nfs: off\n\tdisable\n\tserver 192.0.2.1\n\texport /off\n\toptions vers=3\n\n\
            cifs: smb\n\tserver 192.0.2.1\n\toptions vers=3.0\n";
        let (_root, machine) = machine(&[
            ("etc/pve/storage.cfg", storage),
            ("proc/sys/kernel/hostname", "pve2\n"),
            (
                "proc/self/mounts",
                "192.0.2.1:/agreed /mnt/pve/agreed nfs4 rw,vers=4.2 0 0\n",
            ),
        ]);
        let files = Files::new(&machine);
        let needs = find(
            &files,
            &NfsMount::read(&files, &mounted::read(&machine)),
            &machine,
        );
        let blocking: Vec<_> = needs.iter().map(super::Need::blocks).collect();
        assert_eq!(blocking, [true, true, false]);
        let texts: Vec<_> = needs.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts[0],
            "192.0.2.1:/srv on /mnt/pve/three with NFSv3, as storage `three` of Proxmox VE \
             (/etc/pve/storage.cfg:10)"
        );
        assert!(texts[1].starts_with("192.0.2.1:/any on /mnt/pve/any with NFSv3 if the server"));
        assert!(texts[2].contains("it is disabled"));
    }
}
