use super::*;
use crate::{
    guard::{Action, Reason},
    top::fixtures::{Clock, model, request},
};

fn names(model: &Model) -> Vec<(&str, Standing)> {
    let interfaces = model.interfaces.iter();
    interfaces.map(|i| (i.name.as_str(), i.standing)).collect()
}

fn dropped(model: &Model) -> f64 {
    model.interfaces[0].traffic.of(Action::Drop).rate.packets
}

#[test]
fn rates_are_the_differences_of_counters() {
    let start = Clock::new();
    let later = start.after(2);
    let model = model([
        start.sample([("eth0", start.guard(1_000_000, 10).into())]),
        later.sample([("eth0", later.guard(1_000_400, 16).into())]),
    ]);
    let traffic = &model.interfaces[0].traffic;
    assert!(traffic.measured);
    let dropped = traffic.of(Action::Drop);
    assert_eq!(
        (dropped.rate.packets, dropped.rate.bytes),
        (200.0, 12_000.0)
    );
    assert_eq!(dropped.total.packets, 1_000_400);
    assert_eq!(traffic.of(Action::Pass).rate.packets, 3.0);
    assert_eq!(
        traffic.requests[request(2, 4).index()].dropped.rate.packets,
        200.0
    );
    assert_eq!(
        traffic.requests[request(2, 3).index()].passed.rate.packets,
        3.0
    );
    assert_eq!(traffic.hosts[0].flow.rate.packets, 100.0);
    assert_eq!(traffic.neighbourhoods[0].flow.rate.packets, 100.0);
    assert_eq!(traffic.prefixes[0].flow.rate.packets, 3.0);
    assert_eq!(traffic.history.last(Reason::Unlisted, 9), [0.0, 200.0]);
}

#[test]
fn what_was_counted_before_is_no_rate() {
    let start = Clock::new();
    let model = model([start.sample([("eth0", start.guard(1_000_000, 10).into())])]);
    let traffic = &model.interfaces[0].traffic;
    assert!(!traffic.measured);
    assert_eq!(traffic.of(Action::Drop).rate.packets, 0.0);
    assert_eq!(traffic.of(Action::Drop).total.packets, 1_000_000);
}

#[test]
fn a_guard_that_was_attached_anew_has_counted_since_then() {
    let start = Clock::new();
    let later = start.after(2);
    let mut again = later.guard(1_000_600, 0);
    again.link_id += 1;
    again.attached_at = start.time;
    let first = start.sample([("eth0", start.guard(1_000_000, 0).into())]);
    let model = model([first, later.sample([("eth0", again.into())])]);
    // Not the difference to what another guard had counted.
    assert_eq!(dropped(&model), 500_300.0);
    assert_eq!(
        model.interfaces[0].traffic.hosts[0].flow.rate.packets,
        250_150.0
    );
}

#[test]
fn a_guard_that_is_new_here_but_old_has_no_rate_yet() {
    let start = Clock::new();
    let later = start.after(2);
    let mut old = later.guard(1_000_000, 0);
    old.link_id += 1;
    let first = start.sample([("eth0", start.guard(0, 0).into())]);
    let model = model([first, later.sample([("eth0", old.into())])]);
    assert!(!model.interfaces[0].traffic.measured);
    assert_eq!(dropped(&model), 0.0);
}

#[test]
fn what_is_read_less_often_keeps_its_rate_and_is_measured_over_its_own_time() {
    let start = Clock::new();
    let (second, third) = (start.after(1), start.after(2));
    let mut unread = second.guard(100, 0);
    unread.sources = None;
    unread.prefixes = None;
    let mut model = model([
        start.sample([("eth0", start.guard(0, 0).into())]),
        second.sample([("eth0", unread.into())]),
    ]);
    assert_eq!(dropped(&model), 100.0);
    assert!(
        model.interfaces[0]
            .traffic
            .hosts
            .iter()
            .all(|h| h.flow.rate.packets == 0.0)
    );
    model.update(third.sample([("eth0", third.guard(400, 0).into())]), None);
    assert_eq!(dropped(&model), 300.0);
    // Half of four hundred, in two seconds.
    assert_eq!(
        model.interfaces[0].traffic.hosts[0].flow.rate.packets,
        100.0
    );
}

#[test]
fn guards_come_and_go() {
    let clock = Clock::new();
    let guard = || Found::from(clock.guard(5, 5));
    let mut model = model([clock.sample([("eth0", guard()), ("eth1", guard())])]);
    model.update(
        clock
            .after(1)
            .sample([("eth1", guard()), ("eth2", guard())]),
        None,
    );
    // It is told once...
    assert_eq!(
        names(&model),
        [
            ("eth0", Standing::NotGuarded),
            ("eth1", Standing::Guarded),
            ("eth2", Standing::Guarded)
        ]
    );
    assert_eq!(dropped(&model), 0.0);
    // ... unless somebody looks at it.
    let next = || clock.after(2).sample([("eth2", guard())]);
    model.update(next(), Some("eth0"));
    assert_eq!(names(&model)[0], ("eth0", Standing::NotGuarded));
    model.update(next(), None);
    assert_eq!(names(&model), [("eth2", Standing::Guarded)]);
}

#[test]
fn a_standing_is_what_an_interface_is_in() {
    let clock = Clock::new();
    let (mut observing, mut bare) = (clock.idle_guard(), clock.idle_guard());
    observing.policy.observe = true;
    bare.mode = None;
    let model = model([clock.sample([
        ("a", clock.idle_guard().into()),
        ("b", observing.into()),
        ("c", bare.into()),
        ("d", Found::Leftover),
        ("e", Found::Incompatible),
        ("f", Found::Nothing),
    ])]);
    let standings: Vec<_> = names(&model)
        .iter()
        .map(|(_, standing)| *standing)
        .collect();
    assert_eq!(
        standings,
        [
            Standing::Guarded,
            Standing::Observing,
            Standing::NotGuarded,
            Standing::Gone,
            Standing::Incompatible,
            Standing::NotGuarded
        ]
    );
}

#[test]
fn rates_end_with_the_interface_and_totals_stay() {
    let start = Clock::new();
    let later = start.after(1);
    let mut model = model([
        start.sample([("eth0", start.guard(0, 0).into())]),
        later.sample([("eth0", later.guard(100, 100).into())]),
    ]);
    assert_eq!(dropped(&model), 100.0);
    model.update(start.after(2).sample([("eth0", Found::Leftover)]), None);
    let traffic = &model.interfaces[0].traffic;
    assert_eq!(traffic.of(Action::Drop).rate.packets, 0.0);
    assert_eq!(traffic.of(Action::Drop).total.packets, 100);
    assert_eq!(traffic.hosts[0].flow.rate.packets, 0.0);
    assert_eq!(traffic.history.last(Reason::Unlisted, 9), [0.0, 100.0, 0.0]);
}

#[test]
fn hits_of_very_many_prefixes_are_not_shown_as_if_they_were_up_to_date() {
    let start = Clock::new();
    let later = start.after(1);
    let mut many = later.guard(0, 0);
    many.prefix_counts.deny_v6 = 5000;
    many.prefixes = None;
    let first = start.sample([("eth0", start.guard(0, 9).into())]);
    let model = model([first, later.sample([("eth0", many.into())])]);
    let interface = &model.interfaces[0];
    assert!(interface.setup.as_ref().unwrap().has_too_many_prefixes());
    assert!(interface.traffic.prefixes.is_empty());
}
