//! `rpcguard attach --confirm`, and `rpcguard confirm`.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStderr, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{machine::Machine, tty::Tty};

/// How long anything may take that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longer than it takes to react to what is no confirmation.
const MOMENT: Duration = Duration::from_millis(500);

/// An `attach --confirm` that waits.
struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

/// What it came to.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Waiting {
    #[track_caller]
    fn start(machine: &Machine, arguments: &str) -> Self {
        Self::with(&mut machine.command(arguments))
    }

    #[track_caller]
    fn with(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("guarding eth") {
            line.clear();
            let length = stderr.read_line(&mut line).unwrap();
            assert_ne!(length, 0, "it ended with {:?}", child.wait());
        }
        assert!(line.contains("`rpcguard confirm`"), "{line}");
        Self { child, stderr }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn waits(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    #[track_caller]
    fn ended(mut self) -> Ended {
        let started = Instant::now();
        while self.waits() {
            if started.elapsed() > PATIENCE {
                self.signal(Signal::SIGKILL);
                panic!("it goes on waiting");
            }
            thread::sleep(Duration::from_millis(5));
        }
        let code = self.child.wait().unwrap().code();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let mut out = self.child.stdout.take().unwrap();
        out.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        Ended {
            code,
            stdout,
            stderr,
        }
    }

    /// Waits until it has given up, saying why.
    #[track_caller]
    fn gave_up(self, why: &str) {
        let Ended {
            code,
            stdout,
            stderr,
        } = self.ended();
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.contains(&format!("error: {why}")), "{stderr}");
    }
}

