//! The lines that say what is guarded, and what comes of it.

use std::time::SystemTime;

use ratatui::{
    style::{Modifier, Style},
    text::Line,
};

use super::segments::{Segment, fit};
use crate::{
    foreign_text::printable,
    guard::Action,
    policy::{Destinations, Policy},
    top::{
        model::{Interface, Setup, Standing},
        rates::Rate,
        theme::Theme,
        traffic::Traffic,
        units::{bytes, clock, compact},
        view::{Subject, View},
    },
};

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Two lines.
pub(super) fn lines(view: &View, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let (mut first, second) = match view.subject() {
        Subject::One(interface, ..) => (state(interface, view.time(), theme), about(interface)),
        Subject::All([]) => (
            vec![Segment::styled(0, "no interface is guarded", BOLD)],
            vec![Segment::new(
                0,
                "`rpcguard attach IFACE` guards one, and it will be shown here",
            )],
        ),
        Subject::All(interfaces) => (states(interfaces, theme), each(interfaces, width)),
    };
    if view.is_paused() {
        first.insert(0, Segment::styled(1, " PAUSED ", marked(Style::new())));
    }
    vec![fit(first, width), fit(second, width)]
}

const fn marked(style: Style) -> Style {
    style.add_modifier(Modifier::BOLD.union(Modifier::REVERSED))
}

fn standing_style(standing: Standing, theme: Theme) -> Style {
    match standing {
        Standing::Guarded => theme.passed(),
        Standing::Observing | Standing::Incompatible => theme.warning(),
        Standing::NotGuarded | Standing::Gone => theme.dropped(),
    }
}

/// One interface's state.
fn state(interface: &Interface, now: Option<SystemTime>, theme: Theme) -> Vec<Segment> {
    let standing = interface.standing;
    let mut segments = vec![
        Segment::styled(0, interface.name.clone(), BOLD),
        Segment::styled(
            0,
            format!(" {} ", standing.words().to_uppercase()),
            marked(standing_style(standing, theme)),
        ),
    ];
    let Some(setup) = &interface.setup else {
        return segments;
    };
    if !standing.has_guard() {
        return segments;
    }
    if let Some(mode) = setup.mode {
        segments.push(Segment::new(4, mode.name()));
    }
    let up = now.and_then(|now| now.duration_since(setup.attached_at).ok());
    segments.push(Segment::new(
        3,
        format!("up {}", clock(up.unwrap_or_default())),
    ));
    let dropped = interface.traffic.of(Action::Drop).rate;
    let (words, style) = match standing {
        Standing::Observing => ("would drop", theme.warning()),
        _ => ("dropped", theme.dropped()),
    };
    segments.extend(flow(words, dropped, &interface.traffic, style));
    let passed = interface.traffic.of(Action::Pass).rate;
    segments.extend(passing(passed, &interface.traffic));
    segments
}

/// `dropped 1.23M/s  98.7MB/s`
fn flow(words: &str, rate: Rate, traffic: &Traffic, style: Style) -> Vec<Segment> {
    if !traffic.measured {
        return vec![Segment::new(2, "measuring")];
    }
    let style = if rate.packets > 0.0 {
        style.add_modifier(Modifier::BOLD)
    } else {
        Style::new()
    };
    vec![
        Segment::styled(1, format!("{words} {}/s", compact(rate.packets)), style),
        Segment::styled(2, format!("{}/s", bytes(rate.bytes)), style),
    ]
}

fn passing(rate: Rate, traffic: &Traffic) -> Option<Segment> {
    traffic
        .measured
        .then(|| Segment::new(5, format!("passed {}/s", compact(rate.packets))))
}

/// One interface's policy, or what to do about its having none.
fn about(interface: &Interface) -> Vec<Segment> {
    let name = &interface.name;
    match (interface.standing, &interface.setup) {
        (standing, Some(setup)) if standing.has_guard() => policy(setup),
        (Standing::Gone, _) => vec![Segment::new(
            0,
            format!("`rpcguard detach {name}` removes what is left of its guard"),
        )],
        (Standing::Incompatible, _) => vec![Segment::new(
            0,
            "guarded by another version of rpcguard, whose counters cannot be read",
        )],
        _ => vec![Segment::new(
            0,
            format!("`rpcguard attach {name}` guards it"),
        )],
    }
}

