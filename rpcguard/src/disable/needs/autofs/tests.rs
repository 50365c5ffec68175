use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use super::find;
use crate::disable::{
    machine::{Machine, fixture::machine},
    needs::{files::Files, need::Need, nfsmount::NfsMount},
};

fn of(machine: &Machine) -> Vec<Need> {
    let files = Files::new(machine);
    find(&files, &NfsMount::read(&files, &[]), machine)
}

fn needs(files: &[(&str, &str)]) -> Vec<String> {
    let (_root, machine) = machine(files);
    of(&machine).iter().map(ToString::to_string).collect()
}

const MASTER: (&str, &str) = (
    "etc/auto.master",
    "# x\n/home /etc/auto.home --timeout=60\n/- auto.direct\n",
);

#[test]
fn idle_maps_with_version_3_need_it() {
    let found = needs(&[
        MASTER,
        (
            "etc/auto.home",
            "# c\nold -vers=4.2 nas:/old\n* -rw,\\\n  vers=3 nas:/home/&\nb -vers=3 nas:/b\n",
        ),
        (
            "etc/auto.direct",
            "/data/x -fstype=nfs,nfsvers=3 nas:/x\n/iso -fstype=iso9660 :/dev/sr0\n",
        ),
    ]);
    assert_eq!(
        found,
        [
            "autofs mounts nas:/home/& on /home/* with NFSv3, and 1 more of this map (/etc/auto.home:3)",
            "autofs mounts nas:/x on /data/x with NFSv3 (/etc/auto.direct:1)",
        ]
    );
}

#[test]
fn options_are_those_of_the_master_map_the_entry_and_the_offset() {
    for (master, map, conf, count) in [
        ("/x /etc/auto.x vers=3", "a nas:/a", "", 1),
        ("/x /etc/auto.x -fstype=nfs4", "a -rw nas:/a", "", 0),
        ("/x /etc/auto.x -vers=4", "a -vers=3 nas:/a", "", 1),
        (
            "/x /etc/auto.x -vers=4",
            "a -rw nas:/a",
            "append_options=no",
            1,
        ),
        ("/x /etc/auto.x -vers=3", "a -vers=4.2 nas:/a", "", 0),
        (
            "/x /etc/auto.x",
            "a -vers=4 / nas:/a /b -vers=3 nas:/b",
            "",
            1,
        ),
        ("/x /etc/auto.x", "a -vers=3,nolock nas:/a", "", 0),
        (
            "/x file:/etc/auto.x",
            "a nas:/a",
            "mount_nfs_default_protocol=3",
            1,
        ),
        ("/x file,sun:auto.x", "\"a b\" \"nas:/a b\" # vers=4", "", 1),
        (
            "/x /etc/auto.x",
            "a -fstype=autofs file:/etc/auto.sub",
            "",
            1,
        ),
        ("/x auto.x", "+auto.loop\n+auto.sub", "", 1),
        // A loop of submounts, which never ends.
        ("/x auto.x", "a -fstype=autofs auto.x", "", 1),
        ("/x multi /etc/auto.y -- /etc/auto.x", "a nas:/a", "", 1),
    ] {
        let found = needs(&[
            ("etc/auto.master", master),
            ("etc/auto.x", map),
            ("etc/auto.sub", "s -v3 nas:/s\n"),
            ("etc/auto.loop", "+auto.x\n"),
            ("etc/autofs.conf", conf),
        ]);
        assert_eq!(found.len(), count, "{master} {map}: {found:?}");
    }
}

#[test]
fn what_nothing_is_said_about_may_fall_back() {
    let map = ("etc/auto.home", "a nas:/a\n");
    let found = needs(&[MASTER, map]);
    assert!(found[0].contains("on /home/a with NFSv3 if the server has nothing newer"));
    let conf = (
        "etc/autofs.conf",
        "[ autofs ]\nmount_nfs_default_protocol = 3\n",
    );
    assert!(needs(&[MASTER, map, conf])[0].contains("mount_nfs_default_protocol asks for 3"));
    let global = "[ NFSMount_Global_Options ]\nNfsvers=4.2\n";
    assert_eq!(
        needs(&[MASTER, map, ("etc/nfsmount.conf", global)]),
        [""; 0]
    );
}

