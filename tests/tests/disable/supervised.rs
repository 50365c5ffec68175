//! Portmappers that something starts again a second after they were ended.

use crate::container::Container;

/// Starts it again, and again.
const LOOP: &str = "touch /tmp/ready\nwhile :; do rpcbind -f -w; sleep 1; done\n";

#[track_caller]
fn assert_named(machine: &Container, parent: &str, hint: &str) {
    machine.wait_for("the port is held", || machine.listens());
    let failed = machine
        .run(&["rpcguard", "disable", "--apply"])
        .exited_with(1);
    assert!(failed.stderr.contains("and is back: process"), "{failed}");
    assert!(failed.stderr.contains(parent), "{failed}");
    assert!(failed.stderr.contains(hint), "{failed}");
    assert!(!failed.stdout.contains("is disabled"), "{failed}");
}

#[test]
fn a_shell_loop_that_starts_it_again_is_named() {
    let test = "supervised::a_shell_loop_that_starts_it_again_is_named";
    let Some(machine) = Container::plain_or_skip(test) else {
        return;
    };
    machine.shell(&format!(
        "mkdir -p /tmp; cat >/root/loop <<'END'\n{LOOP}END"
    ));
    machine.start(0, "sh /root/loop");
    let id = machine.shell("pgrep -f '^sh /root/loop'");
    let id = id.trim();
    assert_named(
        &machine,
        &format!("started by process {id} (sh, /"),
        &format!("`kill {id}`"),
    );
    // The commands that it prints help.
    machine.shell(&format!("kill {id}"));
    let _ = machine.run(&["rpcguard", "disable", "--apply"]).succeeded();
    assert!(!machine.listens());
}

#[test]
fn a_runsv_that_starts_it_again_is_named_with_the_commands_that_stop_it() {
    let test = "supervised::a_runsv_that_starts_it_again_is_named_with_the_commands_that_stop_it";
    let Some(machine) = Container::plain_or_skip(test) else {
        return;
    };
    machine.shell(&format!(
        "mkdir -p /tmp /etc/sv/portmapper /etc/service
         ln -s /etc/sv/portmapper /etc/service/portmapper
         (echo '#!/bin/sh'; cat) >/usr/local/bin/runsv <<'END'\ncd /etc/sv/portmapper\n{LOOP}END
         chmod +x /usr/local/bin/runsv"
    ));
    machine.start(0, "runsv portmapper");
    assert_named(
        &machine,
        "(runsv, ",
        "`sv down /etc/sv/portmapper && rm /etc/service/portmapper`",
    );
}
