//! systemd: Debian 12 with rpcbind and nfs-common, in a virtual machine that is booted three times, by
//! `cargo xtask vm`. What one boot has done, the next one finds.

use std::{
    env, fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Duration,
};

use rpcguard_tests::lab::{Finished, is_boot_or_skip, rpcguard_binary};

use crate::shut::{assert_shut, steps};

/// Where the state at the first boot is written down, on the disk.
const FRESH: &str = "/var/lib/fresh";

/// The same, with what was started before the portmapper was disabled.
const BEFORE: &str = "/var/lib/before";

/// How long what is being started, or stopped, may take: all is emulated.
const PATIENCE: Duration = Duration::from_secs(60);

/// A record that lasts from one boot to the next.
const RECORD: &str = "/var/lib/rpcguard/disable.json";

fn rpcguard(arguments: &[&str]) -> Finished {
    Finished::wait_for(Command::new(rpcguard_binary()).args(arguments))
}

fn run(words: &[&str]) -> Finished {
    Finished::wait_for(Command::new(words[0]).args(&words[1..]))
}

/// What systemd says about the units, and the links and files that tell it what to start.
fn state() -> String {
    let names = ["rpcbind.socket", "rpcbind.service", "portmap.service"];
    state_of(&names)
}

fn state_of(names: &[&str]) -> String {
    let properties = "--property=Id,LoadState,ActiveState,UnitFileState";
    let shown = run(&[&["systemctl", "show", properties][..], names].concat()).succeeded();
    let links = "cd /etc/systemd/system; find . -printf '%P\\n' | grep -E 'rpcbind|portmap' | sort; \
                 find . -maxdepth 1 -printf '%P %y %l\\n' | grep -E 'rpcbind|portmap' | sort";
    let links = run(&["sh", "-c", links]);
    format!("{}\n{}", shown.stdout, links.stdout)
}

fn answers() -> bool {
    run(&["rpcinfo", "-T", "tcp", "127.0.0.1", "portmapper"]).is_success()
}

#[track_caller]
fn wait_for(what: &str, condition: impl Fn() -> bool) {
    rpcguard_tests::lab::wait_for(what, PATIENCE, condition);
}

/// Nothing starts it: not its names, not what requires it, not a connection.
#[track_caller]
fn assert_off() {
    for unit in [
        "rpcbind.socket",
        "rpcbind.service",
        "portmap.service",
        "rpc-statd.service",
    ] {
        let started = run(&["systemctl", "start", unit]);
        assert!(!started.is_success(), "{unit} was started");
    }
    for unit in ["rpcbind.socket", "rpcbind.service", "portmap.service"] {
        let enabled = run(&["systemctl", "is-enabled", unit]);
        assert_eq!(enabled.stdout.trim(), "masked", "{unit}");
    }
    assert!(!answers());
    // Local address, remote address, state: TCP listens, UDP is bound.
    let listening = "cd /proc/net; \
                     grep -hE '^ *[0-9]+: [0-9A-F]+:006F [0-9A-F]+:[0-9A-F]+ 0[A7]' udp udp6 tcp tcp6";
    assert_eq!(run(&["sh", "-c", listening]).stdout, "");
}

