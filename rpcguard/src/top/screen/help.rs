//! The keys and the words, instead of the tables.

use ratatui::{
    Frame,
    layout::Rect,
    widgets::{Clear, Paragraph},
};

/// What it says. The keys come first, in case that there is no room for the rest.
const TEXT: &str = " q, Esc, Ctrl-C      quit; the filter stays in force
 ?                   show or hide this
 p, space            stand still, or go on
 Tab, right, down    next interface, or all together
 Shift-Tab, left, up the one before
 s                   sort by rate, by total, or by name

 packets/s lately    each line has a scale of its own; now is at the right
 ~                   estimated from samples of what was dropped
 claimed host        the source address of the packets, which may be forged:
                     then it is the victim; of IPv6, a /64
 neighbourhood       a /24; of IPv6, a /48
 would drop          the guard observes: it counts, and all packets pass
 k, M, G             thousands, millions, thousands of millions";

/// Draws it.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect) {
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(TEXT), area);
}
