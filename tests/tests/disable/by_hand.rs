//! Records and machines that somebody has changed by hand between `--apply` and `--undo`.

use rpcguard_tests::lab::Finished;

use crate::container::Container;

/// Moves links as Debian's does.
const UPDATE_RC_D: &str = r#"#!/bin/sh
case $2 in
disable) for link in /etc/rc?.d/S01$1; do mv $link ${link%/*}/K01$1; done ;;
enable)
    name=$1
    shift 2
    test ! -e /tmp/fail || exit 9
    for level; do mv /etc/rc$level.d/K01$name /etc/rc$level.d/S01$name; done
    ;;
esac
"#;

const SCRIPT: &str = r#"#!/bin/sh
case $1 in
start) rpcbind -w ;;
stop) kill $(pidof rpcbind) ;;
status) pidof rpcbind ;;
esac
"#;

/// A machine with an init script that is started in the runlevels 2 and 3, and runs.
fn with_script(test: &str) -> Option<Container> {
    let machine = Container::plain_or_skip(test)?;
    machine.shell(&format!(
        "mkdir -p /tmp /etc/init.d /etc/rc2.d /etc/rc3.d
         cat >/usr/local/sbin/update-rc.d <<'END'\n{UPDATE_RC_D}END
         cat >/etc/init.d/rpcbind <<'END'\n{SCRIPT}END
         chmod 755 /usr/local/sbin/update-rc.d /etc/init.d/rpcbind
         ln -s ../init.d/rpcbind /etc/rc2.d/S01rpcbind
         ln -s ../init.d/rpcbind /etc/rc3.d/S01rpcbind
         /etc/init.d/rpcbind start"
    ));
    Some(machine)
}

fn apply(machine: &Container) -> Finished {
    machine.run(&["rpcguard", "disable", "--apply"])
}

fn undo(machine: &Container) -> Finished {
    machine.run(&["rpcguard", "disable", "--undo"])
}

fn links(machine: &Container) -> String {
    machine.shell("cd /etc; echo rc?.d/*rpcbind")
}

#[test]
fn what_was_left_is_restored_and_the_record_is_roots_alone() {
    let test = "by_hand::what_was_left_is_restored_and_the_record_is_roots_alone";
    let Some(machine) = with_script(test) else {
        return;
    };
    let before = links(&machine);
    let _ = apply(&machine).succeeded();
    assert!(!machine.listens());
    assert_eq!(
        machine.shell("stat -c '%a %U' /var/lib/rpcguard /var/lib/rpcguard/disable.json"),
        "700 root\n600 root\n"
    );
    let _ = undo(&machine).succeeded();
    assert_eq!(links(&machine), before);
    assert!(machine.listens());
}

#[test]
fn what_was_set_anew_in_the_meantime_is_left_alone_and_named() {
    let test = "by_hand::what_was_set_anew_in_the_meantime_is_left_alone_and_named";
    let Some(machine) = with_script(test) else {
        return;
    };
    let _ = apply(&machine).succeeded();
    machine.shell("mv /etc/rc3.d/K01rpcbind /etc/rc3.d/S01rpcbind");
    let by_hand = links(&machine);
    let undone = undo(&machine).succeeded();
    assert!(
        undone
            .stdout
            .contains("left as it is: rpcbind is started in the runlevels 3, not running now"),
        "{undone}"
    );
    assert_eq!(links(&machine), by_hand);
    assert!(!machine.listens());
}

#[test]
fn an_old_record_does_not_win_over_what_a_second_apply_finds() {
    let test = "by_hand::an_old_record_does_not_win_over_what_a_second_apply_finds";
    let Some(machine) = with_script(test) else {
        return;
    };
    let _ = apply(&machine).succeeded();
    // The operator wants it in runlevel 3 alone, and not at once.
    machine.shell("mv /etc/rc3.d/K01rpcbind /etc/rc3.d/S01rpcbind");
    let by_hand = links(&machine);
    let _ = apply(&machine).succeeded();
    assert_ne!(links(&machine), by_hand);
    let _ = undo(&machine).succeeded();
    assert_eq!(links(&machine), by_hand);
    assert!(!machine.listens(), "it did not run");
}

#[test]
fn an_undo_that_failed_halfway_keeps_the_record_and_can_be_repeated() {
    let test = "by_hand::an_undo_that_failed_halfway_keeps_the_record_and_can_be_repeated";
    let Some(machine) = with_script(test) else {
        return;
    };
    let before = links(&machine);
    let _ = apply(&machine).succeeded();
    machine.shell("touch /tmp/fail");
    let failed = undo(&machine).exited_with(1);
    assert!(
        failed.stderr.contains("update-rc.d rpcbind enable"),
        "{failed}"
    );
    machine.shell("test -e /var/lib/rpcguard/disable.json; rm /tmp/fail");
    let _ = undo(&machine).succeeded();
    assert_eq!(links(&machine), before);
    assert!(machine.listens());
}

#[test]
fn a_script_that_others_can_change_is_not_run() {
    let test = "by_hand::a_script_that_others_can_change_is_not_run";
    let Some(machine) = with_script(test) else {
        return;
    };
    let _ = apply(&machine).succeeded();
    machine.shell("echo 'touch /tmp/ran' >>/etc/init.d/rpcbind; chmod 777 /etc/init.d/rpcbind");
    let failed = undo(&machine).exited_with(1);
    assert!(
        failed
            .stderr
            .contains("others than root can change the script"),
        "{failed}"
    );
    machine.shell("! test -e /tmp/ran; test -e /var/lib/rpcguard/disable.json");
}