#[test]
fn boot_1_it_is_disabled_though_a_socket_and_others_would_start_it() {
    let test = "systemd::boot_1_it_is_disabled_though_a_socket_and_others_would_start_it";
    if !is_boot_or_skip("1", test) {
        return;
    }
    wait_for("rpcbind answers", answers);
    fs::write(FRESH, state()).unwrap();

    let plan = rpcguard(&["disable"]).succeeded();
    for line in [
        "services are started by systemd\n",
        "  rpcbind.socket   enabled, active\n",
        "  systemctl disable --now rpcbind.socket rpcbind.service\n",
        "  systemctl mask rpcbind.socket rpcbind.service portmap.service\n",
    ] {
        assert!(plan.stdout.contains(line), "{line} is not in {plan}");
    }

    // What everybody tries first: the socket starts it again.
    let _ = run(&["systemctl", "stop", "rpcbind.service"]).succeeded();
    assert!(answers(), "stopping the service alone is of no avail");

    let _ = run(&["systemctl", "start", "rpc-statd.service"]).succeeded();
    let before = state_of(&[
        "rpcbind.socket",
        "rpcbind.service",
        "portmap.service",
        "rpc-statd.service",
    ]);
    fs::write(BEFORE, &before).unwrap();
    let refused = rpcguard(&["disable", "--apply"]).exited_with(1);
    for need in [
        "status is registered with it, version 1",
        "rpc-statd.service runs and requires it",
    ] {
        assert!(refused.stderr.contains(need), "{need} is not in {refused}");
    }
    assert!(answers() && !Path::new(RECORD).exists());

    let forced = rpcguard(&["disable", "--apply", "--force"]).succeeded();
    assert_eq!(
        steps(&forced),
        [
            "systemctl disable --now rpcbind.socket rpcbind.service",
            "systemctl mask rpcbind.socket rpcbind.service portmap.service",
        ]
    );
    assert_shut(&forced);
    assert_off();
    let mode = fs::metadata(RECORD).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let again = rpcguard(&["disable", "--apply"]).succeeded();
    assert_eq!(steps(&again), ["nothing was to be done"]);
}

#[test]
fn boot_2_it_is_still_off_and_comes_back_when_that_is_undone() {
    let test = "systemd::boot_2_it_is_still_off_and_comes_back_when_that_is_undone";
    if !is_boot_or_skip("2", test) {
        return;
    }
    assert_off();
    let again = rpcguard(&["disable", "--apply"]).succeeded();
    assert_eq!(steps(&again), ["nothing was to be done"]);
    assert_shut(&again);

    let undone = rpcguard(&["disable", "--undo"]).succeeded();
    assert_eq!(
        undone.stdout.lines().next(),
        Some("systemctl unmask rpcbind.socket rpcbind.service portmap.service")
    );
    assert!(answers());
    let names = [
        "rpcbind.socket",
        "rpcbind.service",
        "portmap.service",
        "rpc-statd.service",
    ];
    assert_eq!(state_of(&names), fs::read_to_string(BEFORE).unwrap());
    assert!(!Path::new(RECORD).exists());
    let again = rpcguard(&["disable", "--undo"]).succeeded();
    assert!(again.stdout.starts_with("nothing to undo"), "{again}");
    let _ = run(&["systemctl", "stop", "rpc-statd.service"]).succeeded();
}

// What follows leaves all as it finds it, after the test above.

#[test]
fn then_2_what_was_interrupted_before_it_was_disabled_is_undone() {
    let test = "systemd::then_2_what_was_interrupted_before_it_was_disabled_is_undone";
    if is_boot_or_skip("2", test) {
        interrupted("disable", "kill -9 $PPID; exit", "");
    }
}

#[test]
fn then_2_what_was_interrupted_when_it_was_disabled_is_undone() {
    let test = "systemd::then_2_what_was_interrupted_when_it_was_disabled_is_undone";
    if is_boot_or_skip("2", test) {
        interrupted("disable", "", "kill -9 $PPID");
    }
}

#[test]
fn then_2_what_was_interrupted_before_it_was_masked_is_completed_and_undone() {
    let test = "systemd::then_2_what_was_interrupted_before_it_was_masked_is_completed_and_undone";
    if is_boot_or_skip("2", test) {
        interrupted("mask", "kill -9 $PPID; exit", "");
    }
}

#[test]
fn then_2_what_was_interrupted_when_it_was_masked_is_completed_and_undone() {
    let test = "systemd::then_2_what_was_interrupted_when_it_was_masked_is_completed_and_undone";
    if is_boot_or_skip("2", test) {
        interrupted("mask", "", "kill -9 $PPID");
    }
}

