//! What is seen on terminals of all kinds.

mod states;

use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::*;
use crate::{
    guard::{PacketCounter, Reason},
    top::{
        fixtures::Clock,
        sample::{Found, Sample},
        view::Action,
    },
};

const PLAIN: Theme = Theme {
    colour: false,
    unicode: true,
};

fn view(samples: impl IntoIterator<Item = Sample>) -> View {
    let mut view = View::default();
    for sample in samples {
        update(&mut view, sample);
    }
    view
}

fn update(view: &mut View, sample: Sample) {
    let (model, kept) = view.model_mut();
    model.update(sample, kept);
}

/// One guard that drops a million packets a second, and passes twelve.
fn flooded() -> View {
    let start = Clock::new();
    let later = start.after(1);
    view([
        start.sample([("eth0", start.guard(5_000_000, 100).into())]),
        later.sample([("eth0", later.guard(6_000_000, 112).into())]),
    ])
}

fn press(view: &mut View, action: Action) {
    assert!(view.act(action).is_continue());
}

fn drawn(view: &View, theme: Theme, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let scene = Scene {
        theme,
        interval: Duration::from_secs(1),
    };
    terminal.draw(|frame| draw(frame, view, scene)).unwrap();
    terminal
}

/// The lines of the screen, without blanks at their ends.
fn lines(view: &View, width: u16, height: u16) -> Vec<String> {
    let terminal = drawn(view, PLAIN, width, height);
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(width.into());
    rows.map(|row| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    })
    .collect()
}

fn text(view: &View, width: u16, height: u16) -> String {
    lines(view, width, height).join("\n")
}

#[test]
fn eighty_columns_and_24_lines_show_everything() {
    let expected = "\
eth0   GUARDED   native  up 01:00:00  dropped 1.00M/s  60.0MB/s  passed 12/s
UDP 111  unlisted: dropped  allow 1, deny 0
reason         action      packets/s   bytes/s   total  packets/s lately
allowed        pass               12      720B     112                         █
unlisted       drop            1.00M    60.0MB   6.00M                         █

request       pass/s drop/s  total       claimed host, estimated   pkts/s  total
v2.DUMP            0  1.00M  6.00M       198.51.100.77/32         ~500k ~3.00M
v2.GETPORT        12      0    112       2001:db8:1234:5678::/64  ~250k ~1.50M
                                         neighbourhood, estimated  pkts/s  total
                                         198.51.100.0/24  ~500k ~3.00M
                                         prefix hit         pkts/s  total
                                         allow 192.0.2.0/24     12    112










? help  q quit  p pause  s sort: rate  every 1 s";
    let words = |text: &str| -> Vec<Vec<String>> {
        text.lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    };
    assert_eq!(words(&text(&flooded(), 80, 24)), words(expected));
}

/// All reasons, all requests, and long names at the same time.
fn crowded() -> View {
    let start = Clock::new();
    let later = start.after(1);
    let mut guard = later.guard(6_000_000, 112);
    let counter = PacketCounter {
        packets: 999_999,
        bytes: 99_999_999,
    };
    guard.counters.reasons = [counter; Reason::COUNT];
    for request in &mut guard.counters.requests {
        request.passed = counter;
        request.dropped = counter;
    }
    guard.policy.rate = Some(crate::policy::RatePolicy::default());
    guard.policy.tcp = true;
    guard.policy.ports = (100..130).collect();
    let name = "fifteen-bytes-x";
    view([
        start.sample([(name, start.guard(0, 0).into())]),
        later.sample([(name, guard.into())]),
    ])
}

