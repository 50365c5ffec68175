//! The tables.

use ratatui::{Frame, layout::Rect, style::Style, text::Line, widgets::Paragraph};

use super::{
    columns::{Column, Row, Table, cut},
    layout::share,
};
use crate::{
    guard::{Action, Reason},
    top::{
        model::{Interface, Standing},
        order::{Row as _, Sort},
        rates::Flow,
        theme::Theme,
        traffic::{SourceFlow, Traffic},
        units::{bytes, compact},
    },
};

/// What the tables are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    traffic: &'a Traffic,
    /// What drops come to.
    dropping: &'static str,
    observing: bool,
    /// Whether some hits are not read.
    too_many_prefixes: bool,
}

impl<'a> Content<'a> {
    pub(super) fn of_one(interface: &'a Interface) -> Self {
        Self::of_all(std::slice::from_ref(interface), &interface.traffic)
    }

    /// Several interfaces, and the sum of their traffic.
    pub(super) fn of_all(interfaces: &[Interface], traffic: &'a Traffic) -> Self {
        let some = |standing| interfaces.iter().any(|i| i.standing == standing);
        let (guarded, observing) = (some(Standing::Guarded), some(Standing::Observing));
        let mut setups = interfaces.iter().filter_map(|i| i.setup.as_ref());
        Self {
            traffic,
            dropping: match (guarded, observing) {
                (true, true) => "drop (some)",
                (false, true) => "would drop",
                (_, false) => "drop",
            },
            observing: observing && !guarded,
            too_many_prefixes: setups.any(crate::top::model::Setup::has_too_many_prefixes),
        }
    }

    fn style(&self, action: Action, theme: Theme) -> Style {
        match action {
            Action::Pass => theme.passed(),
            Action::Drop if self.observing => theme.warning(),
            Action::Drop => theme.dropped(),
        }
    }

    /// A rate, once there are any.
    fn rate(&self, packets: f64) -> String {
        if self.traffic.measured {
            compact(packets)
        } else {
            "-".to_owned()
        }
    }

    fn byte_rate(&self, rate: f64) -> String {
        if self.traffic.measured {
            bytes(rate)
        } else {
            "-".to_owned()
        }
    }
}

/// From this width on, tables are in two columns...
const TWO_COLUMNS: u16 = 56;
/// ... and in three.
const THREE_COLUMNS: u16 = 120;
/// Blanks between columns.
const GUTTER: u16 = 2;

/// Draws them all.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    content: &Content<'_>,
    sort: Sort,
    theme: Theme,
) {
    if area.height < 2 {
        return;
    }
    let reasons = reasons(content, area, theme);
    // A blank line if there are many.
    let gap = if area.height >= 16 { 1 } else { 0 };
    let taken = (reasons.len() as u16).min(area.height);
    frame.render_widget(Paragraph::new(reasons), area);
    let rest = Rect {
        y: area.y + taken + gap,
        height: area.height.saturating_sub(taken + gap),
        ..area
    };
    let requests = requests(content, sort, theme);
    let sources = |title, sources| source_table(title, content, sources, sort);
    let hosts = sources("claimed host", &content.traffic.hosts);
    let neighbourhoods = sources("neighbourhood", &content.traffic.neighbourhoods);
    let prefixes = prefixes(content, sort, theme);
    let columns = if area.width >= THREE_COLUMNS {
        vec![vec![requests], vec![hosts, neighbourhoods], vec![prefixes]]
    } else if area.width >= TWO_COLUMNS {
        vec![vec![requests], vec![hosts, neighbourhoods, prefixes]]
    } else {
        vec![vec![requests, hosts, prefixes, neighbourhoods]]
    };
    let count = columns.len() as u16;
    let width = (rest.width - GUTTER * (count - 1)) / count;
    for (number, tables) in columns.iter().enumerate() {
        let column = Rect {
            x: rest.x + number as u16 * (width + GUTTER),
            width,
            ..rest
        };
        draw_column(frame, column, tables, theme);
    }
}

