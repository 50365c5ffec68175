//! What is seen of guards in all states, and what keys change.

use super::*;

#[test]
fn an_observer_says_what_it_would_drop() {
    let start = Clock::new();
    let later = start.after(1);
    let mut guard = later.guard(500, 0);
    guard.policy.observe = true;
    let view = view([
        start.sample([("eth0", start.guard(0, 0).into())]),
        later.sample([("eth0", guard.into())]),
    ]);
    let text = text(&view, 80, 24);
    assert!(text.contains("OBSERVING"), "{text}");
    assert!(text.contains("would drop 500/s"), "{text}");
    assert!(text.contains("unlisted       would drop"), "{text}");
    assert!(!text.contains("dropped 5"), "{text}");
}

#[test]
fn without_guards_it_says_so_and_what_to_do() {
    let text = text(&view([Clock::new().sample([])]), 80, 24);
    assert!(text.contains("no interface is guarded"), "{text}");
    assert!(text.contains("`rpcguard attach IFACE`"), "{text}");
}

#[test]
fn an_interface_that_is_gone_says_so_and_what_to_do() {
    let clock = Clock::new();
    for (found, standing, hint) in [
        (Found::Leftover, "GONE", "rpcguard detach eth0"),
        (Found::Nothing, "NOT GUARDED", "rpcguard attach eth0"),
        (Found::Incompatible, "INCOMPATIBLE", "another version"),
    ] {
        let guarded = clock.sample([("eth0", clock.guard(5, 5).into())]);
        let gone = clock.after(1).sample([("eth0", found)]);
        let text = text(&view([guarded, gone]), 80, 24);
        assert!(text.contains(standing), "{text}");
        assert!(text.contains(hint), "{text}");
        assert!(!text.contains("dropped 0/s"), "{text}");
    }
}

/// Two guards: one drops a thousand a second, the other observes.
fn two() -> View {
    let start = Clock::new();
    let later = start.after(1);
    let mut observing = later.guard(70, 0);
    observing.policy.observe = true;
    view([
        start.sample([
            ("eth0", start.guard(0, 0).into()),
            ("eth1", start.guard(0, 0).into()),
        ]),
        later.sample([
            ("eth0", later.guard(1000, 0).into()),
            ("eth1", observing.into()),
        ]),
    ])
}

#[test]
fn several_interfaces_are_shown_together_or_one_by_one() {
    let mut view = two();
    let first = |view: &View| lines(view, 80, 24)[0].clone();
    let all = text(&view, 80, 24);
    assert!(
        all.starts_with("2 interfaces   1 GUARDED    1 OBSERVING "),
        "{all}"
    );
    assert!(all.contains("dropped 1.00k/s  would drop 70/s"), "{all}");
    assert!(
        all.contains("eth0: guarded 1.00k/s  eth1: observing 70/s"),
        "{all}"
    );
    assert!(all.contains("drop (some)     1.07k"), "{all}");
    press(&mut view, Action::Next);
    assert!(first(&view).starts_with("eth0   GUARDED "));
    assert!(text(&view, 80, 24).contains("Tab interface 1 of 2"));
    press(&mut view, Action::Next);
    assert!(first(&view).starts_with("eth1   OBSERVING "));
    press(&mut view, Action::Next);
    assert!(first(&view).starts_with("2 interfaces"));
    press(&mut view, Action::Previous);
    assert!(first(&view).starts_with("eth1   OBSERVING "));
}

#[test]
fn an_interface_that_is_looked_at_stays_when_its_guard_goes() {
    let mut view = two();
    press(&mut view, Action::Next);
    let clock = Clock::new().after(2);
    for _ in 0..3 {
        update(
            &mut view,
            clock.sample([("eth1", clock.guard(0, 0).into())]),
        );
        assert!(text(&view, 80, 24).starts_with("eth0   NOT GUARDED"));
    }
}

#[test]
fn a_paused_view_stands_still_and_then_shows_what_is_the_case() {
    let mut view = flooded();
    press(&mut view, Action::Pause);
    let paused = text(&view, 80, 24);
    assert!(paused.starts_with(" PAUSED   eth0"), "{paused}");
    let clock = Clock::new().after(5);
    update(
        &mut view,
        clock.sample([("eth0", clock.guard(7_000_000, 112).into())]),
    );
    assert_eq!(text(&view, 80, 24), paused);
    press(&mut view, Action::Pause);
    let now = text(&view, 80, 24);
    assert!(!now.contains("PAUSED"), "{now}");
    assert!(now.contains("7.00M"), "{now}");
}

#[test]
fn sorting_changes_the_order_and_is_shown() {
    let start = Clock::new();
    let later = start.after(1);
    // v2.DUMP has the larger total, v2.GETPORT the larger rate.
    let mut view = view([
        start.sample([("eth0", start.guard(1000, 0).into())]),
        later.sample([("eth0", later.guard(1001, 50).into())]),
    ]);
    let order = |view: &View| {
        let lines = lines(view, 80, 24);
        let at = |name: &str| {
            lines
                .iter()
                .position(|line| line.starts_with(name))
                .unwrap()
        };
        (at("v2.DUMP") < at("v2.GETPORT"), lines[23].clone())
    };
    assert!(!order(&view).0);
    assert!(order(&view).1.contains("s sort: rate"));
    press(&mut view, Action::Sort);
    assert!(order(&view).0);
    assert!(order(&view).1.contains("s sort: total"));
}

#[test]
fn help_shows_every_key_and_escape_hides_it_before_it_quits() {
    let mut view = flooded();
    press(&mut view, Action::Help);
    let help = text(&view, 80, 24);
    for words in [
        "q, Esc, Ctrl-C",
        "p, space",
        "Tab, right, down",
        "s  ",
        "estimated",
    ] {
        assert!(help.contains(words), "{help}");
    }
    assert!(
        help.starts_with("eth0   GUARDED"),
        "the state stays in sight"
    );
    press(&mut view, Action::Escape);
    assert!(!text(&view, 80, 24).contains("q, Esc, Ctrl-C"));
    assert!(view.act(Action::Escape).is_break());
    assert!(flooded().act(Action::Quit).is_break());
}