/// Has rpcguard run a `systemctl` that does as it is told, but does something `first` and `last` when it is
/// told to do this.
fn interrupted(command: &str, first: &str, last: &str) {
    let before = state();
    let wrapper = tempfile::tempdir().unwrap();
    let systemctl = wrapper.path().join("systemctl");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = {command} ] || exec /bin/systemctl \"$@\"\n{first}\n\
         /bin/systemctl \"$@\"\n{last}\n"
    );
    fs::write(&systemctl, script).unwrap();
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", wrapper.path().display(), env::var("PATH").unwrap());
    let mut apply = Command::new(rpcguard_binary());
    apply.args(["disable", "--apply"]).env("PATH", path);
    let killed = Finished::wait_for(&mut apply);
    assert_eq!(killed.code, None, "killed: {killed}");
    assert!(Path::new(RECORD).exists());
    if command == "mask" {
        // The one that is not killed completes it.
        let completed = rpcguard(&["disable", "--apply"]).succeeded();
        assert_shut(&completed);
    }
    let _ = rpcguard(&["disable", "--undo"]).succeeded();
    wait_for("rpcbind answers", answers);
    assert_eq!(state(), before);
}

#[test]
fn then_2_a_unit_of_the_administrators_own_is_moved_aside_and_back() {
    let test = "systemd::then_2_a_unit_of_the_administrators_own_is_moved_aside_and_back";
    if is_boot_or_skip("2", test) {
        odd_unit(
            "cp /lib/systemd/system/rpcbind.service /etc/systemd/system; \
             systemctl reenable rpcbind.service",
            "rm /etc/systemd/system/rpcbind.service; systemctl reenable rpcbind.service",
        );
    }
}

#[test]
fn then_2_a_unit_that_was_masked_while_it_ran_runs_again_and_is_masked() {
    let test = "systemd::then_2_a_unit_that_was_masked_while_it_ran_runs_again_and_is_masked";
    if is_boot_or_skip("2", test) {
        odd_unit(
            "systemctl mask rpcbind.service",
            "systemctl unmask rpcbind.service; systemctl start rpcbind.service",
        );
    }
}

#[test]
fn then_2_a_mask_until_the_next_boot_is_restored_as_that() {
    let test = "systemd::then_2_a_mask_until_the_next_boot_is_restored_as_that";
    if is_boot_or_skip("2", test) {
        odd_unit(
            "systemctl mask --runtime rpcbind.service",
            "systemctl unmask --runtime rpcbind.service; systemctl start rpcbind.service",
        );
    }
}

#[test]
fn then_2_a_socket_that_listens_though_it_is_disabled_does_so_again() {
    let test = "systemd::then_2_a_socket_that_listens_though_it_is_disabled_does_so_again";
    if is_boot_or_skip("2", test) {
        odd_unit(
            "systemctl disable --now rpcbind.socket rpcbind.service; \
             systemctl start rpcbind.socket",
            "systemctl enable --now rpcbind.socket rpcbind.service",
        );
    }
}

#[test]
fn then_2_a_unit_that_is_linked_from_elsewhere_is_linked_again() {
    let test = "systemd::then_2_a_unit_that_is_linked_from_elsewhere_is_linked_again";
    if is_boot_or_skip("2", test) {
        odd_unit(
            "systemctl disable --now rpcbind.socket rpcbind.service; mkdir -p /opt; \
             sed s/Description=/Description=My/ /lib/systemd/system/rpcbind.service \
             >/opt/rpcbind.service; systemctl enable --now /opt/rpcbind.service",
            "systemctl disable --now rpcbind.service rpcbind.socket; \
             systemctl enable --now rpcbind.socket rpcbind.service",
        );
    }
}

/// Disables and restores what one script has set up, and another takes back.
fn odd_unit(set_up: &str, take_back: &str) {
    let shell = |script: &str| {
        let _ = run(&["sh", "-ec", script]).succeeded();
    };
    let original = state();
    shell(set_up);
    let before = state();
    assert_ne!(before, original);
    let applied = rpcguard(&["disable", "--apply"]).succeeded();
    assert_shut(&applied);
    let enabled = run(&[
        "systemctl",
        "is-enabled",
        "rpcbind.socket",
        "rpcbind.service",
    ]);
    assert_eq!(enabled.stdout, "masked\nmasked\n");
    let _ = rpcguard(&["disable", "--undo"]).succeeded();
    assert_eq!(state(), before);
    shell(take_back);
    assert_eq!(state(), original);
}

#[test]
fn boot_3_all_is_as_it_was() {
    if !is_boot_or_skip("3", "systemd::boot_3_all_is_as_it_was") {
        return;
    }
    wait_for("rpcbind answers", answers);
    assert_eq!(state(), fs::read_to_string(FRESH).unwrap());
}