#[test]
fn nothing_that_matters_is_cut_off_when_everything_happens_at_once() {
    let view = crowded();
    let lines = lines(&view, 80, 24);
    assert!(lines[0].contains("fifteen-bytes-x"), "{lines:#?}");
    assert!(lines[0].contains("GUARDED"));
    assert!(lines[0].contains("dropped 7.00M/s"), "{lines:#?}");
    assert!(
        lines[1].contains("UDP+TCP 100,101,102,103,104 +25"),
        "{lines:#?}"
    );
    assert!(lines[1].contains("5/s each"));
    for reason in Reason::ALL {
        let start = format!("{} ", reason.name());
        assert!(
            lines.iter().any(|l| l.starts_with(&start)),
            "{start}: {lines:#?}"
        );
    }
    let all = lines.join("\n");
    let count = rpcguard_common::rpc::Request::COUNT;
    assert!(all.contains(&format!("request (8 of {count})")), "{all}");
    for heading in ["claimed host", "neighbourhood", "prefix hit"] {
        assert!(all.contains(heading), "{all}");
    }
    assert!(all.contains("2001:db8:1234:5678::/64"), "{all}");
    assert_eq!(
        lines[23],
        "? help  q quit  p pause  s sort: rate  every 1 s"
    );
}

#[test]
fn estimates_are_marked_and_counts_are_not() {
    let lines = lines(&flooded(), 80, 24);
    for line in &lines[6..] {
        let of_sources = ["198.51.100", "2001:db8"]
            .iter()
            .any(|word| line.contains(word));
        assert_eq!(line.contains('~'), of_sources, "{line}");
    }
    assert!(!lines[..6].join("").contains('~'));
}

#[test]
fn less_room_shows_less_and_the_state_always() {
    let view = flooded();
    let small = text(&view, 60, 15);
    for words in [
        "eth0   GUARDED ",
        "dropped 1.00M/s",
        "unlisted",
        "v2.DUMP",
        "198.51.100.77/32",
        "192.0.2.0/24",
        "? help  q quit",
    ] {
        assert!(small.contains(words), "no {words} in:\n{small}");
    }
    let smaller = text(&view, 40, 10);
    for words in [
        "eth0   GUARDED   dropped 1.00M/s",
        "unlisted",
        "v2.DUMP",
        "q quit",
    ] {
        assert!(smaller.contains(words), "no {words} in:\n{smaller}");
    }
    assert!(text(&view, 20, 4).contains("eth0   GUARDED"));
}

#[test]
fn no_size_is_too_small_or_too_large() {
    for view in [flooded(), crowded(), View::default()] {
        for width in [0, 1, 2, 3, 5, 19, 39, 41, 55, 56, 57, 63, 64, 119, 120, 300] {
            for height in (0..20).chain([24, 50, 200]) {
                drop(drawn(&view, PLAIN, width, height));
            }
        }
    }
}

#[test]
fn a_large_screen_has_three_columns_and_no_line_is_broken() {
    let lines = lines(&flooded(), 200, 50);
    let headings: Vec<&String> = lines.iter().filter(|l| l.starts_with("request")).collect();
    assert_eq!(headings.len(), 1);
    assert!(
        headings[0].contains("claimed host, estimated"),
        "{headings:?}"
    );
    assert!(headings[0].contains("prefix hit"), "{headings:?}");
}

#[test]
fn without_colour_there_is_none_and_the_words_are_the_same() {
    let view = flooded();
    let coloured = Theme {
        colour: true,
        ..PLAIN
    };
    let colours = |theme| {
        let terminal = drawn(&view, theme, 80, 24);
        let cells = terminal.backend().buffer().content.clone();
        let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        let coloured = cells
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        (coloured, text)
    };
    let ((with, text), (without, same)) = (colours(coloured), colours(PLAIN));
    assert!(with && !without);
    assert_eq!(text, same);
}

#[test]
fn without_unicode_everything_is_ascii() {
    let ascii = Theme {
        colour: false,
        unicode: false,
    };
    let view = crowded();
    for (width, height) in [(80, 24), (60, 15), (200, 50)] {
        let terminal = drawn(&view, ascii, width, height);
        let cells = &terminal.backend().buffer().content;
        assert!(cells.iter().all(|cell| cell.symbol().is_ascii()));
    }
}

#[test]
fn the_smallest_rate_is_seen_beside_the_largest() {
    let bars = |rates: &[f64]| reasons::sparkline(rates, 5, PLAIN);
    assert_eq!(bars(&[0.0, 1.0, 1000.0]), "   ▁█");
    assert_eq!(bars(&[]), "     ");
    assert_eq!(bars(&[0.0; 5]), "     ");
}
