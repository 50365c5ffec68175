//! Processes of ordinary users that pretend to be the portmapper, and files that they could have
//! written.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::container::Container;

/// An ordinary user.
const NOBODY: u32 = 65534;

/// Calls itself rpcbind, and writes down who runs it.
const IMPOSTOR: &str = "id -u >>/tmp/ran-as
printf rpcbind >/proc/$$/comm
touch /tmp/ready
while :; do sleep 1; done
";

/// As root's, a program of an ordinary user.
fn with_impostor(test: &str) -> Option<Container> {
    let machine = Container::plain_or_skip(test)?;
    machine.shell(&format!(
        "mkdir -p /tmp && chmod 1777 /tmp
         cat >/tmp/script <<'END'\n{IMPOSTOR}END
         cp /bin/sh /tmp/rpcbind; chmod 755 /tmp/rpcbind
         touch /tmp/ran-as
         chown 65534 /tmp/rpcbind /tmp/script /tmp/ran-as"
    ));
    machine.start(NOBODY, "/tmp/rpcbind /tmp/script --as-root");
    Some(machine)
}

#[test]
fn a_command_line_of_an_ordinary_user_is_never_run_by_root_and_its_process_lives_on() {
    let test = "strangers::a_command_line_of_an_ordinary_user_is_never_run_by_root_and_its_process_lives_on";
    let Some(machine) = with_impostor(test) else {
        return;
    };
    machine.shell("rpcbind -w");
    let id = machine.shell("pgrep -u 65534 rpcbind");
    let applied = machine.run(&["rpcguard", "disable", "--apply"]).succeeded();
    assert!(
        !applied.stdout.contains(&format!("kill {}", id.trim())),
        "{applied}"
    );
    assert!(!machine.listens());
    let undone = machine.run(&["rpcguard", "disable", "--undo"]).succeeded();
    assert!(!undone.stdout.contains("/tmp/rpcbind"), "{undone}");
    assert_eq!(machine.shell("cat /tmp/ran-as"), "65534\n");
    assert_eq!(machine.shell("pgrep -u 65534 rpcbind"), id);
}

/// As aa08b07 recorded it.
#[test]
fn a_command_line_in_an_old_record_is_never_run() {
    let test = "strangers::a_command_line_in_an_old_record_is_never_run";
    let Some(machine) = with_impostor(test) else {
        return;
    };
    let stray = json!({
        "id": 4321,
        "name": "rpcbind",
        "program": "/tmp/rpcbind",
        "arguments": ["/tmp/script"],
        "started": 1,
    });
    let record = json!({
        "version": 1,
        "before": { "services": { "init": "unknown" }, "strays": [stray] },
        "begun": [{ "end": stray }],
    });
    machine.shell(&format!(
        "umask 077; mkdir -p /var/lib/rpcguard; echo '{record}' >/var/lib/rpcguard/disable.json"
    ));
    let undone = machine.run(&["rpcguard", "disable", "--undo"]).succeeded();
    assert!(undone.stdout.contains("not started again"), "{undone}");
    assert!(!undone.stdout.contains("` starts it"), "{undone}");
    assert_eq!(machine.shell("cat /tmp/ran-as"), "65534\n");
}

#[test]
fn a_process_of_an_ordinary_user_on_port_111_is_named_and_never_signalled() {
    let test = "strangers::a_process_of_an_ordinary_user_on_port_111_is_named_and_never_signalled";
    let Some(machine) = Container::plain_or_skip(test) else {
        return;
    };
    machine.shell(
        "mkdir -p /tmp && chmod 1777 /tmp
         echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
         cp /usr/bin/perl /tmp/rpcbind",
    );
    machine.start(NOBODY, &format!("/tmp/rpcbind -e '{}'", udp("rpcbind")));
    let id = machine.shell("pgrep -u 65534 rpcbind");
    for arguments in [&["disable"][..], &["disable", "--apply"]] {
        let failed = machine
            .run(&[&["rpcguard"], arguments].concat())
            .exited_with(1);
        let said = format!("{}{}", failed.stdout, failed.stderr);
        let named = format!("process {} (rpcbind, /tmp/rpcbind)", id.trim());
        assert!(said.contains(&named), "{failed}");
        assert!(said.contains(&format!("`kill {}`", id.trim())), "{failed}");
    }
    assert_eq!(machine.shell("pgrep -u 65534 rpcbind"), id);
    machine.shell("! test -e /var/lib/rpcguard");
}