/// Draws tables below each other.
fn draw_column(frame: &mut Frame<'_>, mut area: Rect, tables: &[Table], theme: Theme) {
    let wants: Vec<usize> = tables.iter().map(Table::height).collect();
    let shares = share(area.height.into(), &wants);
    for (table, height) in tables.iter().zip(shares) {
        let lines = table.lines(area.width.into(), height, theme);
        frame.render_widget(Paragraph::new(lines), area);
        let height = (height as u16).min(area.height);
        area.y += height;
        area.height -= height;
    }
}

/// The reasons that have occurred, and the two that everybody looks for, with what they were lately.
fn reasons(content: &Content<'_>, area: Rect, theme: Theme) -> Vec<Line<'static>> {
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
            line.push_span(ratatui::text::Span::styled(
                sparkline(&rates, history, theme),
                style,
            ));
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

const NUMBER: usize = 6;
const BYTES: usize = 7;

fn requests(content: &Content<'_>, sort: Sort, theme: Theme) -> Table {
    let column = |title| Column {
        title,
        width: NUMBER,
    };
    let rows = sort.rows(content.traffic.requests());
    let rows = rows.iter().map(|row| {
        let (request, flow) = row;
        let dropped = flow.dropped.total.packets > flow.passed.total.packets;
        Row {
            name: request.name().to_owned(),
            style: if dropped {
                theme.dropped()
            } else {
                theme.passed()
            },
            numbers: vec![
                content.rate(flow.passed.rate.packets),
                content.rate(flow.dropped.rate.packets),
                compact(row.total() as f64),
            ],
            idle: row.rate() == 0.0,
        }
    });
    Table {
        title: "request".to_owned(),
        short_title: "request".to_owned(),
        columns: vec![column("pass/s"), column("drop/s"), column("total")],
        rows: rows.collect(),
        empty: "none so far".to_owned(),
    }
}

fn counted_columns() -> Vec<Column> {
    vec![
        Column {
            title: "pkts/s",
            width: NUMBER,
        },
        Column {
            title: "total",
            width: NUMBER,
        },
        Column {
            title: "bytes/s",
            width: BYTES,
        },
    ]
}

fn source_table(title: &str, content: &Content<'_>, sources: &[SourceFlow], sort: Sort) -> Table {
    let estimate = |number: String| match number.as_str() {
        "-" | "0" => number,
        _ => format!("~{number}"),
    };
    let rows = sort.rows(sources.iter().copied());
    let rows = rows.iter().map(|source| Row {
        name: source.prefix.to_string(),
        style: Style::new(),
        numbers: vec![
            estimate(content.rate(source.flow.rate.packets)),
            estimate(compact(source.flow.total.packets as f64)),
            estimate(content.byte_rate(source.flow.rate.bytes)),
        ],
        idle: source.rate() == 0.0,
    });
    Table {
        title: format!("{title}, estimated"),
        short_title: format!("{title} ~"),
        columns: counted_columns(),
        rows: rows.collect(),
        empty: "none so far".to_owned(),
    }
}

fn prefixes(content: &Content<'_>, sort: Sort, theme: Theme) -> Table {
    let rows = sort.rows(content.traffic.prefixes.iter().copied());
    let rows = rows.iter().map(|hit| Row {
        name: format!("{} {}", hit.verdict, hit.prefix),
        style: match hit.verdict {
            crate::guard::Verdict::Allow => theme.passed(),
            crate::guard::Verdict::Deny => theme.dropped(),
        },
        numbers: vec![
            content.rate(hit.flow.rate.packets),
            compact(hit.flow.total.packets as f64),
            content.byte_rate(hit.flow.rate.bytes),
        ],
        idle: hit.rate() == 0.0,
    });
    Table {
        title: "prefix hit".to_owned(),
        short_title: "prefix hit".to_owned(),
        columns: counted_columns(),
        rows: rows.collect(),
        empty: if content.too_many_prefixes {
            "not watched: too many prefixes".to_owned()
        } else {
            "none so far".to_owned()
        },
    }
}
