//! OpenRC: Debian's, with Debian's init script, and with a service as OpenRC has them.

use crate::{
    container::Container,
    shut::{assert_shut, steps},
};

const TREE: &str = "openrc";

/// What openrc-run(8) makes a service of.
const SERVICE: &str = r#"#!/sbin/openrc-run
command=/sbin/rpcbind
command_args="-w -f"
command_background=true
pidfile=/run/rpcbind.pid
depend() {
    provide portmap
}
start_pre() {
    checkpath --directory --owner _rpc:root --mode 0755 /run/rpcbind
}
"#;

/// One that cannot do without.
const DEPENDENT: &str = r#"#!/sbin/openrc-run
command=/bin/sleep
command_args="1000000"
command_background=true
pidfile=/run/dependent.pid
depend() {
    need portmap
}
"#;

/// A system in which OpenRC starts nothing else: other services would set the clock, and so on.
fn debian(test: &str) -> Option<Container> {
    let container = Container::boot_or_skip(TREE, test)?;
    container.shell("cd /etc/runlevels; rm -f $(ls */* | grep -v rpcbind)");
    Some(container)
}

/// What init does when the system is booted.
fn start(container: &Container) {
    container.shell("openrc sysinit; openrc boot; openrc default");
}

/// The runlevels that it is in, and whether it runs.
fn state(container: &Container) -> (String, bool) {
    let links = container.shell("cd /etc/runlevels; ls */rpcbind || true");
    (links, container.answers())
}

fn round(mut debian: Container, level: &str) {
    start(&debian);
    debian.wait_for_answer();
    let before = state(&debian);
    assert_eq!(before, (format!("{level}/rpcbind\n"), true));

    let applied = debian.run(&["rpcguard", "disable", "--apply"]).succeeded();
    let delete = format!("rc-update delete rpcbind {level}");
    assert_eq!(steps(&applied), ["rc-service rpcbind stop", &delete]);
    assert_shut(&applied);
    let disabled = (String::new(), false);
    assert_eq!(state(&debian), disabled);

    debian.boot();
    start(&debian);
    assert_eq!(state(&debian), disabled, "booted again");
    let again = debian.run(&["rpcguard", "disable", "--apply"]).succeeded();
    assert_eq!(steps(&again), ["nothing was to be done"]);

    let undone = debian.run(&["rpcguard", "disable", "--undo"]).succeeded();
    let add = format!("rc-update add rpcbind {level}\nrc-service rpcbind start\n");
    assert!(undone.stdout.starts_with(&add), "{undone}");
    debian.wait_for_answer();
    assert_eq!(state(&debian), before);
    debian.boot();
    start(&debian);
    debian.wait_for_answer();
    assert_eq!(state(&debian), before, "booted again after it was undone");
}

#[test]
fn debians_init_script_stays_disabled_and_is_undone() {
    let test = "openrc::debians_init_script_stays_disabled_and_is_undone";
    if let Some(debian) = debian(test) {
        round(debian, "sysinit");
    }
}

#[test]
fn a_service_of_its_own_stays_disabled_and_is_undone() {
    let test = "openrc::a_service_of_its_own_stays_disabled_and_is_undone";
    if let Some(debian) = debian(test) {
        install(&debian, "rpcbind", SERVICE);
        debian.shell("rc-update delete rpcbind sysinit; rc-update add rpcbind default");
        round(debian, "default");
    }
}

#[test]
fn what_needs_it_is_named_and_comes_back_with_it() {
    let test = "openrc::what_needs_it_is_named_and_comes_back_with_it";
    let Some(debian) = debian(test) else { return };
    install(&debian, "rpcbind", SERVICE);
    install(&debian, "dependent", DEPENDENT);
    debian.shell("rc-update delete rpcbind sysinit; rc-update add dependent default");
    start(&debian);
    let dependent_runs = || {
        debian
            .run(&["rc-service", "dependent", "status"])
            .is_success()
    };
    debian.wait_for_answer();
    assert!(dependent_runs());

    let refused = debian
        .run(&["rpcguard", "disable", "--apply"])
        .exited_with(1);
    for words in [
        "dependent runs and requires it",
        "dependent in the runlevel default needs it",
    ] {
        assert!(
            refused.stderr.contains(words),
            "{words} is not in {refused}"
        );
    }
    assert!(debian.answers());

    let forced = debian
        .run(&["rpcguard", "disable", "--apply", "--force"])
        .succeeded();
    assert_shut(&forced);
    assert!(!dependent_runs(), "OpenRC stops what needs a service");
    let _ = debian.run(&["rpcguard", "disable", "--undo"]).succeeded();
    debian.wait_for_answer();
    assert!(dependent_runs());
}

/// One that cannot do without the dependent, on one line.
const SECOND: &str = r#"#!/sbin/openrc-run
command=/bin/sleep
command_args="1000001"
command_background=true
pidfile=/run/second.pid
depend() { need dependent; }
"#;

#[test]
fn what_needs_it_by_way_of_another_service_is_named_and_comes_back() {
    let test = "openrc::what_needs_it_by_way_of_another_service_is_named_and_comes_back";
    let Some(debian) = debian(test) else { return };
    install(&debian, "rpcbind", SERVICE);
    install(&debian, "dependent", DEPENDENT);
    install(&debian, "second", SECOND);
    debian.shell("rc-update delete rpcbind sysinit; rc-update add second default");
    // Not started yet: the next boot would start all three.
    let plan = debian.run(&["rpcguard", "disable"]).succeeded();
    let words = "second in the runlevel default needs it, and would start it again";
    assert!(plan.stdout.contains(words), "{plan}");
    start(&debian);
    debian.wait_for_answer();
    let runs = || debian.run(&["rc-service", "second", "status"]).is_success();
    assert!(runs());
    let forced = debian
        .run(&["rpcguard", "disable", "--apply", "--force"])
        .succeeded();
    assert!(
        forced.stderr.contains("second runs and requires it"),
        "{forced}"
    );
    assert!(!runs());
    let _ = debian.run(&["rpcguard", "disable", "--undo"]).succeeded();
    debian.wait_for_answer();
    assert!(runs());
}

fn install(container: &Container, name: &str, script: &str) {
    container.shell(&format!(
        "cat >/etc/init.d/{name} <<'END'\n{script}END\nchmod 755 /etc/init.d/{name}"
    ));
}