/// `UDP 111  unlisted: dropped  allow 3  deny 1`
fn policy(setup: &Setup) -> Vec<Segment> {
    let Policy {
        ports,
        tcp,
        rate,
        destinations,
        ..
    } = &setup.policy;
    let protocols = if *tcp { "UDP+TCP" } else { "UDP" };
    let mut segments = vec![Segment::new(
        0,
        format!("{protocols} {}", port_list(ports.iter().copied())),
    )];
    if *destinations != Destinations::All {
        segments.push(Segment::new(2, format!("only to {destinations}")));
    }
    match rate {
        None => segments.push(Segment::new(1, "unlisted: dropped")),
        Some(rate) => segments.extend([
            Segment::new(1, format!("unlisted: {} each", rate.source.rate)),
            Segment::new(4, format!("{} a neighbourhood", rate.prefix.rate)),
            Segment::new(3, format!("{} in all", rate.total.rate)),
        ]),
    }
    let counts = &setup.prefix_counts;
    let sum = |v4, v6| compact(f64::from(v4) + f64::from(v6));
    let allow = sum(counts.allow_v4, counts.allow_v6);
    let deny = sum(counts.deny_v4, counts.deny_v6);
    segments.push(Segment::new(2, format!("allow {allow}, deny {deny}")));
    segments
}

/// The first ports, and how many there are more.
fn port_list(mut ports: impl ExactSizeIterator<Item = u16>) -> String {
    const SHOWN: usize = 5;
    let first: Vec<String> = ports
        .by_ref()
        .take(SHOWN)
        .map(|port| port.to_string())
        .collect();
    match ports.len() {
        0 => first.join(","),
        more => format!("{} +{more}", first.join(",")),
    }
}

/// The state of several interfaces.
fn states(interfaces: &[Interface], theme: Theme) -> Vec<Segment> {
    let of = |standing| interfaces.iter().filter(move |i| i.standing == standing);
    let mut segments = vec![Segment::styled(
        0,
        format!("{} interfaces", interfaces.len()),
        BOLD,
    )];
    for standing in [
        Standing::Guarded,
        Standing::Observing,
        Standing::NotGuarded,
        Standing::Gone,
        Standing::Incompatible,
    ] {
        let count = of(standing).count();
        if count != 0 {
            segments.push(Segment::styled(
                0,
                format!(" {count} {} ", standing.words().to_uppercase()),
                marked(standing_style(standing, theme)),
            ));
        }
    }
    for (standing, words, style) in [
        (Standing::Guarded, "dropped", theme.dropped()),
        (Standing::Observing, "would drop", theme.warning()),
    ] {
        if of(standing).next().is_some() {
            let traffic = Traffic::sum(of(standing).map(|interface| &interface.traffic));
            segments.extend(flow(words, traffic.of(Action::Drop).rate, &traffic, style));
        }
    }
    segments
}

/// A word about each of several interfaces, as many as fit.
fn each(interfaces: &[Interface], width: usize) -> Vec<Segment> {
    let word = |interface: &Interface| {
        let Interface { name, standing, .. } = interface;
        let name = printable(name);
        if standing.has_guard() {
            let rate = interface.traffic.of(Action::Drop).rate.packets;
            format!("{name}: {} {}/s", standing.words(), compact(rate))
        } else {
            format!("{name}: {}", standing.words())
        }
    };
    let words: Vec<String> = interfaces.iter().map(word).collect();
    let length = |count: usize| -> usize {
        let shown = words[..count].iter();
        shown.map(|word| word.chars().count() + 2).sum::<usize>()
    };
    let counter = "+999".len();
    let shown = (1..=words.len())
        .rev()
        .find(|count| length(*count) + counter <= width)
        .unwrap_or(1);
    let mut segments: Vec<_> = words[..shown]
        .iter()
        .map(|word| Segment::new(0, word.clone()))
        .collect();
    if shown < words.len() {
        segments.push(Segment::new(0, format!("+{}", words.len() - shown)));
    }
    segments
}
