//! Where output goes: pipes that close early, devices that are full, logs.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, PipeReader, Read as _, pipe},
    process::{Command, Stdio},
};

use rpcguard_tests::lab::Finished;

use crate::machine::{Machine, addresses};

/// A command whose standard output nobody reads any more.
fn unread(command: &mut Command) -> Finished {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    Finished::wait_for(command.stdout(writer))
}

#[track_caller]
fn ended_quietly(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished}");
    assert_eq!(finished.stderr, "", "{finished}");
}

#[test]
fn a_closed_pipe_ends_every_command_quietly_and_when_it_is_done() {
    const TEST: &str = "a_closed_pipe_ends_every_command_quietly_and_when_it_is_done";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let unread = |arguments: &str| ended_quietly(&unread(&mut machine.command(arguments)));
    unread("attach eth0 eth1 --allow 10.0.0.0/8");
    assert_eq!(machine.programs().len(), 2);
    for arguments in [
        "status",
        "status --json",
        "allow list",
        "allow list --json",
        "deny test 10.0.0.1",
        "deny test 10.0.0.1 --json",
        "report",
        "report --json",
        "--help",
        "--version",
    ] {
        unread(arguments);
    }
    unread("set eth0 --tcp on");
    unread("allow add 10.1.0.0/16");
    let status = machine.does("status").stdout;
    assert!(status.contains("eth0: guarded in native mode: UDP and TCP port 111"));
    assert_eq!(status.matches("2 IPv4").count(), 2, "{status}");
    unread("detach --all");
    assert_eq!(machine.programs().len(), 0);
}

#[test]
fn the_head_of_a_long_list_is_all_that_is_written() {
    let Some(machine) = Machine::or_skip("the_head_of_a_long_list_is_all_that_is_written") else {
        return;
    };
    let file = machine.file("list", addresses(100_000));
    machine.does(&format!("attach eth0 --allow-file {}", file.display()));
    for (arguments, head) in [
        ("allow list", "eth0: allow list\n"),
        (
            "allow list --json",
            r#"{"schema_version":1,"interfaces":[{"name":"eth0","prefixes":["#,
        ),
    ] {
        let (reader, writer) = pipe().unwrap();
        let mut command = machine.command(arguments);
        let child = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The writing end that would keep the pipe open.
        drop(command);
        assert_eq!(start_of(reader, head.len()), head);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
    }
}

/// Reads that much, and closes the pipe.
fn start_of(mut reader: PipeReader, length: usize) -> String {
    let mut start = vec![0; length];
    reader.read_exact(&mut start).unwrap();
    String::from_utf8(start).unwrap()
}

#[test]
fn a_full_device_is_an_error() {
    let Some(machine) = Machine::or_skip("a_full_device_is_an_error") else {
        return;
    };
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let fails = |arguments: &str, words: &str| {
        let mut command = machine.command(arguments);
        let finished = Finished::wait_for(command.stdout(full())).exited_with(1);
        let space = "cannot write to standard output: No space left on device (os error 28)\n";
        assert_eq!(finished.stderr, format!("error: {words}{space}"));
    };
    // What was done is not hidden by an exit code that says that nothing was changed.
    let done = "the change is made, but could not be reported: ";
    fails("attach eth0 eth1", done);
    for arguments in [
        "status",
        "status --json",
        "allow list",
        "deny list --json",
        "allow test 10.0.0.1",
        "allow test 10.0.0.1 --json",
        "report",
        "report --json",
    ] {
        fails(arguments, "");
    }
    fails("set eth0 --tcp on --json", done);
    fails("allow add 10.0.0.0/8", done);
    fails("detach eth0 eth1", done);
    assert_eq!(machine.programs().len(), 0);
}

#[test]
fn notes_and_errors_that_nobody_can_read_stop_nothing() {
    let Some(machine) = Machine::or_skip("notes_and_errors_that_nobody_can_read_stop_nothing")
    else {
        return;
    };
    let muted = |arguments: &str| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        Finished::wait_for(machine.command(arguments).stderr(full))
    };
    let attached = muted("attach eth0 -vv --allow 10.0.0.1/8").succeeded();
    assert!(attached.stdout.starts_with("eth0: guarded"), "{attached}");
    let _ = muted("attach eth0").exited_with(1);
    let _ = muted("attach").exited_with(2);
}

