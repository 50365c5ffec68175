//! Lines of pieces of which some matter more than others.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::foreign_text::printable;

/// A piece of a line.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The pieces of the highest rank go first if there is not room for all.
    pub(super) rank: u8,
    pub(super) spans: Vec<Span<'static>>,
}

impl Segment {
    pub(super) fn new(rank: u8, text: impl Into<String>) -> Self {
        Self::styled(rank, text, Style::new())
    }

    pub(super) fn styled(rank: u8, text: impl Into<String>, style: Style) -> Self {
        Self {
            rank,
            spans: vec![Span::styled(printable(&text.into()), style)],
        }
    }

    fn width(&self) -> usize {
        self.spans.iter().map(Span::width).sum()
    }
}

/// Two blanks.
const GAP: usize = 2;

/// As many pieces as fit, with blanks between them.
pub(super) fn fit(mut segments: Vec<Segment>, width: usize) -> Line<'static> {
    let total = |segments: &[Segment]| {
        let widths: usize = segments.iter().map(Segment::width).sum();
        widths + GAP * segments.len().saturating_sub(1)
    };
    while segments.len() > 1 && total(&segments) > width {
        let ranks = segments.iter().enumerate();
        let least = ranks.max_by_key(|(index, segment)| (segment.rank, *index));
        let Some((index, _)) = least else {
            break;
        };
        segments.remove(index);
    }
    let mut line = Line::default();
    for (index, segment) in segments.into_iter().enumerate() {
        if index != 0 {
            line.push_span(" ".repeat(GAP));
        }
        line.spans.extend(segment.spans);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_least_goes_first() {
        let segments = || {
            [(0, "one"), (2, "two"), (1, "three")]
                .map(|(rank, text)| Segment::new(rank, text))
                .to_vec()
        };
        for (width, text) in [
            (80, "one  two  three"),
            (15, "one  two  three"),
            (14, "one  three"),
            (9, "one"),
            (1, "one"),
        ] {
            assert_eq!(fit(segments(), width).to_string(), text);
        }
    }

    #[test]
    fn no_name_reaches_the_terminal_as_it_is() {
        let segments = vec![Segment::new(0, "\x1b[2J\u{9b}1m\u{202e}")];
        assert_eq!(
            fit(segments, 80).to_string(),
            "\\u{1b}[2J\\u{9b}1m\\u{202e}"
        );
    }
}
