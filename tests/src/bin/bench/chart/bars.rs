//! Values beside each other.

use super::{Bar, WIDTH, number, text};

const TOP: f64 = 66.0;
const STEP: f64 = 26.0;
const THICKNESS: f64 = 16.0;
const LEFT: f64 = 275.0;
/// Leaves room for the number behind the longest bar.
const LONGEST: f64 = WIDTH - LEFT - 80.0;

/// The height of the chart, and what is in it. What is less than nothing has no bar.
pub(super) fn draw(bars: &[Bar], values: &str) -> (f64, String) {
    let largest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let mut content = text(24.0, 50.0, "", values);
    for (index, bar) in bars.iter().enumerate() {
        let colour = if bar.stands_out { "c0" } else { "other" };
        let y = TOP + STEP * index as f64;
        let length = LONGEST * bar.value.max(0.0) / largest.max(f64::MIN_POSITIVE);
        content.push_str(&text(LEFT - 10.0, y + 13.0, "end", &bar.name));
        content.push_str(&format!(
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{THICKNESS}\" class=\"bar {colour}\" rx=\"2\"/>\n"
        ));
        content.push_str(&text(LEFT + length + 8.0, y + 13.0, "", &number(bar.value)));
    }
    (TOP + STEP * bars.len() as f64 + 12.0, content)
}