#[test]
fn what_does_not_go_to_a_terminal_has_no_escape_sequences() {
    const TEST: &str = "what_does_not_go_to_a_terminal_has_no_escape_sequences";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    for arguments in [
        "attach eth0 -vv --allow 10.0.0.1/8",
        "attach eth0",
        "status -v",
        "allow list",
        "allow test 10.0.0.1",
        "set eth0 --tcp on",
        "--help",
        "attach --help",
        "attach --mode nonsense",
        "detach eth0",
    ] {
        let mut command = machine.command(arguments);
        let finished = Finished::wait_for(command.env("TERM", "xterm-256color"));
        let written = format!("{}{}", finished.stdout, finished.stderr);
        assert!(!written.is_empty());
        assert!(!written.contains('\x1b'), "{finished}");
    }
}

#[test]
fn logs_are_silent_unless_asked_for() {
    let Some(machine) = Machine::or_skip("logs_are_silent_unless_asked_for") else {
        return;
    };
    let logged = |arguments: &str, filter: Option<&str>| {
        let mut command = machine.command(arguments);
        command.env_remove("RUST_LOG");
        if let Some(filter) = filter {
            command.env("RUST_LOG", filter);
        }
        let finished = Finished::wait_for(&mut command).succeeded();
        assert!(!finished.stdout.contains("DEBUG"), "{finished}");
        finished.stderr
    };
    // Where an interface was guarded when it went, there is something to say about the next one.
    let attach_over_leftover = |options: &str, filter: Option<&str>| {
        let (add, remove) = ("link add new0 type veth", "link del new0");
        machine.host().ip(add).unwrap();
        logged("attach new0", None);
        machine.host().ip(remove).unwrap();
        machine.host().ip(add).unwrap();
        let log = logged(&format!("attach new0 {options}"), filter);
        logged("detach new0", None);
        machine.host().ip(remove).unwrap();
        log
    };
    let line =
        "[INFO  rpcguard::guard::attach] removing what is left of an earlier guard of `new0`";
    assert_eq!(attach_over_leftover("", None), "");
    assert!(attach_over_leftover("-v", None).contains(line));
    assert!(attach_over_leftover("-vv", None).contains(line));
    assert!(attach_over_leftover("", Some("info")).contains(line));
    // The variable counts for more than the option.
    assert_eq!(attach_over_leftover("-vv", Some("off")), "");
}

/// Reads what the child says until a line has the words.
fn wait_until_said(stderr: impl std::io::Read, words: &str) -> String {
    let mut said = String::new();
    let mut reader = BufReader::new(stderr);
    while !said.contains(words) {
        assert_ne!(reader.read_line(&mut said).unwrap(), 0, "only said: {said}");
    }
    said
}

#[test]
fn a_second_rpcguard_waits_for_the_first_and_can_say_who_that_is() {
    const TEST: &str = "a_second_rpcguard_waits_for_the_first_and_can_say_who_that_is";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    // Any process with the lock will do: this one holds it until its standard input ends.
    let mut holder = machine
        .host()
        .command("flock")
        .args(["/sys/fs/bpf/rpcguard", "sh", "-c", "echo locked; cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut locked = [0; 7];
    holder
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut locked)
        .unwrap();
    let before = machine.state();

    let mut second = machine
        .command("allow add 10.0.0.0/8 -v")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = wait_until_said(
        second.stderr.as_mut().unwrap(),
        "waiting for another rpcguard",
    );
    let named = format!("process {} (`", holder.id());
    assert!(said.contains("flock /sys/fs/bpf/rpcguard sh"), "{said}");
    assert!(said.contains(&named), "{said}");
    assert_eq!(machine.state(), before);
    // Looking does not wait.
    machine.does("status");

    drop(holder.stdin.take());
    let output = second.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, b"eth0: allow list: 1 added, 0 removed\n");
    assert!(holder.wait().unwrap().success());
}
