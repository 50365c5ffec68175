//! NIS, whose clients and servers find each other through portmappers.

use super::{
    enabled,
    files::Files,
    need::{Kind, Need},
    process,
};
use crate::disable::machine::Machine;

/// Its programs, as the kernel has their names.
const PROGRAMS: [&str; 5] = [
    "ypbind",
    "ypserv",
    "rpc.yppasswdd",
    "rpc.ypxfrd",
    "yppasswdd",
];

/// Its services, under whatever starts them; Debian once had one for all.
const SERVICES: [&str; 4] = ["ypbind", "ypserv", "yppasswdd", "nis"];

/// Databases that some distributions look up in NIS by default, without any NIS.
const BY_DEFAULT: [&str; 6] = [
    "netgroup",
    "automount",
    "aliases",
    "publickey",
    "bootparams",
    "ethers",
];

pub(super) fn find(machine: &Machine, files: &Files) -> Vec<Need> {
    let running = process::of_services(machine, &PROGRAMS).map(|process| {
        let text = format!("{} runs (process {}): NIS", process.name, process.id);
        Need::new(Kind::Process, text)
    });
    let enabled = SERVICES
        .into_iter()
        .filter(|service| enabled::is_started(machine, service))
        .map(|service| {
            let text = format!("{service} is started when the machine boots: NIS");
            Need::new(Kind::Enabled, text)
        });
    let mut needs: Vec<_> = running.chain(enabled).collect();
    needs.extend(looked_up(files));
    needs
}

/// Finds the databases that nsswitch.conf(5) looks up in NIS.
fn looked_up(files: &Files) -> Vec<Need> {
    let Some(file) = files.read("/etc/nsswitch.conf") else {
        return Vec::new();
    };
    let lines = file.lines(&['#'], false).into_iter();
    let needs = lines.filter_map(|line| {
        let (database, sources) = line.text.split_once(':')?;
        let sources = sources.split('#').next()?;
        let database = database.trim();
        let is_nis = sources.split_whitespace().any(|source| match source {
            "nis" => !BY_DEFAULT.contains(&database),
            // Lines that begin with `+` take entries of NIS in.
            "compat" => {
                let file = files.read(&format!("/etc/{database}"));
                file.is_some_and(|file| file.text.lines().any(|line| line.starts_with('+')))
            }
            _ => false,
        });
        is_nis.then(|| {
            let text = format!("{database} is looked up in NIS");
            Need::new(Kind::Nsswitch, text)
                .at(line.place)
                .blocks_if(file.is_roots)
        })
    });
    needs.collect()
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::disable::{
        machine::{Machine, fixture::machine},
        needs::{files::Files, need::Need},
        process::tests::STAT,
    };

    fn of(machine: &Machine) -> Vec<Need> {
        find(machine, &Files::new(machine))
    }

    #[test]
    fn nis_is_found_running_and_enabled() {
        let stat = format!("77 {STAT}").replace("(rpcbind)", "(ypbind)");
        let network = "->net:[4026531840]";
        for (files, expected) in [
            (
                vec![
                    ("proc/self/ns/net", network),
                    ("proc/77/ns/net", network),
                    ("proc/77/stat", stat.as_str()),
                    ("proc/77/status", "Name:\typbind\nUid:\t0\t0\t0\t0\n"),
                ],
                "ypbind runs (process 77): NIS",
            ),
            (
                vec![(
                    "etc/systemd/system/multi-user.target.wants/ypserv.service",
                    "->/lib/systemd/system/ypserv.service",
                )],
                "ypserv is started when the machine boots: NIS",
            ),
            (
                vec![("etc/rc3.d/S20nis", "->../init.d/nis")],
                "nis is started when the machine boots: NIS",
            ),
            (
                vec![("etc/runlevels/default/ypbind", "->/etc/init.d/ypbind")],
                "ypbind is started when the machine boots: NIS",
            ),
            (
                vec![(
                    "etc/nsswitch.conf",
                    "netgroup: nis\nhosts: files # nis\npasswd: files nis\n",
                )],
                "passwd is looked up in NIS (/etc/nsswitch.conf:3)",
            ),
            (
                vec![
                    ("etc/nsswitch.conf", "passwd: compat\ngroup: compat\n"),
                    ("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
                    ("etc/group", "root:x:0:\n+:::\n"),
                ],
                "group is looked up in NIS (/etc/nsswitch.conf:2)",
            ),
        ] {
            let (_root, machine) = machine(&files);
            let found: Vec<_> = of(&machine).iter().map(ToString::to_string).collect();
            assert_eq!(found, [expected]);
        }
        let (_root, machine) = machine(&[
            ("etc/init.d/nis", ""),
            ("lib/systemd/system/ypbind.service", ""),
            ("etc/yp.conf", "# nothing\n"),
        ]);
        assert_eq!(of(&machine), []);
    }

    #[test]
    fn a_process_that_a_user_calls_ypbind_is_no_need() {
        let stat = format!("77 {STAT}").replace("(rpcbind)", "(ypbind)");
        for (users, count) in [
            ("0\t0\t0\t0", 1),
            ("33\t33\t33\t33", 1),
            ("65534\t65534\t65534\t65534", 0),
            // A set-user-ID program by that name.
            ("1000\t0\t0\t0", 0),
            ("", 0),
        ] {
            let (_root, machine) = machine(&[
                ("proc/self/ns/net", "->net:[1]"),
                ("proc/77/ns/net", "->net:[1]"),
                ("proc/77/stat", &stat),
                ("proc/77/status", &format!("Uid:\t{users}\n")),
            ]);
            assert_eq!(of(&machine).len(), count, "{users}");
        }
    }
}
