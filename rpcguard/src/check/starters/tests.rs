//! Machines made of files.

use std::{fs, os::unix::fs::symlink};

use super::{Machine, starters};

const SOCKET: (&str, &str) = (
    "usr/lib/systemd/system/rpcbind.socket",
    "[Socket]\nListenStream=111\n",
);
const SERVICE: (&str, &str) = (
    "usr/lib/systemd/system/rpcbind.service",
    "[Unit]\nRequires=rpcbind.socket\n[Service]\nExecStart=/sbin/rpcbind\n",
);
const SERVER: (&str, &str) = (
    "usr/lib/systemd/system/nfs-server.service",
    "[Unit]\n# Wants=nothing.service\nRequires=network.target \\\n  proc-fs-nfsd.mount\nWants=rpcbind.socket network-online.target\n",
);
const ENABLED: (&str, &str) = (
    "etc/systemd/system/multi-user.target.wants/nfs-server.service",
    "->/lib/systemd/system/nfs-server.service",
);
const STATD: (&str, &str) = (
    "usr/lib/systemd/system/rpc-statd.service",
    "[Unit]\nRequires=nss-lookup.target rpcbind.socket\n",
);
const DEFAULT: (&str, &str) = (
    "usr/lib/systemd/system/default.target",
    "->graphical.target",
);
const GRAPHICAL: (&str, &str) = (
    "usr/lib/systemd/system/graphical.target",
    "[Unit]\nRequires=multi-user.target\n",
);

/// The chains of units of this machine: `nfs-server.service > rpcbind.socket`, with a `?` if not
/// at boot.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("->") {
            Some(target) => symlink(target, path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
    let machine = Machine::new(root.path());
    let found = starters(&machine, &["rpcbind.socket", "rpcbind.service"]);
    let line = |starter: super::Starter| {
        let arrow = if starter.at_boot { '>' } else { '?' };
        format!("{} {arrow} {}", starter.by, starter.unit)
    };
    found.into_iter().map(line).collect()
}

#[test]
fn units_that_want_a_disabled_portmapper_are_named() {
    let base = [SOCKET, SERVICE, SERVER, STATD, DEFAULT, GRAPHICAL];
    let with = |more: &[(&'static str, &'static str)]| found(&[&base[..], more].concat());
    assert_eq!(
        with(&[ENABLED]),
        [
            "nfs-server.service > rpcbind.socket",
            "rpc-statd.service ? rpcbind.socket"
        ]
    );
    assert_eq!(
        with(&[]),
        [
            "nfs-server.service ? rpcbind.socket",
            "rpc-statd.service ? rpcbind.socket"
        ]
    );
    // Through another that is enabled, a drop-in, an alias, a directory of links, an instance, a
    // timer.
    for more in [
        &[
            (
                "etc/systemd/system/multi-user.target.wants/a.service",
                "->../a.service",
            ),
            (
                "etc/systemd/system/a.service",
                "[Unit]\nBindsTo=rpc-statd.service\n",
            ),
        ][..],
        &[(
            "etc/systemd/system/multi-user.target.d/x.conf",
            "[Unit]\nUpholds=rpc-statd.service\n",
        )],
        &[
            (
                "etc/systemd/system/statd.service",
                "->/usr/lib/systemd/system/rpc-statd.service",
            ),
            (
                "run/systemd/system/basic.target.requires/statd.service",
                "->../statd.service",
            ),
        ],
        &[
            (
                "etc/systemd/system/multi-user.target.wants/a@b.service",
                "->../a@.service",
            ),
            (
                "etc/systemd/system/a@.service",
                "[Unit]\nWants=rpc-statd.service\n",
            ),
        ],
        &[
            (
                "etc/systemd/system/timers.target.wants/rpc-statd.timer",
                "->../rpc-statd.timer",
            ),
            (
                "etc/systemd/system/rpc-statd.timer",
                "[Timer]\nOnBootSec=1\n",
            ),
        ],
    ] {
        let found = with(more);
        assert!(
            found.contains(&"rpc-statd.service > rpcbind.socket".to_owned()),
            "{more:?} {found:?}"
        );
    }
}

