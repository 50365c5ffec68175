//! Init scripts, and update-rc.d: Debian with sysvinit.

use serde_json::json;

use crate::{
    container::Container,
    shut::{assert_shut, steps},
};

const TREE: &str = "sysv";

/// A system on which init starts nothing else: other scripts would set the clock, and so on.
fn debian(test: &str) -> Option<Container> {
    let container = Container::boot_or_skip(TREE, test)?;
    container.shell(
        "rm -f $(ls /etc/rc[S0-6].d/[SK]* | grep -v rpcbind)
         touch /etc/init.d/.legacy-bootordering",
    );
    start(&container);
    Some(container)
}

/// What init does when the system is booted, into runlevel 2.
fn start(container: &Container) {
    container.shell("mkdir -p /run/sendsigs.omit.d; /lib/init/rc S; /lib/init/rc 2");
}

/// The links that start and stop it, as insserv has numbered them, and whether it runs.
fn state(container: &Container) -> (String, bool) {
    let links = container.shell("ls /etc/rc?.d/*rpcbind");
    (links, container.answers())
}

#[test]
fn what_is_disabled_stays_disabled_and_is_undone() {
    let Some(mut debian) = debian("sysv::what_is_disabled_stays_disabled_and_is_undone") else {
        return;
    };
    let before = state(&debian);
    assert!(before.0.contains("/etc/rcS.d/S") && before.1, "{before:?}");

    let plan = debian.run(&["rpcguard", "disable"]).succeeded();
    for line in [
        "  /etc/init.d/rpcbind  started in the runlevels S, running\n",
        "  /etc/init.d/rpcbind stop\n",
        "  update-rc.d rpcbind disable\n",
        "`apt-get purge rpcbind`",
    ] {
        assert!(plan.stdout.contains(line), "{line} is not in {plan}");
    }
    assert_eq!(state(&debian), before, "a plan is no deed");

    let applied = debian.run(&["rpcguard", "disable", "--apply"]).succeeded();
    assert_eq!(
        steps(&applied),
        ["/etc/init.d/rpcbind stop", "update-rc.d rpcbind disable"]
    );
    assert_shut(&applied);
    let disabled = state(&debian);
    assert!(!disabled.1 && !disabled.0.contains("/S"), "{disabled:?}");

    debian.boot();
    start(&debian);
    assert_eq!(state(&debian), disabled, "booted again");
    let plan = debian.run(&["rpcguard", "disable"]).succeeded();
    for line in [
        "nothing is to be done",
        "`rpcguard disable --undo` restores",
    ] {
        assert!(plan.stdout.contains(line), "{line} is not in {plan}");
    }
    let again = debian.run(&["rpcguard", "disable", "--apply"]).succeeded();
    assert_eq!(steps(&again), ["nothing was to be done"]);
    assert_shut(&again);

    let undone = debian.run(&["rpcguard", "disable", "--undo"]).succeeded();
    assert!(
        undone.stdout.contains("update-rc.d rpcbind enable S\n"),
        "{undone}"
    );
    assert_eq!(state(&debian), before);
    let again = debian.run(&["rpcguard", "disable", "--undo"]).succeeded();
    assert!(again.stdout.contains("nothing to undo"), "{again}");
    debian.boot();
    start(&debian);
    assert_eq!(state(&debian), before, "booted again after it was undone");
}

