//! The tables, and where they are.

use ratatui::{Frame, layout::Rect, style::Style, widgets::Paragraph};

use super::{
    columns::{Column, Row, Table},
    content::Content,
    layout::share,
    reasons,
};
use crate::{
    guard::Verdict,
    top::{
        order::{Row as _, Sort},
        theme::Theme,
        traffic::SourceFlow,
        units::compact,
    },
};

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
    let reasons = reasons::lines(content, area, theme);
    // A blank line if there are many.
    let gap = if area.height >= 16 { 1 } else { 0 };
    let taken = (reasons.len() as u16).min(area.height);
    frame.render_widget(Paragraph::new(reasons), area);
    let rest = Rect {
        y: area.y + taken + gap,
        height: area.height.saturating_sub(taken + gap),
        ..area
    };
    let count: u16 = match area.width {
        0..TWO_COLUMNS => 1,
        TWO_COLUMNS..THREE_COLUMNS => 2,
        THREE_COLUMNS.. => 3,
    };
    let width = (rest.width - GUTTER * (count - 1)) / count;
    let columns = counted_columns(width);
    let source_table = |title, sources| source_table(title, content, sources, sort, &columns);
    let requests = requests(content, sort, theme);
    let hosts = source_table("claimed host", &content.traffic.hosts);
    let neighbourhoods = source_table("neighbourhood", &content.traffic.neighbourhoods);
    let prefixes = prefixes(content, sort, theme, &columns);
    let columns = match count {
        1 => vec![vec![requests, hosts, prefixes, neighbourhoods]],
        2 => vec![vec![requests], vec![hosts, neighbourhoods, prefixes]],
        _ => vec![vec![requests], vec![hosts, neighbourhoods], vec![prefixes]],
    };
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

/// What sources and prefixes have counted, as far as there is room beside an IPv6 /64.
fn counted_columns(width: u16) -> Vec<Column> {
    const WITH_BYTES: u16 = 48;
    let number = |title| Column {
        title,
        width: NUMBER,
    };
    let mut columns = vec![number("pkts/s"), number("total")];
    if width >= WITH_BYTES {
        columns.push(Column {
            title: "bytes/s",
            width: BYTES,
        });
    }
    columns
}

fn source_table(
    title: &str,
    content: &Content<'_>,
    sources: &[SourceFlow],
    sort: Sort,
    columns: &[Column],
) -> Table {
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
        columns: columns.to_vec(),
        rows: rows.collect(),
        empty: "none so far".to_owned(),
    }
}

fn prefixes(content: &Content<'_>, sort: Sort, theme: Theme, columns: &[Column]) -> Table {
    let rows = sort.rows(content.traffic.prefixes.iter().copied());
    let rows = rows.iter().map(|hit| Row {
        name: format!("{} {}", hit.verdict, hit.prefix),
        style: match hit.verdict {
            Verdict::Allow => theme.passed(),
            Verdict::Deny => theme.dropped(),
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
        columns: columns.to_vec(),
        rows: rows.collect(),
        empty: if content.too_many_prefixes {
            "not watched: too many prefixes".to_owned()
        } else {
            "none so far".to_owned()
        },
    }
}
