//! Settings that need the portmapper, or do not, on a Debian system with the real one.

use crate::container::Container;

/// Settings, and the need that `disable` must show, or none.
const SETTINGS: [(&str, Option<&str>); 18] = [
    (
        "echo '/home /etc/auto.home' >/etc/auto.master; echo '* -vers=3 nas:/home/&' >/etc/auto.home",
        Some("autofs mounts nas:/home/& on /home/* with NFSv3 (/etc/auto.home:1)"),
    ),
    (
        "echo '+dir:/etc/auto.master.d' >/etc/auto.master; mkdir /etc/auto.master.d
         echo '/- /etc/auto.direct' >/etc/auto.master.d/x.autofs
         printf '/x \\\\\\n -vers=3 nas:/x\\n' >/etc/auto.direct",
        Some("autofs mounts nas:/x on /x with NFSv3 (/etc/auto.direct:1)"),
    ),
    (
        "echo '/home /etc/auto.home' >/etc/auto.master; echo '* -vers=4.2 nas:/home/&' >/etc/auto.home",
        None,
    ),
    (
        "printf '[Mount]\\nWhat=nas:/x\\nWhere=/x\\nType=nfs\\nOptions=vers=3\\n' >/etc/systemd/system/x.mount",
        Some("nas:/x on /x with NFSv3; the unit is not enabled (/etc/systemd/system/x.mount:5)"),
    ),
    (
        "mkdir /etc/pve; printf 'nfs: x\\n\\tserver nas\\n\\texport /x\\n\\toptions vers=3\\n' >/etc/pve/storage.cfg",
        Some("nas:/x on /mnt/pve/x with NFSv3, as storage `x` of Proxmox VE (/etc/pve/storage.cfg:4)"),
    ),
    (
        "printf '[ NFSMount_Global_Options ]\\nvers=3\\n[ Server \"x\" ]\\nvers=4\\n' >/etc/nfsmount.conf
         echo 'nas:/x /x nfs rw' >/etc/fstab",
        Some("nas:/x on /x with NFSv3 (/etc/fstab:1)"),
    ),
    (
        "printf '[ Server \"x\" ]\\nvers=4\\n' >/etc/nfsmount.conf; echo 'nas:/x /x nfs rw' >/etc/fstab",
        Some("nas:/x on /x with NFSv3 if the server has nothing newer"),
    ),
    (
        "echo 'nas:/x#1 /x nfs rw,vers=3' >/etc/fstab",
        Some("nas:/x#1 on /x with NFSv3 (/etc/fstab:1)"),
    ),
    ("echo 'nas:/x /x nfs vers=3,nolock' >/etc/fstab", None),
    ("echo '/srv *(ro)' >/etc/exports", Some("/srv is exported, and NFSv3")),
    (
        "echo '/srv *(ro)' >/etc/exports; printf '[nfsd]\\nvers3='\"'n'\"'\\n' >/etc/nfs.conf",
        None,
    ),
    (
        "echo '/srv *(ro)' >/etc/exports; mkdir -p /usr/etc
         printf '[environment]\\ninclude=/etc/sysconfig/nfs\\n[nfsd]\\nvers3=$V3\\n' >/usr/etc/nfs.conf
         mkdir /etc/sysconfig; echo 'V3=\"no\"' >/etc/sysconfig/nfs",
        None,
    ),
    (
        "echo '/srv *(ro)' >/etc/exports
         printf '[nfsd]\\nvers3=y\\ninclude=-nfs.conf.local\\n' >/etc/nfs.conf; echo vers3=n >/etc/nfs.conf.local",
        None,
    ),
    (
        "echo '/srv *(ro)' >/etc/exports; echo 'RPCNFSDOPTS=\"-N 3\"' >/etc/default/nfs-kernel-server",
        None,
    ),
    ("printf '[nfsd]\\nvers3=y\\n' >/etc/nfs.conf", None),
    // Things that users can do themselves, which may be shown and stop nothing.
    (
        "cp /bin/sleep /tmp/ypbind; setpriv --reuid=65534 --regid=65534 --clear-groups /tmp/ypbind 600 \
         >/dev/null 2>&1 & sleep 0.3; pidof ypbind",
        None,
    ),
    (
        "mkdir -p /home/user; chmod 777 /home/user; echo '/x /home/user/auto.x' >/etc/auto.master
         echo 'x -vers=3 nas:/x' >/home/user/auto.x",
        None,
    ),
    ("rm -f /etc/fstab; mkfifo /etc/fstab /etc/nfs.conf", None),
];

/// Makes it as it was before any of the settings.
const RESET: &str = "rm -rf /etc/auto.* /etc/systemd/system/x.mount /etc/pve /etc/nfsmount.conf \
                     /etc/exports /etc/nfs.conf* /usr/etc /etc/sysconfig /etc/fstab \
                     /etc/default/nfs-kernel-server /home/user
                     touch /etc/fstab";

#[test]
fn settings_need_the_portmapper_or_do_not() {
    let test = "needs::settings_need_the_portmapper_or_do_not";
    let Some(debian) = Container::boot_or_skip("sysv", test) else {
        return;
    };
    debian.shell("/etc/init.d/rpcbind start");
    debian.wait_for_answer();
    for (settings, need) in SETTINGS {
        debian.shell(RESET);
        debian.shell(settings);
        let plan = debian.run(&["rpcguard", "disable"]).succeeded();
        let nobody = "nobody needs it, as far as can be seen here\n";
        assert!(
            plan.stdout.contains(need.unwrap_or(nobody)),
            "{settings}\n{plan}"
        );
        assert_eq!(
            plan.stdout.contains(nobody),
            need.is_none(),
            "{settings}\n{plan}"
        );
        assert_eq!(plan.stdout.contains(" --force"), need.is_some(), "{plan}");
    }
}