/// Waits for the kernel to have taken off all programs.
#[track_caller]
fn expect_no_program(machine: &Machine) {
    let started = Instant::now();
    while !machine.programs().is_empty() {
        assert!(started.elapsed() < PATIENCE, "{:?}", machine.programs());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn another_session_confirms_what_it_has_looked_at_and_changed() {
    const TEST: &str = "another_session_confirms_what_it_has_looked_at_and_changed";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let waiting = Waiting::start(&machine, "attach eth0 --allow 10.0.0.0/8 --confirm 600");
    let status = machine.does("status").stdout;
    assert!(status.contains("UNCONFIRMED: `rpcguard confirm eth0`"));
    let holder = format!("process {} (`", waiting.child.id());
    assert!(status.contains(&holder), "{status}");
    let before = machine.does("status --json").json();
    assert_eq!(before["interfaces"][0]["confirmed"], false, "{before}");
    assert_ne!(before["interfaces"][0]["link_id"], 0, "{before}");
    machine.does("allow add 192.0.2.7");
    machine.call_portmapper([10, 1, 2, 3], 40);

    let confirmed = machine.does("confirm").stdout;
    assert_eq!(
        confirmed,
        "eth0: guarded in native mode: UDP port 111, allowed from 2 prefixes only\n"
    );
    let ended = waiting.ended();
    assert_eq!((ended.code, ended.stdout), (Some(0), confirmed));
    let mut after = machine.does("status --json").json();
    let guard = &mut after["interfaces"][0];
    assert_eq!(guard["confirmed"], true);
    assert_eq!(guard["counters"]["allowed"]["packets"], 1);
    assert_eq!(guard["link_id"], before["interfaces"][0]["link_id"]);
    assert!(!machine.does("status").stdout.contains("UNCONFIRMED"));
    machine.does("detach eth0");
    assert!(machine.state().is_clean());
}

#[test]
fn enter_confirms_unless_it_was_pressed_before_there_was_something_to_confirm() {
    const TEST: &str = "enter_confirms_unless_it_was_pressed_before_there_was_something_to_confirm";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let mut tty = Tty::run(&machine, "attach eth0 --confirm 600", (80, 24));
    tty.press("\r\r");
    tty.wait_for(0, "press Enter");
    // Nor does the end of the input.
    tty.press("\x04");
    thread::sleep(MOMENT);
    assert!(!tty.has_ended());
    assert!(machine.does("status").stdout.contains("UNCONFIRMED"));
    tty.press("\x03");
    assert_eq!(tty.ended().code(), Some(1));
    tty.wait_for(0, "error: interrupted before it was confirmed");
    assert!(machine.state().is_clean());

    let mut tty = Tty::run(&machine, "attach eth0 --confirm 600", (80, 24));
    tty.wait_for(0, "press Enter");
    tty.press("y\r");
    assert_eq!(tty.ended().code(), Some(0));
    tty.wait_for(0, "eth0: guarded in native mode");
    assert!(!machine.does("status").stdout.contains("UNCONFIRMED"));
    machine.does("detach eth0");
}

#[test]
fn what_nobody_confirms_is_detached_when_the_time_is_up() {
    const TEST: &str = "what_nobody_confirms_is_detached_when_the_time_is_up";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let started = Instant::now();
    let waiting = Waiting::start(&machine, "attach eth0 eth1 --confirm 2 --json");
    assert_eq!(machine.programs().len(), 2);
    // A process that is stopped would not give up.
    waiting.signal(Signal::SIGTSTP);
    waiting.gave_up("not confirmed within 2 s: `eth0 eth1` are not guarded any more\nhint: ");
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert!(machine.state().is_clean());
    machine
        .refuses("confirm")
        .exited_with(1)
        .saying("no interface of this network namespace is guarded");
}

#[test]
fn lines_that_nobody_typed_confirm_nothing() {
    const TEST: &str = "lines_that_nobody_typed_confirm_nothing";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let mut command = machine.command("attach eth0 --confirm 1");
    let mut waiting = Waiting::with(command.stdin(Stdio::piped()));
    let mut input = waiting.child.stdin.take().unwrap();
    input.write_all(b"\ny\n").unwrap();
    drop(input);
    waiting.gave_up("not confirmed within 1 s: `eth0` is not guarded any more");
    assert!(machine.state().is_clean());
}

#[test]
fn signals_detach_and_leave_nothing() {
    const TEST: &str = "signals_detach_and_leave_nothing";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGQUIT,
    ] {
        let waiting = Waiting::start(&machine, "attach eth0 --confirm 600");
        waiting.signal(signal);
        waiting.gave_up("interrupted before it was confirmed");
        assert!(machine.state().is_clean(), "{signal}");
    }
}

#[test]
fn the_kernel_detaches_when_the_process_is_killed() {
    const TEST: &str = "the_kernel_detaches_when_the_process_is_killed";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let kill = |arguments: &str| {
        let waiting = Waiting::start(&machine, arguments);
        assert!(!machine.programs().is_empty());
        waiting.signal(Signal::SIGKILL);
        assert_eq!(waiting.ended().code, None);
        expect_no_program(&machine);
        let status = machine.does("status").stdout;
        assert!(status.contains("eth0: not guarded"), "{status}");
        let confirm = machine.refuses("confirm").exited_with(1);
        confirm.saying("no guard of this network namespace waits");
        machine
            .refuses("confirm eth0")
            .exited_with(1)
            .saying("`eth0` is not guarded");
    };
    kill("attach eth0 --confirm 600");
    machine.does("detach eth0");
    assert!(machine.state().is_clean());
    kill("attach eth0 eth1 --confirm 600 --rate 5/s");
    // Whoever attaches takes the place of what is left.
    machine.does("attach eth0 eth1");
    machine.does("detach --all");
    assert!(machine.state().is_clean());
}

#[test]
fn an_interface_waits_for_one_attach_at_a_time() {
    const TEST: &str = "an_interface_waits_for_one_attach_at_a_time";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let mut first = Waiting::start(&machine, "attach eth0 --confirm 600");
    for arguments in [
        "attach eth0",
        "attach eth0 --confirm 600",
        // None of two, if one cannot be guarded.
        "attach eth1 eth0 --confirm 600",
    ] {
        machine
            .refuses(arguments)
            .exited_with(1)
            .saying("the guard of `eth0` is not confirmed yet")
            .hinting("`rpcguard confirm eth0`");
    }
    let second = Waiting::start(&machine, "attach eth1 --confirm 600");
    machine.does("confirm eth1");
    assert_eq!(second.ended().code, Some(0));
    assert!(first.waits());
    // It is guarded for good, and that is what was wanted.
    machine.does("confirm eth1");
    machine.does("detach eth0");
    first.gave_up("detached before it was confirmed: `eth0` is not guarded any more");
    assert_eq!(machine.programs().len(), 1);
    machine
        .refuses("confirm")
        .exited_with(1)
        .saying("no guard of this network namespace waits to be confirmed");
    machine.does("detach eth1");
    assert!(machine.state().is_clean());
}

#[test]
fn interfaces_that_were_attached_together_are_confirmed_together() {
    const TEST: &str = "interfaces_that_were_attached_together_are_confirmed_together";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let waiting = Waiting::start(&machine, "attach eth0 eth1 --confirm 600 --json");
    machine.does("confirm eth1");
    let ended = waiting.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    for (index, name) in ["eth0", "eth1"].into_iter().enumerate() {
        assert_eq!(document["interfaces"][index]["name"], name);
        assert_eq!(document["interfaces"][index]["confirmed"], true);
    }
    machine.does("detach --all");

    let waiting = Waiting::start(&machine, "attach eth0 eth1 --confirm 600");
    machine.does("detach eth1");
    waiting.gave_up("detached before it was confirmed: `eth0 eth1` are not guarded any more");
    assert!(machine.state().is_clean());
}

#[test]
fn another_program_is_for_guards_that_are_confirmed() {
    const TEST: &str = "another_program_is_for_guards_that_are_confirmed";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let waiting = Waiting::start(&machine, "attach eth0 --confirm 600");
    for arguments in ["set eth0 --rate 5/s", "attach eth0 --replace"] {
        machine
            .refuses(arguments)
            .exited_with(1)
            .saying("the guard of `eth0` is not confirmed yet")
            .hinting("`rpcguard confirm eth0` keeps it");
    }
    machine.does("set eth0 --observe on");
    machine.does("confirm");
    assert_eq!(waiting.ended().code, Some(0));
    machine.does("set eth0 --rate 5/s");
    machine.does("detach eth0");
}

#[test]
fn an_interface_may_be_renamed_while_it_waits_but_not_go() {
    const TEST: &str = "an_interface_may_be_renamed_while_it_waits_but_not_go";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let waiting = Waiting::start(&machine, "attach eth0 --confirm 600");
    machine.host().ip("link set eth0 down").unwrap();
    machine.host().ip("link set eth0 name wan0").unwrap();
    machine.does("confirm wan0");
    let ended = waiting.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("wan0: guarded"));
    machine.does("detach wan0");

    let waiting = Waiting::start(&machine, "attach eth1 --confirm 600");
    machine.host().ip("link delete eth1").unwrap();
    waiting.gave_up("detached before it was confirmed: `eth1` is not guarded any more");
    assert!(machine.state().is_clean());
}

/// Links that are not pinned can only be had by those who may have any.
#[test]
fn who_may_not_get_at_links_can_work_with_the_guard_but_not_confirm_it() {
    const TEST: &str = "who_may_not_get_at_links_can_work_with_the_guard_but_not_confirm_it";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    let waiting = Waiting::start(&machine, "attach eth0 --confirm 600");
    let wrapper = ["setpriv", "--bounding-set=-all,+bpf,+net_admin,+perfmon"];
    let does = |arguments: &str| {
        let mut command = machine.wrapped(&wrapper, arguments);
        rpcguard_tests::lab::Finished::wait_for(&mut command).succeeded()
    };
    let status = does("status --json").json();
    assert_eq!(status["interfaces"][0]["confirmed"], false, "{status}");
    assert_eq!(status["interfaces"][0]["link_id"], 0, "{status}");
    let _ = does("allow add 192.0.2.7");
    for arguments in ["confirm", "detach eth0"] {
        machine
            .refuses_command(&mut machine.wrapped(&wrapper, arguments))
            .exited_with(1)
            .saying("this process lacks CAP_SYS_ADMIN");
    }
    waiting.signal(Signal::SIGTERM);
    waiting.gave_up("interrupted");
}
