//! Drawing a view.
//!
//! There is a state line, a table of reasons, tables of whatever else there is room for, and the keys.
//! What does not fit is left out in the order of how little it matters.

mod columns;
mod content;
mod heading;
mod help;
mod layout;
mod reasons;
mod segments;
mod tables;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use self::{
    content::Content,
    segments::{Segment, fit},
};
use super::{
    theme::Theme,
    traffic::Traffic,
    view::{Subject, View},
};

/// What is the same for the whole screen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) theme: Theme,
    pub(crate) interval: Duration,
}

/// Draws all of it.
pub(crate) fn draw(frame: &mut Frame<'_>, view: &View, scene: Scene) {
    let area = frame.area();
    let width = usize::from(area.width);
    let subject = view.subject();
    let top = heading::lines(view, scene.theme, width);
    let has_keys = area.height > 2;
    let heights = [(top.len() as u16).min(area.height), u16::from(has_keys)];
    let middle = Rect {
        y: area.y + heights[0],
        height: area.height - heights[0] - heights[1],
        ..area
    };
    frame.render_widget(Paragraph::new(top), area);
    match subject {
        Subject::One(interface, ..) => {
            tables::draw(
                frame,
                middle,
                &Content::of_one(interface),
                view.sort,
                scene.theme,
            );
        }
        Subject::All([]) => {}
        Subject::All(interfaces) => {
            let sum = Traffic::sum(interfaces.iter().map(|interface| &interface.traffic));
            let content = Content::of_all(interfaces, &sum);
            tables::draw(frame, middle, &content, view.sort, scene.theme);
        }
    }
    if has_keys {
        let bottom = Rect {
            y: middle.bottom(),
            height: 1,
            ..area
        };
        frame.render_widget(keys(view, scene.interval, width), bottom);
    }
    if view.help {
        help::draw(frame, middle);
    }
}

/// The last line.
fn keys(view: &View, interval: Duration, width: usize) -> Line<'static> {
    let key = |rank, key: &'static str, what: String| Segment {
        rank,
        spans: vec![
            Span::styled(key, Style::new().add_modifier(Modifier::BOLD)),
            Span::raw(" "),
            Span::raw(what),
        ],
    };
    let mut segments = vec![
        key(1, "?", "help".to_owned()),
        key(0, "q", "quit".to_owned()),
        key(2, "p", "pause".to_owned()),
        key(3, "s", format!("sort: {}", view.sort.name())),
    ];
    match view.subject() {
        Subject::One(.., 1) | Subject::All([]) => {}
        Subject::One(_, number, count) => {
            segments.push(key(4, "Tab", format!("interface {number} of {count}")));
        }
        Subject::All(_) => segments.push(key(4, "Tab", "next interface".to_owned())),
    }
    let interval = interval.as_secs_f64();
    segments.push(Segment::new(5, format!("every {interval} s")));
    fit(segments, width)
}
