//! The table of reasons.

use ratatui::{
    layout::Rect,
    text::{Line, Span},
};

use super::{
    columns::{Column, Row, Table, cut},
    content::Content,
};
use crate::{
    guard::{Action, Reason},
    top::{rates::Flow, theme::Theme, units::compact},
};

/// The reasons that have occurred, and the two that everybody looks for, with what they were lately.
pub(super) fn lines(content: &Content<'_>, area: Rect, theme: Theme) -> Vec<Line<'static>> {
    /// Below it, a reason alone has to say what it means.
    const WITH_ACTION: u16 = 64;
    const NAME: usize = 14;
    const ACTION: usize = 11;
    const LEAST_HISTORY: usize = 6;
    let columns = vec![
        Column {
            title: "packets/s",
            width: 9,
        },
        Column {
            title: "bytes/s",
            width: 9,
        },
        Column {
            title: "total",
            width: 7,
        },
    ];
    let numbers: usize = columns.iter().map(|column| column.width + 1).sum();
    let width = usize::from(area.width);
    let with_action = area.width >= WITH_ACTION;
    let name = if with_action { NAME + 1 + ACTION } else { NAME };
    let history = width.saturating_sub(name + numbers + 2);
    let history = if history < LEAST_HISTORY { 0 } else { history };

    let room = match area.height {
        height @ 0..6 => height,
        height => height * 3 / 5,
    };
    let rows = most_important(content, usize::from(room).saturating_sub(1));
    let title = |name: &str, action: &str| {
        if with_action {
            format!("{name:<NAME$} {action:<ACTION$}")
        } else {
            name.to_owned()
        }
    };
    let table = Table {
        title: title("reason", "action"),
        short_title: "reason".to_owned(),
        columns,
        rows: rows
            .iter()
            .map(|(reason, flow)| {
                let action = match reason.action() {
                    Action::Pass => "pass",
                    Action::Drop => content.dropping,
                };
                Row {
                    name: title(reason.name(), action),
                    style: content.style(reason.action(), theme),
                    numbers: vec![
                        content.rate(flow.rate.packets),
                        content.byte_rate(flow.rate.bytes),
                        compact(flow.total.packets as f64),
                    ],
                    idle: flow.rate.packets == 0.0,
                }
            })
            .collect(),
        empty: String::new(),
    };
    let table_width = if history == 0 { width } else { name + numbers };
    let mut lines = table.lines(table_width, rows.len() + 1, theme);
    if history != 0 {
        let heading = cut("  packets/s lately", history + 2, theme);
        lines[0].push_span(heading);
        for (line, (reason, _)) in lines[1..].iter_mut().zip(rows) {
            let rates = content.traffic.history.last(reason, history);
            let style = content.style(reason.action(), theme);
            line.push_span("  ");
            line.push_span(Span::styled(sparkline(&rates, history, theme), style));
        }
    }
    lines
}

/// At most so many reasons, in the order of their numbers.
fn most_important(content: &Content<'_>, count: usize) -> Vec<(Reason, Flow)> {
    let usual = |reason| matches!(reason, Reason::Allowed | Reason::Unlisted);
    let reasons = content.traffic.reasons();
    let mut reasons: Vec<_> = reasons
        .filter(|(reason, flow)| flow.total.packets != 0 || usual(*reason))
        .collect();
    reasons.sort_by(|(_, a), (_, b)| {
        let by_rate = b.rate.packets.total_cmp(&a.rate.packets);
        by_rate.then(b.total.packets.cmp(&a.total.packets))
    });
    reasons.truncate(count);
    reasons.sort_by_key(|(reason, _)| reason.index());
    reasons
}

/// Bars from nothing to the most of these, the latest at the right. What is not nothing is seen.
pub(super) fn sparkline(rates: &[f64], width: usize, theme: Theme) -> String {
    let bars = theme.bars();
    let most = rates.iter().copied().fold(0.0, f64::max);
    let bar = |rate: &f64| {
        let height = if most > 0.0 { rate / most * 8.0 } else { 0.0 };
        bars[(height.ceil() as usize).min(8)]
    };
    let drawn: String = rates.iter().map(bar).collect();
    format!("{drawn:>width$}")
}
