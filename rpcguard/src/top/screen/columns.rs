//! Tables whose last columns give way to what is in the first.

use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};

use crate::top::theme::Theme;

/// A column of numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) width: usize,
}

/// What is in a line.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) style: Style,
    /// As many as there are columns.
    pub(super) numbers: Vec<String>,
    /// Whether nothing happens there at the moment.
    pub(super) idle: bool,
}

/// A table with a heading.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) title: String,
    /// Where that is too long.
    pub(super) short_title: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// What is there instead of rows if there are none.
    pub(super) empty: String,
}

impl Table {
    /// How many lines it would take.
    pub(super) fn height(&self) -> usize {
        1 + self.rows.len().max(1)
    }

    /// How many columns of numbers fit beside the names, and how wide they are together.
    fn numbers(&self, width: usize) -> (usize, usize) {
        let names = self.rows.iter().map(|row| row.name.chars().count());
        let name = names
            .max()
            .unwrap_or(0)
            .max(self.short_title.chars().count());
        let mut taken = 0;
        let mut count = 0;
        for column in &self.columns {
            let more = taken + column.width + 1;
            // The first column is what the table is for.
            if count != 0 && name + more > width {
                break;
            }
            taken = more;
            count += 1;
        }
        (count, taken)
    }

    /// The lines of it, in as much room as there is.
    pub(super) fn lines(&self, width: usize, height: usize, theme: Theme) -> Vec<Line<'static>> {
        let (count, taken) = self.numbers(width);
        let name_width = width.saturating_sub(taken);
        let shown = height.saturating_sub(1);
        let fits = |title: &str| title.chars().count() <= name_width;
        let mut title = &self.title;
        if !fits(title) {
            title = &self.short_title;
        }
        let counted = format!("{title} ({shown} of {})", self.rows.len());
        if shown < self.rows.len() && fits(&counted) {
            title = &counted;
        }
        let columns = &self.columns[..count];
        let titles = columns.iter().map(|column| column.title);
        let heading = cut(title, name_width, theme) + &right(columns, titles);
        let mut lines = vec![Line::styled(heading, theme.heading())];
        if self.rows.is_empty() {
            lines.push(Line::raw(cut(&self.empty, width, theme)));
        }
        for row in self.rows.iter().take(shown) {
            let name = cut(&row.name, name_width, theme);
            let numbers = right(columns, row.numbers.iter().map(String::as_str));
            let numbers = if row.idle {
                Span::raw(numbers)
            } else {
                Span::styled(numbers, Style::new().add_modifier(Modifier::BOLD))
            };
            lines.push(Line::from(vec![Span::styled(name, row.style), numbers]));
        }
        lines.truncate(height);
        lines
    }
}

/// Cells below each other, aligned at their right.
fn right<'a>(columns: &[Column], cells: impl Iterator<Item = &'a str>) -> String {
    let cells = columns.iter().zip(cells);
    cells
        .map(|(column, cell)| format!(" {cell:>width$}", width = column.width))
        .collect()
}

/// A text of exactly this width. Of one that is too long, both ends stay.
pub(super) fn cut(text: &str, width: usize, theme: Theme) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text:<width$}");
    }
    let ellipsis = theme.ellipsis();
    let kept = width.saturating_sub(ellipsis.chars().count());
    let end = kept / 2;
    text.chars()
        .take(kept - end)
        .chain(ellipsis.chars())
        .chain(text.chars().skip(length - end))
        .take(width)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Theme = Theme {
        colour: false,
        unicode: true,
    };

    fn text(width: usize, height: usize, name: &str) -> Vec<String> {
        let table = Table {
            title: "name of it".to_owned(),
            short_title: "name".to_owned(),
            columns: vec![
                Column {
                    title: "rate",
                    width: 5,
                },
                Column {
                    title: "total",
                    width: 5,
                },
            ],
            rows: [name, "b"]
                .map(|name| Row {
                    name: name.to_owned(),
                    style: Style::new(),
                    numbers: vec!["1".to_owned(), "2".to_owned()],
                    idle: true,
                })
                .to_vec(),
            empty: String::new(),
        };
        let lines = table.lines(width, height, PLAIN);
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_last_columns_go_before_names_are_cut() {
        assert_eq!(
            text(20, 9, "abcdefgh"),
            [
                "name      rate total",
                "abcdefgh     1     2",
                "b            1     2"
            ]
        );
        assert_eq!(text(19, 9, "abcdefgh")[1], "abcdefgh          1");
        assert_eq!(text(13, 9, "abcdefgh")[1], "abc…fgh     1");
    }

    #[test]
    fn a_heading_tells_of_rows_that_are_not_shown() {
        assert_eq!(
            text(31, 2, "abcdefgh"),
            [
                "name of it (1 of 2)  rate total",
                "abcdefgh                1     2"
            ]
        );
    }

    #[test]
    fn a_cut_text_has_the_width_that_was_asked_for() {
        for width in 0..12 {
            for unicode in [false, true] {
                let theme = Theme { unicode, ..PLAIN };
                assert_eq!(cut("0123456789", width, theme).chars().count(), width);
            }
        }
        assert_eq!(cut("2001:db8::1/128", 11, PLAIN), "2001:…1/128");
    }
}
