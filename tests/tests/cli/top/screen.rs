//! The live view on a terminal.

use nix::sys::signal::Signal;

use crate::machine::Machine;
use crate::tty::Tty;

const SIZE: (u16, u16) = (80, 24);

#[test]
fn keys_and_signals_end_it_and_the_terminal_is_as_it_was() {
    const TEST: &str = "keys_and_signals_end_it_and_the_terminal_is_as_it_was";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    for keys in ["q", "\x1b", "\x03"] {
        let mut tty = Tty::run(&machine, "top", SIZE);
        tty.wait_for(0, "GUARDED");
        tty.press(keys);
        assert_eq!(tty.ended_saying("").code(), Some(0), "{keys:?}");
    }
    for signal in [
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
    ] {
        let tty = Tty::run(&machine, "top", SIZE);
        tty.wait_for(0, "GUARDED");
        tty.signal(signal);
        assert_eq!(tty.ended_saying("").code(), Some(0), "{signal}");
    }
    let tty = Tty::run(&machine, "top --count 1 --interval 0.1", SIZE);
    assert_eq!(tty.ended_saying("").code(), Some(0));
    assert_eq!(machine.programs().len(), 1, "the guard stays");
}

#[test]
fn an_error_is_said_on_a_terminal_that_is_as_it_was() {
    const TEST: &str = "an_error_is_said_on_a_terminal_that_is_as_it_was";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    let tty = Tty::run(&machine, "top --interval 0.1", SIZE);
    tty.wait_for(0, "GUARDED");
    machine
        .host()
        .run("umount", &["-l", "/sys/fs/bpf"])
        .unwrap();
    let status = tty.ended_saying("error: there is no BPF file system at /sys/fs/bpf");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_guard_that_goes_is_said_to_be_gone_and_shown_when_it_is_back() {
    const TEST: &str = "a_guard_that_goes_is_said_to_be_gone_and_shown_when_it_is_back";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    let mut tty = Tty::run(&machine, "top eth0 --interval 0.1", SIZE);
    tty.wait_for(0, "GUARDED");
    let mark = tty.mark();
    machine.does("detach eth0");
    tty.wait_for(mark, "NOT");
    tty.wait_for(mark, "attach");
    let mark = tty.mark();
    machine.does("attach eth0");
    tty.wait_for(mark, "unlisted:");
    let mark = tty.mark();
    machine.host().ip("link del eth0").unwrap();
    tty.wait_for(mark, "GONE");
    tty.press("q");
    assert_eq!(tty.ended_saying("").code(), Some(0));
    machine.does("detach eth0");
}

#[test]
fn it_is_drawn_anew_when_the_terminal_gets_another_size() {
    const TEST: &str = "it_is_drawn_anew_when_the_terminal_gets_another_size";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    // So slow that it is not the interval that draws it.
    let mut tty = Tty::run(&machine, "top --interval 1000", SIZE);
    tty.wait_for(0, "estimated");
    for (size, words) in [((60, 15), "~"), ((200, 50), "estimated"), ((20, 4), "help")] {
        let mark = tty.mark();
        tty.resize(size.0, size.1);
        tty.wait_for(mark, words);
    }
    tty.press("q");
    assert_eq!(tty.ended_saying("").code(), Some(0));
}

#[test]
fn keys_change_what_is_shown() {
    let Some(machine) = Machine::or_skip("keys_change_what_is_shown") else {
        return;
    };
    machine.does("attach eth0");
    machine.does("attach eth1 --observe");
    let mut tty = Tty::run(&machine, "top --interval 1000", SIZE);
    tty.wait_for(0, "interfaces");
    // Only cells that change are written: words that differ in all of them from what was there.
    for (key, words) in [
        ("\t", "eth0"),
        ("\x1b[C", "OBSERVING"),
        ("p", "PAUSED"),
        ("?", "Shift-Tab"),
        ("\x1b", "lately"),
    ] {
        let mark = tty.mark();
        tty.press(key);
        tty.wait_for(mark, words);
    }
    tty.press("q");
    assert_eq!(tty.ended_saying("").code(), Some(0));
}

#[test]
fn who_wants_no_colour_gets_none_and_a_dumb_terminal_gets_lines() {
    const TEST: &str = "who_wants_no_colour_gets_none_and_a_dumb_terminal_gets_lines";
    let Some(machine) = Machine::or_skip(TEST) else {
        return;
    };
    machine.does("attach eth0");
    let written = |name: &str, value: &str| {
        let mut tty = Tty::with(&machine, "top", SIZE, |command| {
            command.env(name, value);
        });
        let written = tty.wait_for(0, "every");
        tty.press("q");
        let _ = tty.ended_saying("");
        written
    };
    let has_colour = |written: &str| written.contains("\x1b[38;5;");
    assert!(has_colour(&written("TERM", "xterm")));
    assert!(!has_colour(&written("NO_COLOR", "1")));
    assert!(!has_colour(&written("TERM", "vt100")));

    let dumb = Tty::with(&machine, "top --interval 0.1", SIZE, |command| {
        command.env("TERM", "dumb");
    });
    let lines = dumb.wait_for(0, "eth0 guarded: dropped 0/s");
    assert!(!lines.contains('\x1b'), "{lines:?}");
    dumb.signal(Signal::SIGTERM);
}