#[test]
fn names_of_processes_do_not_reach_the_terminal_as_they_are() {
    let test = "strangers::names_of_processes_do_not_reach_the_terminal_as_they_are";
    let Some(machine) = Container::plain_or_skip(test) else {
        return;
    };
    machine.shell("mkdir -p /tmp /names; cp /usr/bin/perl \"$(printf '/names/\\033[31mx')\"");
    machine.start(
        0,
        &format!("/names/* -e '{}'", udp("\\x1b[2J\\x0ainnocent")),
    );
    for arguments in [&["disable"][..], &["disable", "--apply"]] {
        let failed = machine
            .run(&[&["rpcguard"], arguments].concat())
            .exited_with(1);
        let said = format!("{}{}", failed.stdout, failed.stderr);
        assert!(said.contains("\\u{1b}[2J"), "{failed}");
        assert!(said.contains("\\u{1b}[31m"), "{failed}");
        assert!(
            !said.contains('\x1b') && !said.contains("\ninnocent"),
            "{failed}"
        );
    }
}

#[test]
fn a_record_that_others_could_have_written_is_refused() {
    let test = "strangers::a_record_that_others_could_have_written_is_refused";
    let Some(machine) = Container::plain_or_skip(test) else {
        return;
    };
    let make = "rm -rf /var/lib/rpcguard /elsewhere; mkdir -m 755 -p /var/lib/rpcguard
                cd /var/lib/rpcguard
                echo '{\"version\": 1, \"before\": {\"services\": {\"init\": \"unknown\"}, \"strays\": []}}' >disable.json
                chmod 644 disable.json";
    machine.shell(make);
    let _ = machine.run(&["rpcguard", "disable", "--undo"]).succeeded();
    for (spoil, mend, hint) in [
        (
            "chown 65534 disable.json",
            "",
            "`rm /var/lib/rpcguard/disable.json`",
        ),
        (
            "chmod 666 disable.json",
            "",
            "`rm /var/lib/rpcguard/disable.json`",
        ),
        (
            "ln disable.json /elsewhere",
            "",
            "`rm /var/lib/rpcguard/disable.json`",
        ),
        (
            "mv disable.json /elsewhere; ln -s /elsewhere disable.json",
            "",
            "`rm /var/lib/rpcguard/disable.json`",
        ),
        (
            "rm disable.json; mkfifo disable.json",
            "",
            "`rm /var/lib/rpcguard/disable.json`",
        ),
        (
            "truncate -s 2M disable.json",
            "",
            "`rm /var/lib/rpcguard/disable.json`",
        ),
        ("chown 65534 .", "", "`chown root: /var/lib/rpcguard`"),
        ("chmod 1777 .", "", "`chmod go-w /var/lib/rpcguard`"),
        (
            "chmod 775 /var/lib",
            "chmod 755 /var/lib",
            "`chmod go-w /var/lib`",
        ),
        ("chown 65534 /var", "chown 0 /var", "`chown root: /var`"),
        ("chmod 777 /", "chmod 755 /", "`chmod go-w /`"),
    ] {
        machine.shell(&format!("{make}\n{spoil}"));
        let begun = Instant::now();
        let refused = machine
            .run(&["rpcguard", "disable", "--undo"])
            .exited_with(1);
        assert!(
            refused.stderr.contains("is not trusted"),
            "{spoil}: {refused}"
        );
        assert!(refused.stderr.contains(hint), "{spoil}: {refused}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{spoil}");
        machine.shell(&format!("test -e /var/lib/rpcguard; {mend}"));
    }
}

/// A program of perl that holds UDP port 111 under this name.
pub(crate) fn udp(name: &str) -> String {
    format!(
        "use Socket; socket(S, PF_INET, SOCK_DGRAM, 17) or die; \
         bind(S, sockaddr_in(111, INADDR_ANY)) or die; \
         open(F, \">/proc/self/comm\"); print F \"{name}\"; close(F); \
         open(F, \">/tmp/ready\"); close(F); sleep(600)"
    )
}
