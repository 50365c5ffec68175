//! Numbers and tables as people read them.

use std::io::{self, Write};

use crate::foreign_text::printable;

/// A number in groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 prefix`, `2 prefixes`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Writes rows, the first of which is the header, in columns. A cell is one line, whatever is in
/// it.
pub(super) fn table<const N: usize>(
    out: &mut impl Write,
    align: [Align; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let shown = |row: &[String; N]| row.each_ref().map(|cell| printable(cell));
    let rows: Vec<[String; N]> = rows.iter().map(shown).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    });
    for row in &rows {
        let mut line = String::new();
        for ((cell, width), align) in row.iter().zip(widths).zip(align) {
            line.push_str("  ");
            match align {
                Align::Left => line.push_str(&format!("{cell:<width$}")),
                Align::Right => line.push_str(&format!("{cell:>width$}")),
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn columns_line_up() {
        let mut out = Vec::new();
        let rows = [["a", "packets"], ["long", "1"]].map(|row| row.map(str::to_owned));
        table(&mut out, [Align::Left, Align::Right], &rows).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  a     packets\n  long        1\n"
        );
    }

    #[test]
    fn a_cell_is_one_line_without_control_characters() {
        let mut out = Vec::new();
        let rows = [["a\nb\x1b[2J", "1"], ["c", "2"]].map(|row| row.map(str::to_owned));
        table(&mut out, [Align::Left, Align::Right], &rows).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  a\\nb\\u{1b}[2J  1\n  c              2\n"
        );
    }
}
