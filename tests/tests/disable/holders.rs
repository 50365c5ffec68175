//! A holder of port 111 that is no portmapper is named, with the step that frees it.

use std::process::{Child, Stdio};

use serde_json::json;

use crate::{container::Container, strangers::udp};

#[test]
fn a_proxy_of_a_container_is_named_with_the_step_that_frees_the_port() {
    let test = "holders::a_proxy_of_a_container_is_named_with_the_step_that_frees_the_port";
    let Some(machine) = Container::plain_or_skip(test) else {
        return;
    };
    machine.shell("mkdir -p /tmp; cp /usr/bin/perl /usr/bin/docker-proxy");
    machine.start(0, &format!("docker-proxy -e '{}'", udp("docker-proxy")));
    let id = machine.shell("pgrep docker-proxy");
    let id = id.trim();
    for arguments in [&["disable"][..], &["disable", "--apply"]] {
        let failed = machine
            .run(&[&["rpcguard"], arguments].concat())
            .exited_with(1);
        let said = format!("{}{}", failed.stdout, failed.stderr);
        for words in [
            "UDP 0.0.0.0:111: ",
            &format!("process {id} (docker-proxy, /usr/bin/docker-proxy)"),
            "`docker ps --filter publish=111`",
        ] {
            assert!(said.contains(words), "{words} is not in {failed}");
        }
    }
    let plan = machine
        .run(&["rpcguard", "disable", "--json"])
        .exited_with(1)
        .json();
    let holder = &plan["holders"][0];
    assert_eq!(holder["program"], json!("/usr/bin/docker-proxy"));
    assert_eq!(holder["is_portmapper"], json!(false));
    machine.shell(&format!("kill {id}"));
    machine.wait_for("the port is free", || !machine.listens());
    let _ = machine.run(&["rpcguard", "disable"]).succeeded();
}

/// Ends a process of the test's own.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_holder_outside_of_the_process_namespace_could_not_be_told() {
    let test = "holders::a_holder_outside_of_the_process_namespace_could_not_be_told";
    let Some(machine) = Container::plain_or_skip(test) else {
        return;
    };
    machine.shell("mkdir -p /tmp");
    // In its network and files, but with a number outside.
    let mut command = std::process::Command::new("nsenter");
    command
        .args([
            "--target",
            machine.first_process(),
            "--net",
            "--mount",
            "--root",
        ])
        .args(["perl", "-e", &udp("perl")])
        .stdout(Stdio::null());
    let _holder = Ended(command.spawn().unwrap());
    machine.wait_for("the port is held", || machine.listens());
    for arguments in [&["disable"][..], &["disable", "--apply"]] {
        let failed = machine
            .run(&[&["rpcguard"], arguments].concat())
            .exited_with(1);
        let said = format!("{}{}", failed.stdout, failed.stderr);
        assert!(said.contains("could not be told"), "{failed}");
        assert!(!said.contains("kernel"), "{failed}");
    }
}

/// The answer of systemctl on a machine with units of these properties.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >>/tmp/asked
case $* in
"show --property=Id,Listen"*)
    printf 'Id=mine.socket\nListen=0.0.0.0:111 (Datagram)\nActiveState=active\n\n'
    printf 'Id=many.socket\nListen=[::]:53 (Datagram)\nListen=[::]:111 (Datagram)\nActiveState=active\n'
    ;;
"show --property=Id,LoadState"*)
    shift 3
    for unit; do
        case $unit in
        mine.socket) echo "Id=$unit
LoadState=loaded
ActiveState=active
UnitFileState=enabled" ;;
        *) echo "Id=$unit
LoadState=not-found
ActiveState=inactive
UnitFileState=" ;;
        esac
        echo
    done
    ;;
esac
"#;

#[test]
fn a_socket_unit_of_any_name_is_disabled_unless_it_has_other_ports() {
    let test = "holders::a_socket_unit_of_any_name_is_disabled_unless_it_has_other_ports";
    let Some(machine) = Container::plain_or_skip(test) else {
        return;
    };
    machine.shell(&format!(
        "mkdir -p /tmp /run/systemd/system
         cat >/usr/local/bin/systemctl <<'END'\n{SYSTEMCTL}END
         chmod +x /usr/local/bin/systemctl"
    ));
    let plan = machine.run(&["rpcguard", "disable"]).exited_with(1);
    assert!(
        plan.stdout
            .contains("systemctl disable --now mine.socket\n"),
        "{plan}"
    );
    assert!(
        plan.stdout.contains("systemctl mask mine.socket\n"),
        "{plan}"
    );
    assert!(!plan.stdout.contains("mask many.socket"), "{plan}");
    assert!(
        plan.stdout
            .contains("many.socket listens on port 111 and on other ports as well"),
        "{plan}"
    );
}

#[test]
fn a_systemctl_that_never_answers_is_not_waited_for() {
    let test = "holders::a_systemctl_that_never_answers_is_not_waited_for";
    let Some(machine) = Container::plain_or_skip(test) else {
        return;
    };
    machine.shell(
        "mkdir -p /tmp /run/systemd/system
         printf '#!/bin/sh\\nsleep 100\\n' >/usr/local/bin/systemctl
         chmod +x /usr/local/bin/systemctl",
    );
    let begun = std::time::Instant::now();
    let failed = machine.run(&["rpcguard", "disable"]).exited_with(1);
    assert!(failed.stderr.contains("does not end within"), "{failed}");
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
