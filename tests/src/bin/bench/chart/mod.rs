//! Charts as SVG, for light and for dark pages.

mod bars;
mod lines;

use serde::{Deserialize, Serialize};

/// A chart, and the file that it is written to.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Chart {
    /// Without directory and extension.
    pub(crate) name: String,
    pub(crate) title: String,
    /// What the numbers are, with their unit.
    pub(crate) values: String,
    pub(crate) shape: Shape,
}

/// What is drawn.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// How values grow along an axis.
    Lines(Lines),
    /// Values beside each other.
    Bars(Vec<Bar>),
}

/// A value with a name.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// Whether it is one that the chart is about, and not there to compare.
    pub(crate) stands_out: bool,
}

/// Lines that share an axis with evenly spread places.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Lines {
    /// What the places are.
    pub(crate) along: String,
    /// The name of each place.
    pub(crate) places: Vec<String>,
    /// A step of the other axis is a factor of ten.
    pub(crate) is_logarithmic: bool,
    /// A name, and a value for each place that has one.
    pub(crate) lines: Vec<(String, Vec<Option<f64>>)>,
}

impl Chart {
    /// The whole of the file.
    pub(crate) fn svg(&self) -> String {
        let (height, content) = match &self.shape {
            Shape::Lines(lines) => lines::draw(lines, &self.values),
            Shape::Bars(bars) => bars::draw(bars, &self.values),
        };
        let title = escaped(&self.title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n{STYLE}\
             <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n\
             {}{content}</svg>\n",
            text(24.0, 30.0, "title", &self.title)
        )
    }
}

const WIDTH: f64 = 760.0;

/// Classes instead of variables, which not everything that draws SVG knows.
const STYLE: &str = "<style>
text { font: 13px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #3b434d }
.title { font-size: 16px; font-weight: 600; fill: #1b2027 }
.end { text-anchor: end }
.middle { text-anchor: middle }
.page { fill: #ffffff }
.grid { stroke: #dfe3e8; fill: none }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.c0 { color: #1f6feb } .c1 { color: #d9730d } .c2 { color: #1a8a5a } .c3 { color: #a8429c } .c4 { color: #6b7785 } .other { color: #b4bcc6 }
.line, .dot { stroke: currentColor } .dot, .bar { fill: currentColor }
@media (prefers-color-scheme: dark) {
  text { fill: #b6bfca } .title { fill: #e8edf3 } .page { fill: #12161c } .grid { stroke: #2b323c }
  .c0 { color: #58a6ff } .c1 { color: #f0a35e } .c2 { color: #4cc38a } .c3 { color: #d98bd0 } .c4 { color: #8b97a5 } .other { color: #4a535f }
}
</style>
";

/// How many colours [`STYLE`] has.
const COLOURS: usize = 5;

fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    let content = escaped(content);
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{content}</text>\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// A number on an axis, or beside a bar.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 10.0 {
        format!("{value:.0}")
    } else if value.abs() >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Bar, Chart, Lines, Shape};

    fn chart(shape: Shape) -> String {
        Chart {
            name: "x".to_owned(),
            title: "this & that".to_owned(),
            values: "ns".to_owned(),
            shape,
        }
        .svg()
    }

    #[test]
    fn a_place_without_value_has_no_point() {
        let svg = chart(Shape::Lines(Lines {
            along: "prefixes".to_owned(),
            places: ["0", "1", "10"].map(str::to_owned).to_vec(),
            is_logarithmic: false,
            lines: vec![("one".to_owned(), vec![None, Some(1.0), Some(2.0)])],
        }));
        // One is in the legend.
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("this &amp; that"));
    }

    #[test]
    fn the_longest_bar_is_of_the_largest_value() {
        let bars = [("small", 1.0), ("large", 4.0), ("below", -1.0)];
        let svg = chart(Shape::Bars(
            bars.map(|(name, value)| Bar {
                name: name.to_owned(),
                value,
                stands_out: name == "large",
            })
            .to_vec(),
        ));
        let widths: Vec<f64> = svg
            .lines()
            .filter(|line| line.contains("class=\"bar"))
            .filter_map(|line| {
                line.split("width=\"")
                    .nth(1)?
                    .split('"')
                    .next()?
                    .parse()
                    .ok()
            })
            .collect();
        assert_eq!(widths.len(), 3);
        assert!((widths[1] - 4.0 * widths[0]).abs() < 0.5);
        assert_eq!(widths[2], 0.0);
        assert_eq!(svg.matches("class=\"bar other\"").count(), 2);
    }
}