/// Kills rpcguard before and after each command with which it changes something.
#[test]
fn what_was_interrupted_anywhere_is_undone_or_completed() {
    let test = "sysv::what_was_interrupted_anywhere_is_undone_or_completed";
    let Some(debian) = debian(test) else { return };
    let before = state(&debian);
    for command in ["/etc/init.d/rpcbind", "/usr/sbin/update-rc.d"] {
        for when in [When::Before, When::After] {
            for then in ["--undo", "--apply"] {
                killed(&debian, "--apply", command, when);
                let finished = debian.run(&["rpcguard", "disable", then]).succeeded();
                if then == "--apply" {
                    assert_shut(&finished);
                    killed(&debian, "--undo", command, when);
                    let _ = debian.run(&["rpcguard", "disable", "--undo"]).succeeded();
                }
                assert_eq!(state(&debian), before, "{command}, {when:?}, {then}");
                debian.shell("! test -e /var/lib/rpcguard");
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum When {
    Before,
    After,
}

/// Runs rpcguard with a command in the place of one that it runs, which does the same and kills it.
#[track_caller]
fn killed(debian: &Container, option: &str, command: &str, when: When) {
    let (first, last) = match when {
        When::Before => ("kill -9 $PPID; exit", ""),
        When::After => ("", "kill -9 $PPID"),
    };
    let real = format!("/root/{}", command.replace('/', "-"));
    // A question for the status is let through.
    let script = format!(
        "#!/bin/sh
         case $* in
         start | stop | *enable* | *disable*) ;;
         *) exec {real} \"$@\" ;;
         esac
         {first}
         {real} \"$@\"
         {last}"
    );
    debian.shell(&format!(
        "mv {command} {real}
         cat >{command} <<'END'\n{script}\nEND
         chmod +x {command}
         # By its header, insserv knows its place.
         sed -n '/BEGIN INIT/,/END INIT/p' {real} >>{command}"
    ));
    let killed = debian.run(&["rpcguard", "disable", option]);
    assert_eq!(killed.code, None, "killed: {killed}");
    debian.shell(&format!(
        "mv {real} {command}; test -s /var/lib/rpcguard/disable.json"
    ));
}

#[test]
fn programs_are_told_the_same_as_people() {
    let Some(debian) = debian("sysv::programs_are_told_the_same_as_people") else {
        return;
    };
    debian.shell("echo 'nas:/home /home nfs v3' >/etc/fstab");
    let mut found = json!({
        "schema_version": 1,
        "action": "plan",
        "init": "update-rc.d",
        "services": [{
            "name": "/etc/init.d/rpcbind",
            "state": "started in the runlevels S, running",
        }],
        "processes": [],
        "needs": [{
            "kind": "fstab",
            "text": "nas:/home on /home with NFSv3 (/etc/fstab:1)",
            "place": "/etc/fstab:1",
            "reason": "NFSv3 servers ask the portmapper of their client where to call back about locks \
                       (NLM grants, SM_NOTIFY), and mounting fails without it",
            "blocks": true,
        }],
        "steps": ["/etc/init.d/rpcbind stop", "update-rc.d rpcbind disable"],
        "probes": [],
        "not_assured": [],
        "holders": [],
        "ended": [],
        "differs": [],
    });
    let plan = debian.run(&["rpcguard", "disable", "--json"]).succeeded();
    let plan = plan.json();
    let holders = &plan["holders"];
    assert_eq!(holders[0]["is_portmapper"], json!(true), "{holders}");
    assert_eq!(holders[1], json!(null), "{holders}");
    found["holders"] = holders.clone();
    assert_eq!(plan, found);

    let apply = ["rpcguard", "disable", "--apply", "--force", "--json"];
    let applied = debian.run(&apply).succeeded().json();
    let probe = |transport, address| json!({ "transport": transport, "address": address, "answer": "refused" });
    let mut expected = found;
    expected["action"] = json!("apply");
    expected["probes"] = json!([
        probe("udp", "127.0.0.1:111"),
        probe("udp", "[::1]:111"),
        probe("tcp", "127.0.0.1:111"),
        probe("tcp", "[::1]:111"),
    ]);
    assert_eq!(applied, expected);

    let undone = debian
        .run(&["rpcguard", "disable", "--undo", "--json"])
        .succeeded();
    let expected = json!({
        "schema_version": 1,
        "action": "undo",
        "init": null,
        "services": [],
        "processes": [],
        "needs": [],
        "steps": ["update-rc.d rpcbind enable S", "/etc/init.d/rpcbind start"],
        "probes": [],
        "not_assured": [],
        "holders": [],
        "ended": [],
        "differs": [],
    });
    assert_eq!(undone.json(), expected);
}

#[test]
fn who_needs_it_is_named_and_only_forced() {
    let Some(debian) = debian("sysv::who_needs_it_is_named_and_only_forced") else {
        return;
    };
    let before = state(&debian);
    debian.shell(
        "echo 'nas:/home /home nfs vers=3 0 0' >>/etc/fstab
         echo '/srv 192.0.2.0/24(ro)' >/etc/exports",
    );
    let refused = debian
        .run(&["rpcguard", "disable", "--apply"])
        .exited_with(1);
    for words in [
        "nas:/home on /home with NFSv3 (/etc/fstab:",
        "/srv is exported, and NFSv3 is not switched off in /etc/nfs.conf (/etc/exports:1)",
        "rpcguard attach IFACE --allow CIDR",
    ] {
        assert!(
            refused.stderr.contains(words),
            "{words} is not in {refused}"
        );
    }
    assert_eq!(refused.stdout, "");
    assert_eq!(state(&debian), before);
    debian.shell("! test -e /var/lib/rpcguard");
    let plan = debian.run(&["rpcguard", "disable"]).succeeded();
    assert!(
        plan.stdout.contains("\n  [nfsd]\n  vers3=n\n  udp=n\n"),
        "{plan}"
    );
    // On a host of NFSv4 alone, only the mount is left.
    debian.shell("printf '[nfsd]\\nvers3=n\\nudp=n\\n' >/etc/nfs.conf");
    let refused = debian
        .run(&["rpcguard", "disable", "--apply"])
        .exited_with(1);
    assert!(!refused.stderr.contains("/srv"), "{refused}");
    let forced = debian
        .run(&["rpcguard", "disable", "--apply", "--force"])
        .succeeded();
    assert_shut(&forced);
    assert!(
        forced.stderr.contains("is disabled all the same (--force)"),
        "{forced}"
    );
    assert!(!forced.stderr.contains("was left as it is"), "{forced}");
    // Nobody is asked twice.
    let _ = debian.run(&["rpcguard", "disable", "--apply"]).succeeded();
}

#[test]
fn somebody_who_is_not_root_may_look_and_not_touch() {
    let Some(debian) = debian("sysv::somebody_who_is_not_root_may_look_and_not_touch") else {
        return;
    };
    let before = state(&debian);
    let nobody = |option: &[&str]| {
        let words = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "rpcguard",
            "disable",
        ];
        debian.run(&[&words, option].concat())
    };
    for option in ["--apply", "--undo"] {
        let refused = nobody(&[option]).exited_with(1);
        assert!(refused.stderr.contains("not permitted to"), "{refused}");
        assert!(refused.stderr.contains("root (sudo)"), "{refused}");
    }
    let plan = nobody(&[]).succeeded();
    assert!(
        plan.stdout.contains("update-rc.d rpcbind disable"),
        "{plan}"
    );
    assert!(plan.stderr.contains("only root can see"), "{plan}");
    assert_eq!(state(&debian), before);
}