#[test]
fn master_maps_include_files_directories_and_services() {
    let found = needs(&[
        (
            "etc/auto.master",
            "+dir:/etc/more\n+auto.master\n+file:/etc/auto.other\n",
        ),
        ("etc/more/a.autofs", "/a /etc/auto.map\n"),
        ("etc/more/ignored", "/ignored /etc/auto.map\n"),
        ("etc/auto.master.d/b.autofs", "/b /etc/auto.map\n"),
        ("etc/auto.other", "/c /etc/auto.map\n"),
        ("etc/auto.map", "k -vers=3 nas:/k\n"),
        (
            "etc/nsswitch.conf",
            "automount: files [NOTFOUND=continue] sss # c\n",
        ),
    ]);
    let points: Vec<_> = found
        .iter()
        .map(|need| need.split(" (").next().unwrap())
        .collect();
    assert_eq!(
        points,
        [
            "autofs mounts nas:/k on /a/k with NFSv3",
            "autofs mounts its mount points from a master map of sss, which cannot be read here and may \
             ask for NFSv3; autofs is not started here",
            "autofs mounts nas:/k on /c/k with NFSv3",
            "autofs mounts its mount points from a master map of sss, which cannot be read here and may \
             ask for NFSv3; autofs is not started here",
            "autofs mounts nas:/k on /b/k with NFSv3",
        ]
    );
}

#[test]
fn maps_that_cannot_be_read_may_need_it() {
    for (map, what) in [
        ("-hosts", "whatever a host exports"),
        ("ldap:ou=auto.home,dc=x", "of type ldap"),
        ("yp:auto.home", "of type yp"),
        ("program:/etc/auto.sh", "of type program"),
        ("exec:/etc/auto.sh", "of type exec"),
        ("/etc/auto.sh", "what the program /etc/auto.sh prints"),
        ("file,amd:/etc/auto.sh", "of type file,amd"),
        ("auto.home", "the map auto.home of ldap"),
    ] {
        let (root, machine) = machine(&[
            ("etc/auto.master", &format!("/net {map}\n/off -null\n")),
            ("etc/auto.sh", "#!/bin/sh\n"),
            ("etc/nsswitch.conf", "automount: files ldap\n"),
            (
                "etc/systemd/system/multi-user.target.wants/autofs.service",
                "->x",
            ),
        ]);
        let program = root.path().join("etc/auto.sh");
        fs::set_permissions(program, Permissions::from_mode(0o755)).unwrap();
        let found: Vec<_> = of(&machine)
            .into_iter()
            .filter(|need| need.to_string().contains("autofs mounts /net"))
            .collect();
        assert_eq!(found.len(), 1, "{map}");
        assert!(found[0].to_string().contains(what), "{}", found[0]);
        assert!(found[0].blocks());
    }
    // amd, and no automounter at all.
    let amd = ("etc/autofs.conf", "[ /amd ]\nmap_name = amd.x\n");
    assert!(needs(&[amd])[0].contains("autofs mounts /amd from a map in the format of amd"));
    assert_eq!(
        needs(&[("etc/nsswitch.conf", "automount: sss files\n")]),
        [""; 0]
    );
}

#[test]
fn options_of_the_hosts_map_rule_version_3_out() {
    for (options, count) in [
        ("", 1),
        ("-nosuid", 1),
        ("vers=3", 1),
        ("vers=4.2", 0),
        ("-rw,nolock", 0),
        ("-fstype=nfs4", 0),
    ] {
        let found = needs(&[
            ("etc/auto.master", &format!("/net -hosts {options}\n")),
            ("run/openrc/started/autofs", "->x"),
        ]);
        assert_eq!(found.len(), count, "{options}: {found:?}");
    }
}

#[test]
fn a_map_that_others_can_write_blocks_nothing() {
    let (root, machine) = machine(&[
        ("etc/auto.master", "/x /home/user/auto.x\n/y /etc/auto.y\n"),
        ("home/user/auto.x", "a -vers=3 nas:/a\n"),
        ("etc/auto.y", "b -vers=3 nas:/b\n"),
    ]);
    let user = root.path().join("home/user");
    fs::set_permissions(user, Permissions::from_mode(0o777)).unwrap();
    let blocking: Vec<_> = of(&machine).iter().map(Need::blocks).collect();
    assert_eq!(blocking, [false, true]);
}