#[test]
fn events_that_start_the_portmapper_are_named() {
    assert_eq!(
        found(&[
            SOCKET,
            SERVICE,
            (
                "usr/lib/udev/rules.d/99-x.rules",
                "ACTION==\"add\", ENV{SYSTEMD_WANTS}+=\"rpcbind.service\"\n"
            ),
            (
                "usr/share/dbus-1/system-services/x.service",
                "[D-BUS Service]\nSystemdService=rpcbind.service\n"
            ),
        ]),
        [
            "D-Bus service x.service ? rpcbind.service",
            "udev rules 99-x.rules ? rpcbind.service"
        ]
    );
}

#[test]
fn a_unit_that_opens_port_111_for_another_service_is_found() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/systemd/system");
    fs::create_dir_all(&directory).unwrap();
    for (name, text) in [
        ("rpcbind.socket", "[Socket]\nListenStream=0.0.0.0:111\n"),
        ("proxy.socket", "[Socket]\nListenDatagram=[::]:111\n"),
        (
            "other.socket",
            "[Socket]\nListenStream=1111\nListenStream=/run/x:112\n",
        ),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
    let machine = Machine::new(root.path());
    assert_eq!(
        super::other_sockets(&machine, &["rpcbind.socket"]),
        ["proxy.socket"]
    );
}

/// A unit of another name needs no unit of the portmapper's.
#[test]
fn a_unit_of_any_name_that_runs_a_portmapper_at_boot_is_named() {
    let wanted = (
        "etc/systemd/system/multi-user.target.wants/mapper.service",
        "->../mapper.service",
    );
    for (line, runs) in [
        ("ExecStart=/sbin/rpcbind -w", Some("/sbin/rpcbind")),
        (
            "ExecStart=-@/usr/sbin/rpcbind map -f",
            Some("/usr/sbin/rpcbind"),
        ),
        (
            "ExecStart=/bin/sh -c 'exec /sbin/portmap;'",
            Some("/sbin/portmap"),
        ),
        ("ExecStop=/sbin/rpcbind", None),
        ("ExecStart=/usr/bin/pkill rpcbind", None),
        ("ExecStart=/sbin/rpcbind-exporter", None),
    ] {
        let text = format!("[Service]\n{line}\n");
        let unit = ("etc/systemd/system/mapper.service", text.as_str());
        let files = [DEFAULT, GRAPHICAL, unit, wanted];
        let expected = runs.map(|program| format!("mapper.service > {program}"));
        assert_eq!(found(&files), Vec::from_iter(expected), "{line}");
        assert_eq!(found(&files[..3]), [""; 0], "it is not enabled: {line}");
    }
    // Its own units are in the table of units.
    let own = (
        "etc/systemd/system/multi-user.target.wants/rpcbind.service",
        "->/usr/lib/systemd/system/rpcbind.service",
    );
    let root = [SERVICE, own, DEFAULT, GRAPHICAL];
    let runs = found(&root);
    assert!(runs.iter().all(|line| !line.contains("/sbin/")), "{runs:?}");
}

#[test]
fn what_is_masked_starts_nothing_and_is_not_started() {
    let base = [SOCKET, SERVICE, SERVER, ENABLED, DEFAULT, GRAPHICAL];
    let masked = ("etc/systemd/system/rpcbind.socket", "->/dev/null");
    assert_eq!(found(&[&base[..], &[masked]].concat()), [""; 0]);
    let masked = ("etc/systemd/system/nfs-server.service", "->/dev/null");
    assert_eq!(found(&[&base[..], &[masked]].concat()), [""; 0]);
    // It is not installed at all.
    assert_eq!(found(&base[2..]), [""; 0]);
}

#[test]
fn units_in_a_directory_that_others_can_write_are_not_believed() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/systemd/system");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("rpcbind.socket"), "[Socket]\n").unwrap();
    fs::write(
        directory.join("x.service"),
        "[Unit]\nWants=rpcbind.socket\n",
    )
    .unwrap();
    let count = || starters(&Machine::new(root.path()), &["rpcbind.socket"]).len();
    assert_eq!(count(), 1);
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(count(), 0);
}
