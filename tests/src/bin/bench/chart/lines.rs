//! How values grow.

use super::{COLOURS, Lines, WIDTH, number, text};

const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 40.0;
/// From the top of the vertical axis to its bottom.
const AXIS: f64 = 266.0;
const LEGEND: f64 = 76.0;
const LEGEND_STEP: f64 = 20.0;

/// The height of the chart, and what is in it.
pub(super) fn draw(chart: &Lines, values: &str) -> (f64, String) {
    let mut content = text(24.0, 52.0, "", values);
    let top = legend(chart, &mut content) + LEGEND_STEP;
    let bottom = top + AXIS;
    let axis = Axis::of(chart, bottom);
    for mark in &axis.marks {
        let y = axis.place(*mark);
        content.push_str(&format!(
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\n"
        ));
        content.push_str(&text(LEFT - 8.0, y + 4.0, "end", &number(*mark)));
    }
    let steps = chart.places.len().saturating_sub(1).max(1) as f64;
    // Points keep away from the ends of the axis.
    let x = |index: usize| LEFT + 20.0 + (RIGHT - LEFT - 40.0) * index as f64 / steps;
    for (index, place) in chart.places.iter().enumerate() {
        content.push_str(&text(x(index), bottom + 20.0, "middle", place));
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    content.push_str(&text(middle, bottom + 42.0, "middle", &chart.along));

    for (index, (_, line)) in chart.lines.iter().enumerate() {
        let colour = index % COLOURS;
        let points: Vec<(f64, f64)> = line
            .iter()
            .enumerate()
            .filter_map(|(index, value)| Some((x(index), axis.place((*value)?))))
            .collect();
        if points.is_empty() {
            continue;
        }
        let path: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1} {y:.1}"))
            .collect();
        content.push_str(&format!(
            "<path class=\"line c{colour}\" d=\"M{}\"/>\n",
            path.join("L")
        ));
        for (x, y) in points {
            content.push_str(&dot(x, y, colour));
        }
    }
    (bottom + 58.0, content)
}

/// In as many rows as are needed, the last of which is returned.
fn legend(chart: &Lines, content: &mut String) -> f64 {
    let (mut x, mut y) = (LEFT, LEGEND);
    for (index, (name, _)) in chart.lines.iter().enumerate() {
        let width = 34.0 + 7.0 * name.len() as f64;
        if x + width > RIGHT {
            (x, y) = (LEFT, y + LEGEND_STEP);
        }
        content.push_str(&dot(x, y - 4.0, index % COLOURS));
        content.push_str(&text(x + 10.0, y, "", name));
        x += width;
    }
    y
}

fn dot(x: f64, y: f64, colour: usize) -> String {
    format!("<circle class=\"dot c{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>\n")
}

/// The vertical one.
struct Axis {
    bottom: f64,
    marks: Vec<f64>,
    is_logarithmic: bool,
}

impl Axis {
    /// From nothing, or from a power of ten, to beyond the largest value.
    fn of(chart: &Lines, bottom: f64) -> Self {
        let values = || {
            let all = chart.lines.iter().flat_map(|(_, line)| line).flatten();
            all.filter(|value| **value > 0.0)
        };
        let largest = values().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let smallest = values().copied().fold(largest, f64::min);
        let marks = if chart.is_logarithmic {
            let (first, last) = (smallest.log10().floor(), largest.log10().ceil());
            (first as i32..=last as i32)
                .map(|power| 10_f64.powi(power))
                .collect()
        } else {
            let step = round_step(largest / 5.0);
            let count = (largest / step).ceil() as u32;
            (0..=count).map(|index| step * f64::from(index)).collect()
        };
        Self {
            bottom,
            marks,
            is_logarithmic: chart.is_logarithmic,
        }
    }

    /// What is below the axis lies on its beginning.
    fn place(&self, value: f64) -> f64 {
        let along = |value: f64| {
            if self.is_logarithmic {
                value.log10()
            } else {
                value
            }
        };
        let first = self.marks.first().map_or(0.0, |mark| along(*mark));
        let last = self.marks.last().map_or(1.0, |mark| along(*mark));
        let fraction = (along(value) - first) / (last - first).max(f64::MIN_POSITIVE);
        self.bottom - AXIS * fraction.max(0.0)
    }
}

/// The next larger of 1, 2 and 5 times a power of ten.
fn round_step(atleast: f64) -> f64 {
    let power = 10_f64.powf(atleast.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    step.into_iter()
        .find(|step| *step >= atleast)
        .unwrap_or(step[3])
}

#[cfg(test)]
mod tests {
    use super::round_step;

    #[test]
    fn steps_are_round() {
        assert_eq!([3.0, 10.0, 17.0].map(round_step), [5.0, 10.0, 20.0]);
    }
}
