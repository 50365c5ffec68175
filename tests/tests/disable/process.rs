//! A portmapper that no service has started, as a last resort.

use crate::{
    container::Container,
    shut::{assert_shut, steps},
};

#[test]
fn a_process_is_ended_and_not_started_again_but_the_command_is_printed() {
    let test = "process::a_process_is_ended_and_not_started_again_but_the_command_is_printed";
    let Some(debian) = Container::plain_or_skip(test) else {
        return;
    };
    debian.shell("rpcbind -w -i");
    let id = debian.shell("pidof rpcbind");
    let applied = debian.run(&["rpcguard", "disable", "--apply"]).succeeded();
    assert_eq!(steps(&applied), [format!("kill {}", id.trim())]);
    assert_shut(&applied);
    for words in [
        "port 111 stayed shut for the 5 s that it was watched",
        "belonged to no service: what had started it may start it again",
        "nothing here keeps the next boot from starting it",
        "the portmapper does not run now",
    ] {
        assert!(
            applied.stdout.contains(words),
            "{words} is not in {applied}"
        );
    }
    assert!(!applied.stdout.contains("is disabled"), "{applied}");
    let undone = debian.run(&["rpcguard", "disable", "--undo"]).succeeded();
    assert!(
        undone.stdout.contains("rpcbind -w -i` starts it"),
        "{undone}"
    );
    assert!(!debian.listens());
    debian.shell("! pidof rpcbind; ! test -e /var/lib/rpcguard");
}

/// In another network namespace, it is somebody else's, and listens for them.
#[test]
fn the_portmapper_of_a_container_is_left_alone() {
    let test = "process::the_portmapper_of_a_container_is_left_alone";
    let Some(debian) = Container::boot_or_skip("sysv", test) else {
        return;
    };
    debian.shell(
        "rm /etc/init.d/rpcbind /etc/rc?.d/*rpcbind
         unshare --net sh -c 'ip link set lo up; rpcbind -w'",
    );
    let applied = debian.run(&["rpcguard", "disable", "--apply"]).succeeded();
    assert_eq!(steps(&applied), ["nothing was to be done"]);
    debian.shell("pidof rpcbind");
}

/// Its network is shared, and its process namespace tells that it is a container's.
#[test]
fn a_portmapper_in_a_process_namespace_of_its_own_is_left_alone() {
    let test = "process::a_portmapper_in_a_process_namespace_of_its_own_is_left_alone";
    let Some(debian) = Container::plain_or_skip(test) else {
        return;
    };
    debian.shell("unshare --pid --fork rpcbind -f -w </dev/null >/dev/null 2>&1 &");
    debian.wait_for("the port is held", || debian.listens());
    for arguments in [&["disable"][..], &["disable", "--apply"]] {
        let failed = debian
            .run(&[&["rpcguard"], arguments].concat())
            .exited_with(1);
        let said = format!("{}{}", failed.stdout, failed.stderr);
        let words = "of a container with a process namespace of its own";
        assert!(said.contains(words), "{failed}");
        assert!(!said.contains("kill "), "{failed}");
    }
    assert!(debian.listens());
}

/// What has the port and is no portmapper is named, and left alone.
#[test]
fn something_else_on_the_port_is_a_failure_that_names_it() {
    let test = "process::something_else_on_the_port_is_a_failure_that_names_it";
    let Some(debian) = Container::boot_or_skip("sysv", test) else {
        return;
    };
    debian.shell("/etc/init.d/rpcbind start; cp /sbin/rpcbind /tmp/other");
    let _ = debian.run(&["rpcguard", "disable", "--apply"]).succeeded();
    debian.shell("/tmp/other -w");
    let failed = debian
        .run(&["rpcguard", "disable", "--apply"])
        .exited_with(1);
    assert!(failed.stderr.contains("port 111 is still open"), "{failed}");
    assert!(failed.stderr.contains("UDP [::]:111"), "{failed}");
    assert!(failed.stderr.contains("/tmp/other"), "{failed}");
    debian.shell("pidof other");
}
