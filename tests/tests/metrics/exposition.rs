//! Metrics as text, read back.

use std::collections::BTreeMap;

/// A name and its labels, as `name{label="value",other="value"}` with the labels in their order.
pub(crate) type Series = BTreeMap<String, f64>;

/// Every sample of a text.
#[track_caller]
pub(crate) fn read(text: &str) -> Series {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let mut series = Series::new();
    for sample in samples {
        let (name, value) = sample.rsplit_once(' ').expect("a name and a value");
        let value = value.parse().expect("a number");
        let twice = series.insert(name.to_owned(), value);
        assert_eq!(twice, None, "{name} is there twice");
    }
    series
}

/// The names of metrics that a text describes.
pub(crate) fn names(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect()
}
